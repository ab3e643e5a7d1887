/** The console without a mouse: going places, the list of commands, dialogs, the skip link. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { eventually } from '../../src/base/test-eventually.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

describe('the console by keyboard', { skip: withoutBrowser }, () => {
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

  test('g and a letter go to every room', async () => {
    await page.goto(fixture.url)
    await page.getByRole('navigation').waitFor()
    const places = {
      p: '/playground',
      b: '/batches',
      e: '/engines',
      w: '/routes',
      t: '/tenants',
      k: '/keys',
      o: '/people',
    }
    const records = { u: '/usage', r: '/requests', a: '/audit', n: '/retention', f: '/' }
    for (const [key, path] of Object.entries({ ...places, ...records })) {
      await page.keyboard.press('g')
      await page.keyboard.press(key)
      await page.waitForURL(fixture.url + path)
      const current = `[aria-current="page"][href="${path}"]`
      await page.getByRole('navigation').locator(current).waitFor()
    }
  })

  test('? lists the commands; typing narrows them, Enter runs one, Escape closes', async () => {
    await page.goto(fixture.url)
    await page.getByRole('navigation').waitFor()
    await page.keyboard.press('?')
    const dialog = page.getByRole('dialog', { name: 'Commands' })
    await dialog.waitFor()
    assert.ok((await dialog.getByRole('option').count()) > 9, 'every room and action')
    await page.keyboard.type('audit')
    await eventually('one is left', async () => (await dialog.getByRole('option').count()) === 1)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${fixture.url}/audit`)
    await page.keyboard.press('?')
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
  })

  test('? is heard however soon it comes after the list was closed', async () => {
    await page.goto(fixture.url)
    await page.getByRole('navigation').waitFor()
    const dialog = page.getByRole('dialog', { name: 'Commands' })
    const key = (on: string, name: string) =>
      `${on}.dispatchEvent(new KeyboardEvent('keydown', { key: '${name}', bubbles: true }))`
    // Enter runs a command; Escape is the browser's own, which asks the dialog to close.
    for (const closing of [key('document.activeElement', 'Enter'), 'list.requestClose()']) {
      await page.keyboard.press('?')
      await dialog.waitFor()
      // Before the browser tells that the dialog was closed, which takes a task of its own.
      await page.evaluate(`(async () => {
        const list = document.querySelector('dialog[open]')
        ${closing}
        await null
        ${key('document.body', '?')}
      })()`)
      await page.waitForTimeout(200)
      assert.ok(await dialog.isVisible(), closing)
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'hidden' })
    }
  })

  test('what is typed while the list is on its way runs no command', async () => {
    const { page: slow } = await openPage(browser, { width: 1440 })
    await slow.goto(fixture.url)
    await slow.getByRole('navigation').waitFor()
    await slow.route(/command-list/, async (route) => {
      await slow.keyboard.type('tgu')
      await route.continue()
    })
    await slow.keyboard.press('?')
    await slow.getByRole('dialog', { name: 'Commands' }).waitFor()
    assert.equal(new URL(slow.url()).pathname, '/')
    assert.equal(await slow.evaluate('document.documentElement.dataset.theme'), 'light')
    assert.equal(await slow.evaluate("localStorage.getItem('gristmill.theme')"), null)
    await slow.context().close()
  })

  test('a text that is selected beyond its dialog does not close it', async () => {
    await page.goto(`${fixture.url}/tenants`)
    await page.getByRole('button', { name: 'New tenant' }).click()
    const name = page.getByRole('dialog').getByLabel('Name', { exact: true })
    await name.fill('Night shift')
    const place = (await name.boundingBox()) ?? assert.fail('it can be seen')
    await page.mouse.move(place.x + 40, place.y + place.height / 2)
    await page.mouse.down()
    await page.mouse.move(5, place.y + place.height / 2)
    await page.mouse.up()
    await page.waitForTimeout(200)
    assert.equal(await name.inputValue(), 'Night shift')
    await page.mouse.click(5, 300)
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  })

  test('Tab reaches the skip link first, and it leads to the page', async () => {
    await page.goto(`${fixture.url}/tenants`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('Tab')
    assert.equal(await focused(page), 'Skip to the page')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    assert.equal(await focused(page), 'New tenant')
  })

  test('t changes the theme, letters in a field do not', async () => {
    await page.goto(`${fixture.url}/playground`)
    const theme = () => page.evaluate<string>('document.documentElement.dataset.theme')
    await page.getByLabel('Question').waitFor()
    const before = await theme()
    await page.getByLabel('Question').pressSequentially('tgf')
    assert.equal(await theme(), before)
    assert.equal(new URL(page.url()).pathname, '/playground')
    await page.getByRole('button', { name: 'Copy as code' }).focus()
    for (let presses = 0; presses < 2; presses += 1) await page.keyboard.press('t')
    await eventually('it is dark', async () => (await theme()) === 'dark')
  })

  test('a difference of a bill is booked, with a reason, without touching the mouse', async () => {
    await page.goto(`${fixture.url}/statements/bills`)
    const heading = (name: RegExp) => page.getByRole('heading', { level: 1, name }).waitFor()
    await heading(/^3 differences of 2 bills keep their periods open/)
    const lines = page.getByRole('region', { name: /^Lines of/ })
    const line = lines.getByRole('row').filter({ hasText: 'Missing here' })
    await line.getByText('keeps its day open').waitFor()
    await line.getByRole('button', { name: 'Book' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Book a variance' })
    await dialog.getByText(/^17\.10\sUSD of big-code/).waitFor()
    await page.keyboard.press('Enter')
    const isMissing = 'document.activeElement.validity.valueMissing'
    assert.equal(await page.evaluate(isMissing), true, 'a reason is needed')
    await page.keyboard.type("Anna's test key")
    const command = `gristmill ledger variance 2 --line 6 --reason 'Anna'\\''s test key'`
    await dialog.getByText(command).waitFor()
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    await heading(/^2 differences of 2 bills keep their periods open/)
    await line.getByText("booked: Anna's test key").waitFor()
    assert.equal(await line.getByRole('button', { name: 'Book' }).count(), 0)
    assert.deepEqual([...fixture.state.bills.variances], [[6, "Anna's test key"]])
  })

  test('engines of each tenant alone are worked out, at a cost of its own', async () => {
    await page.goto(`${fixture.url}/costs`)
    await page.getByRole('button', { name: 'Compare', exact: true }).press('Enter')
    const alone = page.getByRole('region', { name: 'On engines of each tenant alone' })
    await alone.getByLabel('An engine’s hour, USD').fill('2.5')
    await alone.getByText(/--engine h100-8b --cost-per-engine-hour 2\.5$/).waitFor()
    const asked = page.waitForRequest('**/api/ledger/comparison/engines')
    await page.keyboard.press('Enter')
    assert.equal((await asked).postDataJSON().costPerEngineHour, '2.5')
    await alone.getByText(/would have cost/).waitFor()
  })

  test('a discount is set, and one that holds is ended', async () => {
    await page.goto(`${fixture.url}/prices`)
    const card = page.getByRole('region', { name: 'Discounts' })
    await card.getByText('5\u00a0% off above 100.00\u00a0USD').waitFor()
    await card.getByRole('button', { name: 'New discount' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'New discount' })
    await dialog.getByLabel('For', { exact: true }).selectOption('plan')
    await dialog.getByLabel('Price plan').fill('school')
    await dialog.getByLabel('From', { exact: true }).fill('2031-02')
    await dialog.getByLabel('Above, USD').fill('50')
    await dialog.getByLabel('Per cent off').fill('7.5')
    const command = 'gristmill discount set --plan school --tier 50:7.5 --from 2031-02'
    await dialog.getByText(command).waitFor()
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    const set = card.getByRole('row').filter({ hasText: 'price plan school' })
    await set.getByText('coming').waitFor()
    await card.getByRole('row').filter({ hasText: 'Support' }).getByText('End').press('Enter')
    const ending = page.getByRole('dialog', { name: 'End these terms?' })
    await ending
      .getByText(/gristmill discount set --tenant Support --end --from \d{4}-\d\d$/)
      .waitFor()
    await ending.getByRole('button', { name: 'End them' }).press('Enter')
    await ending.waitFor({ state: 'hidden' })
    await card.getByText('coming: none').waitFor()
    const [ended, first] = fixture.state.discounts.rows
    assert.deepEqual([ended?.tenantId, ended?.free, ended?.tiers], ['ten_0000', null, []])
    assert.deepEqual([first?.plan, first?.tenantId, first?.from], ['school', null, '2031-02'])
  })

  test('a tenant is made without touching the mouse', async () => {
    await page.goto(`${fixture.url}/tenants`)
    await page.getByRole('button', { name: 'New tenant' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('Night shift')
    await page.keyboard.press('Tab')
    await page.keyboard.type('4')
    await page
      .getByRole('dialog')
      .getByText(/gristmill tenant create 'Night shift' --weight 4/)
      .waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByRole('cell', { name: 'Night shift' }).waitFor()
  })
})

const focused = (page: Page) =>
  page.evaluate<string>('(document.activeElement?.textContent ?? "").trim()')
