/** The console for people who are bound to tenants: what is refused to them is not offered. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { smallInstallation } from '../../console/fixture/people.ts'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { Simulation } from '../../console/fixture/simulation.ts'
import { filterFloor } from '../../src/http/floor-filter.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

describe('somebody who is bound to a tenant', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page
  let complaints: string[]

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    const { records } = fixture.state
    const [tenant] = records.tenants
    Object.assign(records.users[0] ?? {}, { role: 'finance', tenantIds: [tenant?.id] })
    fixture.state.permissions = [
      ...['tenants:read', 'engines:read', 'models:read', 'routes:read', 'costs:read'],
      ...['costs:write', 'statements:read', 'ledger:close', 'prices:read', 'usage:read'],
      ...['keys:read', 'keys:write'],
    ]
    ;({ page, complaints } = await openPage(browser, { width: 1440 }))
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  const heading = (name: RegExp) => page.getByRole('heading', { level: 1, name }).waitFor()

  test('sees on the page of routes where their own requests go, and no error', async () => {
    await page.goto(`${fixture.url}/routes`)
    await heading(/ended in the last 5 minutes/)
    await page.getByText('Routes are of all tenants').waitFor()
    const explained = page.getByRole('region', { name: 'Where would it go?' })
    await explained.getByLabel('Asks for').selectOption('small')
    await explained.getByRole('row').nth(1).waitFor()
    assert.equal(await page.getByRole('alert').count(), 0)
    assert.deepEqual(complaints, [])
  })

  test('is told that others wait, not that nobody does', async () => {
    const { tenants, engines, tokensPerSlotS } = smallInstallation()
    const simulation = new Simulation(tenants, engines, tokensPerSlotS, Date.now())
    const view = { ...simulation.view(), demo: null, toyModel: false }
    const busy = {
      ...view,
      tenants: view.tenants.map((one, at) => ({ ...one, waiting: at, ttftP99Ms: 400 })),
      queue: view.queue.filter(({ tenantId }) => tenantId !== 'ten_0000'),
      waitingByClass: { priority: 3, standard: 0, flex: 1, batch: 2 },
    }
    const event = JSON.stringify(filterFloor(busy, new Set(['ten_0000'])))
    await page.route('**/api/live', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: `event: floor\ndata: ${event}\n\n` }),
    )
    await page.goto(fixture.url)
    await heading(/full and fair\. 3 requests of people wait\.$/)
    const card = page.getByRole('region', { name: 'Who waits, and why' })
    await card.getByText('Nobody of your tenants waits; 6 requests of others do.').waitFor()
    assert.equal(await card.getByText('longest waits').count(), 0)
    await page.unroute('**/api/live')
  })

  test('is not told a share of a pool whose other tenants they do not see', async () => {
    const { tenants } = fixture.state.records
    const [own] = tenants
    await page.route(/\/api\/tenants\?/, (route) =>
      route.fulfill({ json: { rows: [own], next: null } }),
    )
    await page.goto(`${fixture.url}/tenants`)
    await heading(/^Support shares the pool with weight \d+\.$/)
    assert.equal(await page.getByText('%').count(), 0)
    await page.getByRole('link', { name: 'Support' }).first().click()
    await heading(/^Support shares the pool with weight \d+\.$/)
    await page.unroute(/\/api\/tenants\?/)
  })

  test('is not offered to set what all tenants pay', async () => {
    await page.goto(`${fixture.url}/engines`)
    await page.getByRole('heading', { name: 'Cost', exact: true }).first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Set its cost' }).count(), 0)
    await page.goto(`${fixture.url}/statements`)
    await page.getByRole('button', { name: 'Close a period' }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'Bills of services' }).count(), 0)
  })

  test('gets no secret of a key with tags, and may end it', async () => {
    await page.goto(`${fixture.url}/keys`)
    const key = (name: string) => page.getByRole('row').filter({ hasText: name })
    await key('support-web').getByRole('button', { name: 'Revoke' }).waitFor()
    assert.equal(await key('support-web').getByRole('button', { name: 'Rotate' }).count(), 0)
    assert.equal(await key('contracts').getByRole('button', { name: 'Rotate' }).count(), 1)
  })

  test('is not asked about keys where they may see none', async () => {
    const { permissions } = fixture.state
    fixture.state.permissions = [
      ...permissions.filter((one) => !one.startsWith('keys:')),
      ...['requests:read', 'batches:read', 'budgets:read'],
    ]
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    const tenant = fixture.state.records.tenants[0]?.id
    for (const path of [`tenants/${tenant}`, 'usage?by=key', 'requests', 'budgets']) {
      await page.goto(`${fixture.url}/${path}`)
      await page.getByRole('heading', { level: 1 }).filter({ hasText: /\.$/ }).waitFor()
      await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'detached' })
      assert.equal(await page.getByRole('alert').count(), 0, path)
    }
    assert.ok(!asked.includes('/api/keys'))
    fixture.state.permissions = permissions
  })

  test('sets discounts of tenants, and none of price plans', async () => {
    await page.goto(`${fixture.url}/prices`)
    const rows = page.getByRole('region', { name: 'Discounts' }).getByRole('row')
    const plan = rows.filter({ hasText: 'price plan partner' })
    await plan.first().waitFor()
    assert.equal(await plan.getByRole('button', { name: 'End' }).count(), 0)
    assert.ok((await rows.getByRole('button', { name: 'End' }).count()) > 0)
    await page.getByRole('button', { name: 'New discount' }).click()
    const choice = page.getByRole('dialog').getByLabel('For', { exact: true })
    assert.deepEqual(await choice.getByRole('option').allTextContents(), ['one tenant'])
  })
})
