import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Clock, systemClock } from '../base/index.ts'
import { type CapacityMinute, recordCapacity } from '../meter/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

const FROM_MS = Date.UTC(2026, 10, 1)
const query = 'from=2026-11-01T00:00:00Z&to=2026-11-01T01:00:00Z'

describe('chargeback', () => {
  let server: TestServer
  let mine: string
  before(async () => {
    // The running month is that of the test, whenever it runs.
    const clock: Clock = { ...systemClock, nowMs: () => Date.UTC(2026, 10, 2) }
    const price = { model: '*', serviceClass: null, plan: null, note: '', actor: 'cli' }
    const prices = [{ ...price, version: 1, effectiveAtMs: 0, atMs: 0, rates }]
    const book = { currency: 'USD', prices, add: async () => [] }
    server = await openTestServer({ ...standIns({ prices: book }), clock })
    const actor = { name: 'system', from: 'local' }
    mine = (await server.tenancy.tenants.create({ name: 'Mine' }, actor)).id
    // The tenant is younger than the period.
    await server.database.sql`
      insert into tenant_weights (tenant_id, from_at, weight)
      values (${mine}, '2026-10-01', 1), ('ten_other', '2026-10-01', 1)`
    await server.database.sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      values ('req_1', ${mine}, 'prj_1', 'key_1', 'small', '/v1/chat/completions', 'standard', 1, 1,
        '2026-11-01T00:29:00Z')`
    await server.database.sql`
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
        cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, rented_target, spend_nanos,
        charge_nanos, price_version)
      values ('req_1', ${mine}, 'prj_1', 'key_1', 'small', 'standard', 'standard', 'finished',
        'done', false, 100, 40, 10, 0, 5, '2026-11-01T00:30:00Z', 'openai/gpt-x', 1500,
        10009000, 1)`
    const units = { interactiveUnits: 10, backgroundUnits: 0, entitledUnits: 0, waste: {} }
    const tenants = [{ tenantId: mine, engineS: 40, ...units }]
    await recordCapacity(server.database, 'run', [{ ...minute, tenants }])
    const costs = { machine: '3.6', from: '2026-11-01T00:00:00Z' }
    await server.ask('POST', '/api/engines/eng_1/costs', { local: true, body: costs })
  })
  after(() => server.close())

  it('has list prices of services beside it, which age and are replaced as a whole', async () => {
    const price = { provider: 'closed', model: 'large', currency: 'USD', input: '2', output: '8' }
    const source = 'https://example.org/pricing'
    const body = { prices: [{ ...price, asOf: '2026-07-01', source }], note: 'of July' }
    const put = (given: object) =>
      server.ask('PUT', '/api/list-prices', { local: true, body: given })
    const { json, text } = await put(body)
    assert.deepEqual([json.version, json.outdated, json.daysMax], [1, 1, 90], text)
    assert.deepEqual([json.prices[0].ageDays, json.prices[0].cachedInput], [124, null])
    assert.equal((await put({ prices: [] })).status, 400)
    assert.equal((await put({ prices: null })).json.version, null)
  })

  it('says what a period cost and who pays for it, and adds up', async () => {
    const path = `/api/chargeback?${query}&rule=weight`
    const { json, text } = await server.ask('GET', path, { local: true })
    assert.equal(json.engineCost, '0.06', text)
    assert.equal(json.unallocated.total, '0')
    const [own, other] = json.tenants
    assert.deepEqual([own.tenantId, own.total], [mine, '0.0500015'])
    assert.deepEqual([own.lentS, own.cachedTokens, other.total], [0, 40, '0.01'])
    assert.deepEqual(
      own.lines.map(({ kind, cause, amount }: Record<string, string>) => [kind, cause, amount]),
      [
        ['borrowed', '', '0.01'],
        ['entitled', '', '0.03'],
        ['shared', 'free', '0.01'],
      ],
    )
    assert.equal(own.overflow[0].amount, '0.0000015')
    assert.deepEqual(own.overflow[0].byClass, { standard: '0.0000015' })
    // Nothing that it settled is from that engine.
    assert.deepEqual(own.lines[1].byClass, { unsettled: '0.03' })
  })

  it('is a CSV whose amounts add up to what everything cost', async () => {
    const path = `/api/chargeback?${query}&format=csv`
    const { text } = await server.ask('GET', path, { local: true })
    const [head = '', ...rows] = text.trim().split('\r\n')
    const [amountAt, tenantAt] = ['amount', 'tenant'].map((name) => head.split(',').indexOf(name))
    const amounts = rows.map((row) => Number(row.split(',')[amountAt ?? 0]))
    const sum = amounts.reduce((all, amount) => all + amount, 0)
    assert.equal(sum.toFixed(9), '0.060001500')
    const tenants = new Set(rows.map((row) => row.split(',')[tenantAt ?? 0]))
    assert.deepEqual(tenants, new Set(['Mine', 'unallocated']))
  })

  it('has a trend by month, and a forecast only where there are days enough', async () => {
    const { json } = await server.ask('GET', '/api/costs', { local: true })
    const november = json.months.find(({ fromAt }: { fromAt: string }) =>
      fromAt.startsWith('2026-11'),
    )
    assert.deepEqual([november.used, november.idle, november.rented], ['0.04', '0.02', '0.0000015'])
    assert.equal(json.forecast.month, null)
  })

  it('goes down to the requests of the time, and to what one is charged for', async () => {
    const list = (span: string) => server.ask('GET', `/api/requests?${span}`, { local: true })
    const { rows } = (await list(query)).json
    assert.deepEqual(
      rows.map(({ id }: { id: string }) => id),
      ['req_1'],
    )
    const before = 'from=2026-10-01T00:00:00Z&to=2026-11-01T00:30:00Z'
    assert.deepEqual((await list(before)).json.rows, [])
    const { json } = await server.ask('GET', '/api/requests/req_1/charge', { local: true })
    assert.deepEqual(json, {
      currency: 'USD',
      version: 1,
      lines: [
        { what: 'input', quantity: 60, rate: '0.15', amount: '0.000009' },
        { what: 'cachedInput', quantity: 40, rate: '0.000001', amount: '0.00000000004' },
        { what: 'engineSecond', quantity: 0.005, rate: '2', amount: '0.01' },
      ],
      hitShare: null,
      total: '0.010009',
    })
  })

  it('shows whoever is bound to a tenant no other', async () => {
    const body = { name: 'F', email: 'f@example.org', role: 'finance', tenantIds: [mine] }
    const { json } = await server.ask('POST', '/api/users', { local: true, body })
    const token = new URL(json.link).searchParams.get('token')
    const password = 'correct horse battery'
    const joined = await server.ask('POST', '/api/link', { body: { token, password } })
    const cookie = joined.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const headers = { cookie, 'x-csrf-token': joined.json.csrfToken }
    const seen = async () => {
      const { json: view } = await server.ask('GET', `/api/chargeback?${query}`, { headers })
      const { months } = (await server.ask('GET', '/api/costs', { headers })).json
      const tenants = view.tenants.map(({ tenantId }: { tenantId: string }) => tenantId)
      return [tenants, view.unallocated, view.overflowCost, months.at(-1)?.rented]
    }
    assert.deepEqual(await seen(), [[mine], null, '0.0000015', '0.0000015'])
    await server.database.sql`
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
        cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, rented_target, spend_nanos)
      values ('req_2', 'ten_other', 'prj_2', 'key_2', 'small', 'standard', 'standard', 'finished',
        'done', false, 1, 0, 1, 0, 5, '2026-11-01T00:40:00Z', 'openai/gpt-x', 7000)`
    assert.deepEqual(await seen(), [[mine], null, '0.0000015', '0.0000015'])
    const wide = await server.ask('GET', `/api/chargeback?${query}`, { local: true })
    assert.equal(wide.json.overflowCost, '0.0000085')
    const changes: [string, string, object][] = [
      ['POST', '/api/engines/eng_1/costs', { machine: '99' }],
      ['PUT', '/api/list-prices', { prices: null }],
      ['POST', '/api/discounts', { tenantId: null, plan: 'all', from: '2026-12', tiers: [] }],
    ]
    for (const [method, path, given] of changes) {
      const { status, text } = await server.ask(method, path, { headers, body: given })
      assert.equal(status, 403, `${method} ${path}: ${text}`)
    }
  })

  it('is of a time that has a length', async () => {
    const same = 'from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:59Z'
    const { status, json } = await server.ask('GET', `/api/chargeback?${same}`, { local: true })
    assert.deepEqual([status, json.error.param], [400, 'from'])
  })

  it('has what terms take off, first as an estimate and then on the statement', async () => {
    const local = (method: string, path: string, body?: object) =>
      server.ask(method, path, { local: true, ...(body && { body }) })
    const tiers = [{ above: '0', percent: '10' }]
    const given = {
      tenantId: mine,
      from: '2026-11',
      free: { unit: 'money', amount: '0.01' },
      tiers,
    }
    const { json: terms, text } = await local('POST', '/api/discounts', given)
    assert.deepEqual([terms.version, terms.free, terms.tiers], [1, given.free, tiers], text)
    const wrong = [{ tiers: [...tiers, ...tiers] }, { plan: 'p' }, { from: '2026-13' }]
    for (const change of wrong) {
      const { status } = await local('POST', '/api/discounts', { ...given, ...change })
      assert.equal(status, 400, JSON.stringify(change))
    }
    const off = ['-0.01', '-0.0000009']
    const amounts = (lines: { amount: string }[]) => lines.map(({ amount }) => amount)
    const { json: told } = await local('GET', `/api/discounts/estimate?tenant=${mine}`)
    assert.deepEqual([told.charge, told.total], ['0.010009', '0.0000081'])
    assert.deepEqual(amounts(told.discounts.lines), off)
    const span = { from: '2026-11-01T00:00:00Z', to: '2026-11-01T01:00:00Z' }
    const closing = { ...span, basis: 'prices', tenants: [mine] }
    const { json: closed } = await local('POST', '/api/ledger/close', closing)
    assert.deepEqual([closed.statements.length, closed.statements[0].total], [1, told.total])
    const path = `/api/statements/${closed.statements[0].number}`
    assert.deepEqual(amounts((await local('GET', path)).json.content.discounts.lines), off)
    const page = await local('GET', `${path}?format=html`)
    assert.match(page.text, /free are the first 0\.01 of a month[\s\S]*10 % above 0/)
    const csv = await local('GET', `${path}?format=csv`)
    assert.match(csv.text, /allowance,2026-11,the first 0\.01 of a month,,,,,-0\.01,yes/)
    const focus = await local('GET', `/api/ledger/focus?${query}`)
    assert.match(
      focus.text,
      /-0\.01,[^\n]*,Credit,[^\n]*Free in 2026-11: the first 0\.01 of a month/,
    )
    assert.equal((await local('POST', '/api/discounts', given)).json.error.code, 'period_refused')
    const verified = await local('GET', '/api/ledger/verify?part=statements')
    assert.deepEqual([verified.json.checked, verified.json.broken], [1, null])
  })
})

const rates = {
  ...{ input: 150_000_000n, cachedInput: 1000n, cacheWrite: 0n, output: 0n, reasoning: 0n },
  ...{ embedding: 0n, request: 0n, engineSecond: 2_000_000_000n, hitMillionths: 0n },
}

const minute: CapacityMinute = {
  engineId: 'eng_1',
  minuteAtMs: FROM_MS,
  registeredS: 60,
  upS: 60,
  idleS: 0,
  degradedS: 0,
  drainingS: 0,
  freeS: 20,
  drainedS: 0,
  loadingS: 0,
  downS: 0,
  attempts: 0,
  failures: {},
  capacityUnitsPerS: null,
  slotS: 0,
  capSlotS: 0,
  tenants: [],
}
