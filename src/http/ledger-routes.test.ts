import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parquetReadObjects } from 'hyparquet'
import { openTestServer, type TestServer } from './test-server.ts'

const period = { from: '2026-10-01T00:00:00Z', to: '2026-11-01T00:00:00Z' }

describe('closed periods', () => {
  let server: TestServer
  let mine: string
  let bound: Record<string, string>
  const local = (method: string, path: string, body?: object) =>
    server.ask(method, path, { local: true, body })

  before(async () => {
    server = await openTestServer()
    const actor = { name: 'system', from: 'local' }
    mine = (await server.tenancy.tenants.create({ name: 'Mine & <Co>' }, actor)).id
    for (const [id, tenantId] of [
      ['req_1', mine],
      ['req_2', 'ten_other'],
    ] as const) {
      await server.database.sql`
        insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
          service_class, estimated_input_tokens, output_tokens_max, arrived_at)
        values (${id}, ${tenantId}, 'prj_1', 'key_1', 'small', '/v1/chat/completions', 'standard',
          1, 1, '2026-10-02')`
      await server.database.sql`
        insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
          service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
          cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, rented_target, spend_nanos)
        values (${id}, ${tenantId}, 'prj_1', 'key_1', 'small', 'standard', 'standard', 'finished',
          'done', false, 1000, 40, 10, 0, 5, '2026-10-02', 'openai/gpt-x', 1500000000)`
    }
    bound = await signIn('finance@example.org')
  })
  after(() => server.close())

  async function signIn(email: string): Promise<Record<string, string>> {
    const person = { name: 'F', email, role: 'finance', tenantIds: [mine] }
    const { json } = await local('POST', '/api/users', person)
    const token = new URL(json.link).searchParams.get('token')
    const password = 'correct horse battery'
    const joined = await server.ask('POST', '/api/link', { body: { token, password } })
    const cookie = joined.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    return { cookie, 'x-csrf-token': joined.json.csrfToken }
  }

  it('tell what is kept, how long and how much, to whoever sees all tenants', async () => {
    const { json, text } = await local('GET', '/api/retention')
    const { kept, next, dropped, months } = json.requests
    assert.equal(months, 13, text)
    // Identifiers without a time are in the first part or the rest, never lost.
    const requests = json.kinds.find(({ kind }: { kind: string }) => kind === 'requests')
    assert.equal(requests.size.rows, 2, text)
    assert.equal(requests.setting, 'GRISTMILL_REQUEST_MONTHS')
    assert.ok(Date.parse(next.dueAt) > Date.parse(kept[0].untilAt))
    assert.match(
      next.keptBy,
      /^No statement of Mine & <Co> has the hour from 2026-10-02 00:00 UTC on/,
    )
    assert.deepEqual(dropped, [])
    await local('PATCH', `/api/tenants/${mine}`, { responseDays: 9 })
    const now = (await local('GET', '/api/retention')).json
    const responses = now.kinds.find(({ kind }: { kind: string }) => kind === 'responses')
    assert.deepEqual(responses.byTenant, { tenants: 1, daysMin: 9, daysMax: 9 })
    assert.equal((await server.ask('GET', '/api/retention', { headers: bound })).status, 403)
  })

  it('stay open while a service billed something else that nobody answers for', async () => {
    const path = '/api/ledger/reconciliations'
    const billed = (day: string, model: string, tokens: number, amount: string) => {
      return { day: `2026-10-${day}`, model, tokens, amount }
    }
    const asked = {
      ...{ source: 'openai', sha256: 'ab'.repeat(32), fromDay: '2026-10-01', toDay: '2026-11-01' },
      threshold: '0.1',
      rows: [
        billed('02', 'openai/gpt-x', 2020, '3.2'),
        billed('03', 'openai/gpt-x', 5, '0.05'),
        billed('04', 'openai/gpt-y', 7, '-0.5'),
      ],
    }
    const refused = await local('POST', path, { ...asked, fromDay: '2026-10-03' })
    assert.match(refused.text, /2026-10-02 is not within/)
    assert.equal((await server.ask('GET', path, { headers: bound })).status, 403)
    const { json, text } = await local('POST', path, asked)
    assert.deepEqual(
      [json.blocking, json.classes],
      [
        2,
        [
          { class: 'missing_here', lines: 2, difference: '-0.45' },
          { class: 'price', lines: 1, difference: '0.2' },
        ],
      ],
      text,
    )
    const lines = (await local('GET', `${path}/${json.id}/lines?limit=1`)).json
    assert.deepEqual(lines.rows[0].ours, { requests: 2, tokens: 2020, amount: '3' })
    const rest = (await local('GET', `${path}/${json.id}/lines?cursor=${lines.next}`)).json.rows
    assert.deepEqual(
      rest.map((one: Record<string, unknown>) => [one.class, one.isBlocking]),
      [
        ['missing_here', false],
        ['missing_here', true],
      ],
    )
    const behind = await local('GET', `${path}/${json.id}/lines/1/requests`)
    const ids = behind.json.rows.map((one: { id: string }) => one.id)
    assert.deepEqual(ids, ['req_1', 'req_2'])
    const reason = { reason: 'their price was raised in the night' }
    for (const line of [1, 3]) {
      const closing = await local('POST', '/api/ledger/close', period)
      assert.match(closing.text, new RegExp(`line ${line} of reconciliation ${json.id}`))
      const variance = `${path}/${json.id}/lines/${line}/variance`
      const booked = await local('POST', variance, reason)
      assert.deepEqual(booked.json.variance?.reason, reason.reason, booked.text)
      assert.equal((await local('POST', variance, reason)).status, 409)
    }
    // The same differences, found again, are booked already.
    assert.equal((await local('POST', path, asked)).json.blocking, 0)
    const audit = (await local('GET', '/api/audit?action=ledger.')).json.rows
    assert.deepEqual(
      audit.map((one: { action: string }) => one.action),
      ['ledger.reconcile', 'ledger.variance', 'ledger.variance', 'ledger.reconcile'],
    )
    const update = server.database.sql`update ledger_variances set reason = 'none'`
    await assert.rejects(update, /append-only/)
  })

  it('are closed within reach, listed, and printed as page and CSV', async () => {
    const options = { headers: bound, body: period }
    const own = await server.ask('POST', '/api/ledger/close', options)
    assert.equal(own.status, 201, own.text)
    assert.deepEqual(
      own.json.statements.map(({ tenantId, total }: Record<string, string>) => [tenantId, total]),
      [[mine, '1.5']],
    )
    const all = await local('POST', '/api/ledger/close', period)
    assert.deepEqual(
      all.json.statements.map((one: { number: number }) => one.number),
      [2],
    )
    const listed = await server.ask('GET', '/api/statements', { headers: bound })
    assert.deepEqual(
      listed.json.rows.map((one: { number: number }) => one.number),
      [1],
    )
    const first = await local('GET', '/api/statements?limit=1')
    assert.deepEqual([first.json.rows[0].number, first.json.next], [2, '2'])
    assert.equal((await server.ask('GET', '/api/statements/2', { headers: bound })).status, 404)
    const page = await server.ask('GET', '/api/statements/1?format=html', { headers: bound })
    assert.match(page.text, /<h1>Statement 1<\/h1>/)
    assert.match(page.text, /<dt>For<\/dt><dd>Mine &amp; &lt;Co&gt;\n/)
    assert.match(page.text, /<dt>Period, UTC<\/dt><dd>October 2026</)
    assert.match(page.text, /Rented services<\/td>.*<td class="n">1\.50<\/td>/)
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /^default-src 'none'; style-src 'sha256-[^' ]+'; frame-ancestors 'none'$/)
    assert.ok(page.text.includes(own.json.statements[0].hash))
    assert.match(page.headers.get('content-disposition') ?? '', /statement-1\.html/)
    const csv = await server.ask('GET', '/api/statements/1?format=csv', { headers: bound })
    assert.match(csv.text, /overflow,openai\/gpt-x,small,1,1000,10,,1\.5,yes\r\n/)
    const query = new URLSearchParams({ ...period, version: '1.2' })
    const focusPath = `/api/ledger/focus?${query.toString()}`
    const focus = await server.ask('GET', focusPath, { headers: bound })
    const [header = '', row = '', ...rest] = focus.text.trimEnd().split('\r\n')
    const at = (name: string) => row.split(',')[header.split(',').indexOf(name)]
    const names = ['BilledCost', 'ServiceName', 'SubAccountId', 'InvoiceId', 'PricingQuantity']
    assert.deepEqual(names.map(at), ['1.5', 'Rented models', mine, 'statement-1', '1.0'])
    assert.deepEqual(rest, [])
    const address = `${server.url}${focusPath.replace('1.2', '1.3')}&format=parquet`
    const file = await (await fetch(address, { headers: bound })).arrayBuffer()
    const [read] = await parquetReadObjects({ file })
    assert.deepEqual(
      [read?.InvoiceId, read?.BilledCost, read?.ChargePeriodEnd, read?.ServiceProviderName],
      ['statement-1', 1.5, new Date(period.to), 'Gristmill'],
    )
    assert.ok(!header.includes('ServiceProviderName'))
    assert.match(csv.text, /usage,small,prj_1 standard,1,1000,10,,0,no\r\n/)
  })

  it('have requests that are events for who bills elsewhere', async () => {
    const path = '/api/usage/events'
    const query = new URLSearchParams({ ...period, limit: '1' }).toString()
    const first = await local('GET', `${path}?${query}`)
    assert.equal(first.headers.get('content-type'), 'application/cloudevents-batch+json')
    const [event, ...others] = JSON.parse(first.text)
    assert.deepEqual(others, [])
    assert.deepEqual(
      [event.specversion, event.id, event.subject, event.time],
      ['1.0', 'req_1', mine, '2026-10-02T00:00:00.000Z'],
    )
    const { inputTokens, chargeNanos, spendNanos, isPriced } = event.data
    assert.deepEqual(
      [inputTokens, chargeNanos, spendNanos, isPriced],
      [1000, '0', '1500000000', false],
    )
    assert.doesNotMatch(first.text, /key_1/)
    const [, next = ''] = /^<(.+)>; rel="next"$/.exec(first.headers.get('link') ?? '') ?? []
    const second = await local('GET', next)
    assert.deepEqual([JSON.parse(second.text)[0].id, second.headers.get('link')], ['req_2', null])
    const lines = await server.ask('GET', `${path}?${query}&format=ndjson`, { headers: bound })
    assert.deepEqual(JSON.parse(lines.text.trimEnd()), event)
    const foreign = await server.ask('GET', `${path}?tenant=ten_other`, { headers: bound })
    assert.equal(foreign.status, 404)
  })

  it('have work that is compared with list prices and with own engines, and claims no saving', async () => {
    const path = '/api/ledger/comparison'
    const query = new URLSearchParams({ ...period, service: 'openai/gpt-4.1' }).toString()
    const { json } = await server.ask('GET', `${path}?${query}`, { headers: bound })
    assert.deepEqual([json.requests, json.inputTokens, json.cost.amount], [1, 1000, '1.5'])
    const [service] = json.services
    // 1,000 tokens at 2 and 10 at 8 for a million.
    assert.deepEqual([service.asCounted, service.high], ['0.00208', '0.002704'])
    assert.match(service.asOf, /^2026-/)
    assert.match(json.caveat, /^No saving/)
    assert.match(json.tokenFactor.basis, /not measured on this work/)
    const unknown = await local('GET', `${path}?${query}x`)
    assert.deepEqual([unknown.status, unknown.json.error.code], [404, 'not_found'])
    const engines = await local('POST', `${path}/engines`, period)
    assert.match(engines.text, /say what an hour costs/)
    // As the console asks in the first minute of a month.
    const beganMs = Date.now() - (Date.now() % 60_000)
    const [from, to] = [beganMs, beganMs + 120_000].map((ms) => new Date(ms).toISOString())
    const young = await local('GET', `${path}?from=${from}&to=${to}`)
    assert.deepEqual([young.status, young.json.requests], [200, 0])
    const coming = await local('GET', `${path}?from=${to}&to=2099-01-01T00:00:00Z`)
    assert.deepEqual([coming.status, coming.json.error.code], [400, 'invalid_value'])
    const asked = { ...period, costPerEngineHour: '2', tenant: mine }
    const own = await local('POST', `${path}/engines`, asked)
    // Three engines, at least two and at most four, for the 744 hours of October.
    assert.deepEqual(own.json.amount, { asItWas: '4464', low: '2976', high: '5952' })
    assert.equal(own.json.tenants[0].tenantId, mine)
    assert.match(own.json.caveat, /^No saving/)
  })

  it('are proved as a whole, by whoever may see all', async () => {
    const { json } = await local('GET', '/api/ledger/verify?part=requests')
    assert.deepEqual(json, { checked: 2, open: 0, next: null, broken: null, dropped: null })
    const statements = await local('GET', '/api/ledger/verify?part=statements')
    assert.deepEqual([statements.json.checked, statements.json.broken], [2, null])
    const path = '/api/ledger/verify?part=requests'
    assert.equal((await server.ask('GET', path, { headers: bound })).status, 403)
  })

  it('are taken back with a reason, and refused where they cannot be', async () => {
    assert.equal((await local('POST', '/api/statements/2/reopen', {})).status, 400)
    const body = { reason: 'a test' }
    const others = { headers: bound, body }
    assert.equal((await server.ask('POST', '/api/statements/2/reopen', others)).status, 404)
    const note = await local('POST', '/api/statements/2/reopen', body)
    assert.deepEqual(
      [note.json.kind, note.json.corrects, note.json.total],
      ['credit_note', 2, '-1.5'],
    )
    const again = await local('POST', '/api/statements/2/reopen', body)
    assert.deepEqual([again.status, again.json.error.code], [409, 'period_refused'])
    const page = await local('GET', '/api/statements/3?format=html')
    assert.match(page.text, /Takes statement 2 back/)
    for (const wrong of [
      { ...period, to: period.from },
      { ...period, from: '2026-10-01T00:00:30Z' },
    ]) {
      assert.equal((await local('POST', '/api/ledger/close', wrong)).status, 400)
    }
  })
})
