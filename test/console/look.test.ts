/**
 * Every page in both themes from 360 to 2,560 px: begins with a sentence about what is there,
 * fits, complains about nothing, can be read. With `GRISTMILL_TEST_PICTURES=1` pictures of all stay
 * in screenshots/ to be looked at.
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

const WIDTHS = [1440, 2560, 1920, 1024, 768, 640, 390, 360]
/** Where it is looked at closely. */
const PICTURED = [1440, 390]
const takesPictures = process.env.GRISTMILL_TEST_PICTURES === '1'
const screenshots = join(import.meta.dirname, '..', '..', 'screenshots')

describe('every page of the console', { skip: withoutBrowser }, () => {
  let browser: Browser
  let page: Page
  let complaints: string[]
  let inside: Fixture
  let outside: Fixture
  let atProvider: Fixture
  let unused: Fixture

  before(async () => {
    await buildConsole()
    browser = await launch()
    ;({ page, complaints } = await openPage(browser, { width: 1440 }))
    inside = await startFixture({ hasProvider: true })
    outside = await startFixture({ isSignedIn: false })
    atProvider = await startFixture({ isSignedIn: false, hasProvider: true })
    unused = await startFixture({ isUnused: true })
  })
  after(async () => {
    await browser.close()
    await Promise.all([inside, outside, atProvider, unused].map((fixture) => fixture.close()))
  })

  for (const one of consolePages) {
    test(one.name, async () => {
      complaints.length = 0
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize({ width: 1440, height: 900 })
      await visit(one)
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: width < 600 ? 844 : 900 })
        await assertFits(page, width)
        if (!PICTURED.includes(width)) continue
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          if (takesPictures) await picture(page, `${one.name}-${width}-${colorScheme}.png`)
          const where = `at ${width} px, ${colorScheme}`
          assert.deepEqual(await lowContrasts(page), [], `contrast ${where}`)
          assert.deepEqual(complaints, [], `complaints ${where}`)
        }
      }
    })
  }

  async function visit(one: ConsolePage) {
    const { path, sentence, isSignedOut, isUnused, hasProvider, name } = one
    const without = isSignedOut ? outside : isUnused ? unused : inside
    const fixture = hasProvider ? atProvider : without
    const first = fixture.state.records.requests.find(({ group }) => group === 'finished')
    await page.goto(fixture.url + path.replace('FIRST', first?.id ?? ''))
    const heading = page.getByRole('heading', { level: 1 })
    await heading.filter({ hasText: sentence }).waitFor()
    assert.equal(await heading.count(), 1, `${name} has one first heading`)
    await page.waitForTimeout(name === 'mill-floor' ? 1200 : 350)
  }
})

async function picture(page: Page, name: string): Promise<void> {
  // A chart draws itself anew.
  await page.waitForTimeout(100)
  await page.screenshot({ path: join(screenshots, name), fullPage: true })
}

async function assertFits(page: Page, width: number): Promise<void> {
  const [content, view] = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  )
  assert.ok(content <= view, `${content} px of content in ${view} px, ${width} px wide`)
}
