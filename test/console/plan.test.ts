/** Plans in the console: from an empty page to a report, questions about it, files, paper. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import {
  changeCommand,
  changeInWords,
  planCommand,
  planSentence,
} from '../../console/src/plan/plan-words.ts'
import type { PlanInputView } from '../../src/http/contract.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const LONG_MS = 3_600_000

describe('a plan in words', () => {
  const input: PlanInputView = {
    source: 'ledger',
    name: null,
    hours: 168,
    engine: 'l40s-8b',
    ttftP99Ms: 800,
    costPerEngineHour: 1.9,
    tenants: 8,
    seed: 1,
  }
  const plan =
    'gristmill plan --trace traffic.csv --engine l40s-8b --ttft-p99 800 --cost-per-engine-hour 1.9'

  test('has the command that makes the same', () => {
    assert.equal(planCommand(input), `gristmill trace export --hours 168 > traffic.csv && ${plan}`)
    assert.equal(
      planCommand({ ...input, source: 'trace', name: 'my day.csv', costPerEngineHour: null }),
      "gristmill plan --trace 'my day.csv' --engine l40s-8b --ttft-p99 800",
    )
    const example = { ...input, source: 'example' } as const
    assert.equal(
      changeCommand(example, { kind: 'engines', more: 1 }, 3),
      'gristmill plan --example --engine l40s-8b --ttft-p99 800 --what-if engines=+1 --pool-engines 3',
    )
  })

  test('says what was asked', () => {
    const nameOf = () => 'Support'
    assert.equal(changeInWords({ kind: 'engines', more: -1 }, nameOf), '1 engine less')
    assert.equal(changeInWords({ kind: 'load', factor: 2 }, nameOf), '2 times the load')
    assert.equal(
      changeInWords({ kind: 'tenant', like: 'ten_1' }, nameOf),
      'One more tenant like Support',
    )
    assert.match(planSentence(null), /^How many engines/)
  })
})

describe('the page of plans', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page
  let complaints: string[]

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture({ isUnused: true })
    ;({ page, complaints } = await openPage(browser, { width: 1440 }))
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  const verdict = () =>
    page.getByRole('heading', { level: 1, name: /^One pool needs 1 engine where tenants alone/ })
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()

  test('begins with one action, shows how far it is, and ends with a report', async () => {
    await page.goto(`${fixture.url}/plan`)
    await page.getByRole('heading', { level: 1, name: /^How many engines/ }).waitFor()
    fixture.state.planMs = LONG_MS
    await press('See it with the example')
    await page.getByRole('progressbar', { name: 'How far it is' }).waitFor()
    assert.ok(await page.getByRole('button', { name: 'Work it out' }).isDisabled())
    fixture.state.planMs = 0
    await verdict().waitFor()
    const ways = page.getByLabel('Three ways to serve it').getByRole('listitem')
    assert.equal(await ways.count(), 3)
    await page.getByLabel('First tokens, tenant by tenant').locator('canvas').waitFor()
    await page.getByLabel('If the traffic were another').locator('canvas').waitFor()
    const tenants = page.getByLabel('First tokens, tenant by tenant').getByRole('rowheader')
    assert.equal(await tenants.count(), 6)
    await page.getByText('gristmill plan --example --engine h100-8b').first().waitFor()
  })

  test('is saved as JSON and as tables', async () => {
    const saved = async (click: Promise<void>) => {
      const download = page.waitForEvent('download')
      await click
      return readFile(await (await download).path(), 'utf8')
    }
    const report = JSON.parse(await saved(press('JSON')))
    assert.equal(report.arrangements.length, 3)
    const card = page.getByLabel('First tokens, tenant by tenant')
    const csv = await saved(card.getByRole('button', { name: 'Export CSV' }).click())
    assert.equal(
      csv.trim().split('\r\n').length,
      1 + 6 + 5 + 5,
      'all tenants, and in a pool those that people wait for',
    )
    assert.match(csv, /^Arrangement,Tenant,Own engines,Requests,First token p50 ms,/)
  })

  test('answers what would change, one question at a time', async () => {
    const card = page.getByLabel('What if')
    await card.getByText(/^Answers gather here/).waitFor()
    fixture.state.planMs = LONG_MS
    await card.getByRole('button', { name: 'Double the load' }).click()
    await card.getByRole('button', { name: 'One engine more', disabled: true }).waitFor()
    fixture.state.planMs = 0
    await card.getByText(/^2 times the load/).waitFor()
    await card.getByText(/^Simulated: the busiest \d+ min of the trace/).waitFor()
    await card.getByText(/--what-if load=2 --pool-engines 1$/).waitFor()
    await card.getByLabel('Tenant to copy').selectOption('search')
    await card.getByRole('button', { name: 'One more tenant like' }).click()
    await card.getByText(/^One more tenant like search/).waitFor()
  })

  test('takes a trace as a file or pasted, keeps what was chosen in the address', async () => {
    await page.getByLabel('A trace file').check()
    const go = page.getByRole('button', { name: 'Work it out' })
    assert.ok(await go.isDisabled(), 'there is no trace yet')
    await page.getByLabel('Trace', { exact: true }).fill('time_s,tenant,class,input,output\n')
    await page.getByRole('button', { name: 'Work it out', disabled: false }).waitFor()
    const file = { name: 'mine.csv', mimeType: 'text/csv', buffer: Buffer.from('x'.repeat(5000)) }
    await page.getByLabel('Trace file', { exact: true }).setInputFiles(file)
    await page.getByText('mine.csv, 5 kB').waitFor()
    await page.getByLabel('Promise: first token at p99').fill('800')
    fixture.state.planMs = LONG_MS
    await go.click()
    await page.waitForURL(/\?source=trace&engine=h100-8b&ttftP99Ms=800/)
    await page.getByText('mine.csv ·').waitFor()
    await press('Stop')
    await page.getByRole('heading', { level: 1, name: /^The plan was stopped/ }).waitFor()
    fixture.state.planMs = 0
  })

  test('is the report alone on paper', async () => {
    await page.getByLabel('The example').check()
    await press('Work it out')
    await verdict().waitFor()
    await page.emulateMedia({ media: 'print' })
    for (const hidden of ['What to plan for', 'Rooms']) {
      assert.ok(!(await page.getByLabel(hidden, { exact: true }).first().isVisible()), hidden)
    }
    assert.ok(await page.getByLabel('Three ways to serve it').isVisible())
    await page.emulateMedia({ media: 'screen' })
    assert.deepEqual(complaints, [])
  })
})
