/** What the home page loads before it is complete: a person on a slow line waits for every byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFixture } from '../../console/fixture/server.ts'
import { eventually } from '../../src/base/test-eventually.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const BYTES_MAX = 150_000

test('the home page loads at most 150 kB, compressed, font included', {
  skip: withoutBrowser,
}, async (t) => {
  await buildConsole()
  const fixture = await startFixture()
  const browser = await launch()
  t.after(async () => {
    await browser.close()
    await fixture.close()
  })
  const { page } = await openPage(browser, { width: 1440 })
  const sizes = new Map<string, number>()
  page.on('requestfinished', async (request) => {
    const { pathname } = new URL(request.url())
    if (pathname.startsWith('/api/')) return
    const { responseBodySize } = await request.sizes()
    sizes.set(pathname, responseBodySize)
  })
  await page.goto(fixture.url)
  await page.locator('canvas').first().waitFor()
  const isFont = (path: string) => path.endsWith('.woff2')
  await eventually('the font is counted', () => [...sizes.keys()].some(isFont))
  await page.waitForTimeout(500)

  const sum = (isCounted: (path: string) => boolean) =>
    [...sizes].filter(([path]) => isCounted(path)).reduce((total, [, bytes]) => total + bytes, 0)
  const code = sum((path) => !isFont(path))
  const font = sum(isFont)
  const all = code + font
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
  t.diagnostic(`code ${kilobytes(code)}, font ${kilobytes(font)}, together ${kilobytes(all)}`)
  assert.ok(sizes.size >= 4, 'page, script, style and chart were counted')
  assert.ok(font > 0, 'the font was counted')
  assert.ok(all <= BYTES_MAX, `together ${kilobytes(all)}`)
})
