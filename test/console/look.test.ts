/**
 * Every page in both themes on a desk and on a phone: begins with a sentence about what is there,
 * fits, complains about nothing, can be read. The pictures stay in screenshots/ to be looked at.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'
import { lowContrasts } from './contrast.ts'
import { type ConsolePage, consolePages } from './pages.ts'

const screenshots = join(import.meta.dirname, '..', '..', 'screenshots')

describe('every page of the console', { skip: withoutBrowser }, () => {
  let browser: Browser
  let inside: Fixture
  let outside: Fixture
  let unused: Fixture

  before(async () => {
    await buildConsole()
    browser = await launch()
    inside = await startFixture()
    outside = await startFixture({ isSignedIn: false })
    unused = await startFixture({ isUnused: true })
  })
  after(async () => {
    await browser.close()
    await Promise.all([inside, outside, unused].map((fixture) => fixture.close()))
  })

  for (const theme of ['light', 'dark'] as const) {
    for (const width of [1440, 390]) {
      test(`${theme}, ${width} px wide`, async () => {
        const { page, complaints } = await openPage(browser, { width, theme })
        for (const one of consolePages) {
          await visit(page, one)
          await page.screenshot({
            path: join(screenshots, `${one.name}-${width}-${theme}.png`),
            fullPage: true,
          })
          await assertFits(page, one.name)
          assert.deepEqual(await lowContrasts(page), [], `${one.name}: contrast`)
          assert.deepEqual(complaints, [], `${one.name}: complaints`)
        }
        await page.context().close()
      })
    }
  }

  test('nothing breaks from 360 to 2,560 px', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    for (const one of consolePages) {
      await visit(page, one)
      for (const width of [360, 640, 768, 1024, 1920, 2560]) {
        await page.setViewportSize({ width, height: 900 })
        await assertFits(page, `${one.name} at ${width} px`)
      }
    }
    await page.context().close()
  })

  async function visit(page: Page, { path, sentence, isSignedOut, isUnused, name }: ConsolePage) {
    const fixture = isSignedOut ? outside : isUnused ? unused : inside
    const first = fixture.state.records.requests.find(({ group }) => group === 'finished')
    await page.goto(fixture.url + path.replace('FIRST', first?.id ?? ''))
    const heading = page.getByRole('heading', { level: 1 })
    await heading.filter({ hasText: sentence }).waitFor({ timeout: 15_000 })
    assert.equal(await heading.count(), 1, `${name} has one first heading`)
    await page.waitForTimeout(name === 'mill-floor' ? 1200 : 350)
  }
})

async function assertFits(page: Page, name: string): Promise<void> {
  const [content, view] = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  )
  assert.ok(content <= view, `${name}: ${content} px of content in ${view} px`)
}
