/** Budgets in the console: what they say, and making, changing and ending one. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { makeBudgets } from '../../console/fixture/budgets.ts'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import {
  amountOf,
  budgetsInWords,
  nextRefusal,
  stateOf,
} from '../../console/src/budgets/budget-words.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const budgets = makeBudgets(['ten_1', 'ten_2', 'ten_3', 'ten_4'], Date.UTC(2026, 10, 14))
const [money, total, tokens, each, soft] = budgets
const plain = (text: string) => text.replaceAll('\u00a0', ' ')

describe('budgets in words', () => {
  test('have amounts in their unit, and a state', () => {
    const amounts = budgets.map((one) => plain(amountOf(one, one.limit)))
    assert.deepEqual(amounts, [
      '750.00 USD',
      '20.00 USD',
      '2,000,000 tokens',
      '50,000 tokens',
      '36,000 engine-seconds',
      '260.00 USD',
    ])
    assert.deepEqual(budgets.map(stateOf), ['tight', 'empty', 'open', 'each', 'open', 'open'])
  })

  test('say what would be refused next, and why', () => {
    assert.ok(money && total && tokens && each && soft)
    assert.match(
      plain(nextRefusal(money)),
      /^Refuses a request that may take more than 61\.59 USD; one that needs some of the 12\.50 USD/,
    )
    assert.match(nextRefusal(total), /every request: it is used up and never renews \(402/)
    assert.match(nextRefusal({ ...total, renewsAt: money.renewsAt }), /until it renews, .*\(429/)
    assert.match(nextRefusal(tokens), /^Makes answers shorter where/)
    assert.match(nextRefusal(each), /^Refuses an end user’s request/)
    assert.match(nextRefusal(soft), /^Refuses nothing/)
  })

  test('begin with the one that matters most', () => {
    const whose = () => 'Support'
    assert.match(
      budgetsInWords(budgets, whose),
      /trial is used up and refuses every request; 5 of 6/,
    )
    assert.match(
      plain(budgetsInWords(budgets.slice(2), whose)),
      /^All 4 budgets have room; Support’s engines has the least, 25 % of it is spent\.$/,
    )
    assert.match(plain(budgetsInWords(budgets.slice(3, 5), whose)), /^Both budgets have room; /)
    assert.match(
      plain(budgetsInWords(budgets.slice(4, 5), whose)),
      /^Support’s [\w ]+ has room: \d+ % of it is spent\.$/,
    )
    assert.equal(budgetsInWords([], whose), 'No budget bounds what is spent.')
  })
})

describe('the page of budgets', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page
  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    page = (await openPage(browser, { width: 390 })).page
    await page.goto(`${fixture.url}/budgets`)
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  test('names the project that a budget is for', async () => {
    const { budgets, records } = fixture.state
    const [first] = budgets
    const project = records.projects.find(({ tenantId }) => tenantId === first?.tenantId)
    assert.ok(first && project)
    first.projectId = project.id
    await page.reload()
    await page.getByText(`project ${project.name}`, { exact: true }).waitFor()
    first.projectId = null
  })

  test('makes a budget, changes it and ends it, on a phone', async () => {
    await page.getByRole('button', { name: 'New budget' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name', { exact: true }).fill('winter')
    await dialog.getByLabel('Limit', { exact: true }).fill('12x')
    await dialog.getByRole('button', { name: 'Make it' }).click()
    assert.equal(fixture.state.budgets.length, 6, 'a limit that is no amount is not sent')
    await dialog.getByLabel('Limit', { exact: true }).fill('12.5')
    await dialog.getByText(/gristmill budget create winter --tenant .* --limit 12\.5/).waitFor()
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await page.getByRole('button', { name: 'Change winter' }).click()
    await dialog.getByLabel('Limit', { exact: true }).fill('40')
    await dialog.getByRole('button', { name: 'Save', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    assert.equal(fixture.state.budgets.at(-1)?.limit, '40')
    await page.getByRole('button', { name: 'End winter' }).click()
    await dialog.getByRole('button', { name: 'End winter' }).click()
    await page.getByRole('heading', { level: 3, name: /^winter/ }).waitFor({ state: 'detached' })
    assert.equal(fixture.state.budgets.length, 6)
  })
})
