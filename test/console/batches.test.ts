/** Batches in the console: their words, the list, one of each kind, and stopping one. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { makeBatches } from '../../console/fixture/batches.ts'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { batchSentence, listSentence } from '../../console/src/batches/batch-sentences.ts'
import { donePercent } from '../../console/src/batches/batch-words.ts'
import { eventually } from '../../src/base/test-eventually.ts'
import type { BatchView } from '../../src/http/contract.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const NOW_MS = new Date(2026, 10, 20, 14, 0).getTime()
const owner = (tenantId: string) => ({ tenantId, projectId: 'prj_1', keyId: 'key_1' })
const made = makeBatches([owner('ten_a'), owner('ten_b')], NOW_MS)

const one = (status: BatchView['status']): BatchView =>
  made.find((batch) => batch.status === status) ?? assert.fail(`one is ${status}`)

const said = (batch: BatchView) => batchSentence(batch, 'Labels', NOW_MS).replaceAll('\u00a0', ' ')

describe('a batch in words', () => {
  const running = one('in_progress')

  test('says how far it is, how fast it goes and when it should end', () => {
    const endsAt = new Date(NOW_MS + 15 * 60_000).toISOString()
    const forecast = { ...running.forecast, linesPerS: 2.91, endsAt }
    assert.equal(
      said({ ...running, forecast }),
      'A batch of Labels is 34 % done: 1,378 of 4,000 lines at 2.9 lines/s, expected to end at 14:15.',
    )
    const slow = { ...forecast, linesPerS: 0.01, endsAt: new Date(2026, 10, 21, 9).toISOString() }
    assert.match(said({ ...running, forecast: slow }), /at 36 lines\/h, .* at 21 Nov, 09:00\.$/)
  })

  test('invents no end and no pace where there is none', () => {
    assert.match(said(running), /1,378 of 4,000 lines; its end cannot be told yet\.$/)
  })

  test('is not called done before its last line', () => {
    const lines = { total: 4000, completed: 3999, failed: 0, queued: 0, running: 1 }
    assert.match(said({ ...running, lines }), / 99 % done/)
  })

  test('tells a refused input from work that failed', () => {
    assert.match(said(one('failed')), /refused for 3 errors; no line was run\.$/)
    assert.match(
      said({ ...running, status: 'failed' }),
      /failed with 1,372 of 4,000 lines answered\.$/,
    )
  })

  test('counts only answers where the rest was given up', () => {
    assert.match(said(one('cancelled')), /cancelled with 214 of 600 lines answered\.$/)
    assert.match(said(one('expired')), /8,412 of 9,000 lines had an answer when its window closed/)
    assert.equal(donePercent(one('expired')).replace('\u00a0', ' '), '93 %')
  })

  test('the list sums up what is under way, and names risk', () => {
    const late = { ...running, forecast: { ...running.forecast, standing: 'late' as const } }
    const fast = { ...running, forecast: { ...running.forecast, linesPerS: 3 } }
    assert.equal(
      listSentence([fast, late, one('completed')], false, NOW_MS),
      '2 batches are under way: 2,756 of 8,000 lines done at 3 lines/s. One may miss its window.',
    )
    assert.match(listSentence([one('completed')], false, NOW_MS), /ended 2\.9\sh ago, completed\.$/)
    assert.equal(listSentence([], false, NOW_MS), 'No batch has been made yet.')
    assert.equal(listSentence([], true, NOW_MS), 'No batch is like that.')
  })
})

describe('the pages of batches', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    page = (await openPage(browser, { width: 1440 })).page
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  test('the floor shows what is in progress, and leads to it', async () => {
    await page.goto(fixture.url)
    const strip = page.getByLabel('Batches in progress')
    await strip.getByRole('link', { name: 'Research' }).waitFor()
    assert.equal(await strip.getByRole('listitem').count(), 2)
    await strip.getByRole('link', { name: 'Labels' }).click()
    await page
      .getByRole('heading', { level: 1, name: /^A batch of Labels is \d+\s% done/ })
      .waitFor()
  })

  test('a running batch moves while it is looked at', async () => {
    await page.goto(`${fixture.url}/batches/batch_01jd8mfixturerunning`)
    const bar = page.getByLabel('Lines').getByRole('img')
    await bar.waitFor()
    const first = await bar.getAttribute('aria-label')
    await eventually('it moves', async () => (await bar.getAttribute('aria-label')) !== first)
  })

  test('filters live in the address, and the table is saved as CSV', async () => {
    await page.goto(`${fixture.url}/batches`)
    await page.getByLabel('Status').selectOption('failed')
    await page.waitForURL(/\?status=failed$/)
    const rows = page.getByLabel('Batches', { exact: true }).getByRole('row')
    await eventually('the head and the one that failed', async () => (await rows.count()) === 2)
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export CSV' }).click()
    const csv = await readFile(await (await saving).path(), 'utf8')
    assert.match(csv, /^Made,Batch,Tenant,Model,Status,Progress,.*\r\n.*,failed,0,/)
  })

  test('bad lines are told with their number', async () => {
    await page.goto(`${fixture.url}/batches/batch_01jd8mfixturefailed`)
    const found = page.getByLabel('What was wrong').getByRole('row')
    await found.filter({ hasText: 'line 17' }).getByText('line 4 has the same one').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Cancel the batch' }).count(), 0)
  })

  test('cancelling asks first, says what stays, and shows the outcome', async () => {
    await page.goto(`${fixture.url}/batches/batch_01jd8mfixturelate`)
    const opener = page.getByRole('button', { name: 'Cancel the batch' })
    await opener.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/of 1,800 lines keep their answers, which stay charged/).waitFor()
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    await page.getByRole('heading', { level: 1, name: /% done/ }).waitFor()
    await opener.click()
    await dialog.getByRole('button', { name: 'Cancel the batch' }).click()
    await page
      .getByRole('heading', { level: 1, name: /^A batch of Research was cancelled/ })
      .waitFor()
    await page.getByText(/^gristmill batch results batch_\w+ --output output\.jsonl$/).waitFor()
  })

  test('without any batch the page says how one is made', async () => {
    fixture.state.records.batches.length = 0
    await page.goto(`${fixture.url}/batches`)
    await page.getByRole('heading', { level: 1, name: 'No batch has been made yet.' }).waitFor()
    await page.getByText(/client\.batches\.create/).waitFor()
    await page.goto(`${fixture.url}/batches/batch_gone`)
    await page
      .getByRole('alert')
      .getByText(/That did not work/)
      .waitFor()
  })
})
