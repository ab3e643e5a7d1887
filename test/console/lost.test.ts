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

  test('says so where the browser has no clipboard for it', async () => {
    const { page, complaints } = await openPage(browser, { width: 1440 })
    // As it is for pages that come by plain HTTP from another machine.
    await page.addInitScript("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.goto(`${fixture.url}/keys`)
    await page.getByRole('button', { name: 'Copy the command: gristmill key list' }).click()
    await page.getByText('Copy by hand, please').waitFor()
    assert.deepEqual(complaints, [])
  })

  test('says of a plan too that the server does not answer', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    await page.route('**/api/plan?*', (route) => route.abort())
    await page.goto(`${fixture.url}/plan`)
    await page.getByRole('button', { name: 'Work it out' }).click()
    await page.getByText('The server does not answer. Is gristmill running?').waitFor()
  })

  test('does not ask about one thing with what went wrong about another', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    await page.route(/\/api\/keys\/key_/, (route) =>
      route.fulfill({ status: 503, json: { error: { message, code: 'database_unreachable' } } }),
    )
    await page.goto(`${fixture.url}/keys`)
    const dialog = page.getByRole('dialog')
    await page.getByRole('button', { name: 'Revoke' }).first().click()
    await dialog.getByRole('button', { name: 'Revoke it for ever' }).click()
    await dialog.getByText(message).waitFor()
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    await page.getByRole('button', { name: 'Revoke' }).last().click()
    await dialog.getByRole('button', { name: 'Revoke it for ever' }).waitFor()
    assert.equal(await dialog.getByRole('alert').count(), 0)
  })

  test('can be left after somebody signed in anew in another tab', async (t) => {
    const left = await startFixture()
    t.after(() => left.close())
    const { page } = await openPage(browser, { width: 1440 })
    await page.goto(`${left.url}/keys`)
    await page.getByRole('heading', { level: 1, name: /keys work/ }).waitFor()
    // The session that this page knows is not the one of its cookie any more.
    let tokens = 0
    await page.route('**/api/session', async (route) => {
      const request = route.request()
      if (request.method() === 'GET') tokens += 1
      if (request.method() === 'GET' || tokens > 0) return route.continue()
      const error = { message: 'No valid CSRF token.', code: 'csrf_token_invalid' }
      return route.fulfill({ status: 403, json: { error } })
    })
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { level: 1, name: /Sign in/ }).waitFor()
  })

  test('shows what a model thinks before it answers', async () => {
    const { page } = await openPage(browser, { width: 1440 })
    const chunk = (delta: object, reason: string | null = null) =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
    await page.route(/\/api\/playground\/chat/, (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: chunk({ reasoning_content: 'Stones, ' }) + chunk({ reasoning: 'grain.' }, 'length'),
      }),
    )
    await page.goto(`${fixture.url}/playground`)
    await page.getByLabel('Question').fill('What is a gristmill?')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('Stones, grain.').waitFor()
    await page.getByText('ended at its token limit').waitFor()
    await page.getByRole('heading', { level: 1, name: /^The first token took/ }).waitFor()
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
