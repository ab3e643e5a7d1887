/** What pages say where the server answers nothing but errors. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const message = 'The database cannot be reached.'

describe('a page whose server cannot answer', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    ;({ page } = await openPage(browser, { width: 1440 }))
    await page.route(/\/api\/(?!session|live)/, (route) =>
      route.fulfill({ status: 503, json: { error: { message, code: 'database_unreachable' } } }),
    )
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  const rooms = 'batches plan engines cluster routes tenants keys people costs budgets statements'
  for (const room of `${rooms} prices usage requests audit retention`.split(' ')) {
    test(`${room} begins with that, and does not pretend to be looking`, async () => {
      await page.goto(`${fixture.url}/${room}`)
      const heading = page.getByRole('heading', { level: 1 })
      await heading.filter({ hasText: 'What stands here cannot be seen right now.' }).waitFor()
      await page.getByText(message).first().waitFor()
      assert.ok((await page.getByRole('button', { name: 'Try again' }).count()) > 0)
    })
  }

  for (const one of ['tenants/ten_0000', 'requests/req_1', 'batches/batch_1', 'routes/edit']) {
    test(`${one} begins with that too, and says where else to go`, async () => {
      await page.goto(`${fixture.url}/${one}`)
      const heading = page.getByRole('heading', { level: 1 })
      await heading.filter({ hasText: 'What stands here cannot be seen right now.' }).waitFor()
      await page.getByRole('main').getByRole('link', { name: /^All / }).waitFor()
    })
  }

  test('the playground blames no engine, and offers to try again', async () => {
    await page.goto(`${fixture.url}/playground`)
    await page.getByRole('region', { name: 'Chat' }).getByRole('alert').waitFor()
    assert.equal(await page.getByText('No engine serves one').count(), 0)
    assert.equal(await page.getByText('A question needs a tenant').count(), 0)
  })

  test('costs have no figure', async () => {
    await page.goto(`${fixture.url}/costs`)
    await page.getByText(message).first().waitFor()
    assert.equal(await page.getByText('unknown', { exact: true }).count(), 4)
    assert.equal(await page.getByText('…', { exact: true }).count(), 0)
  })

  test('usage has no figure, and no empty picture', async () => {
    await page.goto(`${fixture.url}/usage`)
    await page.getByRole('region', { name: 'Service over time' }).getByRole('alert').waitFor()
    assert.equal(await page.getByText('unknown', { exact: true }).count(), 4)
    assert.equal(await page.getByText('…', { exact: true }).count(), 0)
  })
})

describe('a page that has been seen', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  test('stays where its server does not answer any more, and so does what was typed', async () => {
    const { page: editor } = await openPage(browser, { width: 1440 })
    const { page: tenant } = await openPage(browser, { width: 1440 })
    await editor.goto(`${fixture.url}/routes/edit`)
    await tenant.goto(`${fixture.url}/tenants/ten_0000`)
    const text = editor.getByRole('textbox', { name: 'Routes' })
    await text.fill('{ "routes": [] }')
    await tenant.getByRole('button', { name: 'Change', exact: true }).first().click()
    const name = tenant.getByRole('textbox', { name: 'Name' })
    await name.fill('Helpdesk')
    // What is older than five seconds is asked for again when somebody comes back to it.
    await editor.waitForTimeout(5200)
    for (const page of [editor, tenant]) {
      await page.route(/\/api\/(routes|tenants)$|\/api\/tenants\?/, (route) =>
        route.fulfill({ status: 503, json: { error: { message, code: 'database_unreachable' } } }),
      )
      const asked = page.waitForResponse((response) => response.status() === 503)
      await page.evaluate("window.dispatchEvent(new Event('visibilitychange'))")
      await asked
      await page.waitForTimeout(200)
    }
    assert.equal(await text.inputValue(), '{ "routes": [] }')
    assert.equal(await name.inputValue(), 'Helpdesk')
  })

  test('gives way to words where the file of the next one is gone', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    await page.goto(`${fixture.url}/keys`)
    await page.getByRole('heading', { level: 1, name: /keys work/ }).waitFor()
    await page.route(/\/assets\/audit-/, (route) => route.fulfill({ status: 404 }))
    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByRole('heading', { level: 1, name: 'This page could not be shown.' }).waitFor()
    await page.getByRole('link', { name: 'Tenants' }).click()
    await page.getByRole('heading', { level: 1, name: /tenants share the pool/ }).waitFor()
    await page.unroute(/\/assets\/audit-/)
    await page.goBack()
    await page.getByRole('button', { name: 'Load it again' }).click()
    await page.getByRole('heading', { level: 1, name: /The last change was/ }).waitFor()
  })

  test('leads from usage to the requests of a model, whatever it is called', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    await page.route('**/api/usage?*', async (route) => {
      const response = await route.fetch()
      const { rows, next } = (await response.json()) as { rows: object[]; next: string | null }
      await route.fulfill({ json: { rows: rows.map((row) => ({ ...row, model: 'a+b&c' })), next } })
    })
    await page.goto(`${fixture.url}/usage?by=model`)
    await page.getByRole('link', { name: 'a+b&c' }).first().click()
    await page.waitForURL('**/requests?*')
    assert.equal(new URL(page.url()).searchParams.get('model'), 'a+b&c')
  })

  test('does not take an answer that was cut off for a whole one', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    const chunk = { choices: [{ index: 0, delta: { content: 'A grist' }, finish_reason: null }] }
    await page.route(/\/api\/playground\/chat/, (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `data: ${JSON.stringify(chunk)}\n\n`,
      }),
    )
    await page.goto(`${fixture.url}/playground`)
    await page.getByLabel('Question').fill('What is a gristmill?')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('The connection ended before the answer did.').waitFor()
    assert.equal(await page.getByText('ended by the model').count(), 0)
  })

  test('with a hundred tenants has a week of usage up to its last hour', async (t) => {
    const large = await startFixture({ isLarge: true })
    t.after(() => large.close())
    const { page } = await openPage(browser, { width: 1440 })
    const ends = new Map<string, unknown>()
    page.on('response', async (response) => {
      const { pathname, searchParams } = new URL(response.url())
      const groups = searchParams.get('groupBy') ?? ''
      if (pathname !== '/api/usage' || !/^(hour|day)/.test(groups)) return
      ends.set(groups, ((await response.json()) as { next: unknown }).next)
    })
    await page.goto(`${large.url}/usage?span=week`)
    const picture = page.getByRole('region', { name: 'Service over time' })
    await picture.getByText(/and \d+ more/).waitFor({ timeout: 20_000 })
    assert.deepEqual([...ends], [['day,tenant', null]])
  })
})
