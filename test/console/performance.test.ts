/**
 * The mill floor on a second screen must cost next to nothing: a hundred tenants, 64 slots, four
 * pushes a second. GRISTMILL_FLOOR_SECONDS=60 measures for the record; the suite takes less.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CDPSession } from 'playwright-core'
import { startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const seconds = Number(process.env.GRISTMILL_FLOOR_SECONDS ?? 5)
const TASK_SHARE_MAX = 0.15

test('the mill floor with 100 tenants and 64 slots leaves the main thread free', {
  skip: withoutBrowser,
}, async (t) => {
  await buildConsole()
  const fixture = await startFixture({ isLarge: true })
  const browser = await launch()
  t.after(async () => {
    await browser.close()
    await fixture.close()
  })
  const { page, complaints } = await openPage(browser, { width: 1440 })
  await page.goto(fixture.url)
  await page.getByText('Live', { exact: true }).waitFor()
  await page.waitForTimeout(2000)

  const session = await page.context().newCDPSession(page)
  // Of the thread itself, so that whatever else runs on the machine does not count.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const before = await metrics(session)
  await page.waitForTimeout(seconds * 1000)
  const after = await metrics(session)

  const elapsed = after.at - before.at
  const share = (after.task - before.task) / elapsed
  const parts = `script ${percent((after.script - before.script) / elapsed)}, style ${percent((after.style - before.style) / elapsed)}, layout ${percent((after.layout - before.layout) / elapsed)}`
  t.diagnostic(`main thread busy ${percent(share)} over ${elapsed.toFixed(1)} s (${parts})`)
  assert.ok(share <= TASK_SHARE_MAX, `main thread busy ${percent(share)}`)
  assert.ok((await page.locator('[aria-label="Stones"] li').count()) >= 64, '64 slots are shown')
  assert.deepEqual(complaints, [])
})

async function metrics(session: CDPSession) {
  const { metrics: all } = await session.send('Performance.getMetrics')
  const read = (name: string) => all.find((one) => one.name === name)?.value ?? 0
  return {
    at: read('Timestamp'),
    task: read('TaskDuration'),
    script: read('ScriptDuration'),
    style: read('RecalcStyleDuration'),
    layout: read('LayoutDuration'),
  }
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
