/** What the books, the queue and the audit log tell, against what clients were told themselves. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import { cli } from '../src/cli/test-cli.ts'
import type {
  AuditView,
  BudgetAlertsView,
  BudgetView,
  KeyCreated,
  Page,
  PriceBookView,
  ProjectView,
  QueueView,
  RequestView,
  UsageRow,
} from '../src/http/contract.ts'
import { ask, holdSlot, openAi, settled, thrownBy } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'
import {
  abandoned,
  countedByEngine,
  oneOfEach,
  otherDoors,
  type Told,
  toldBy,
} from './told-calls.ts'
import { budgetTold, expectedNanos, usageCsv } from './told-usage.ts'

let server: TestServer

before(async () => {
  server = await startServer({ env: { GRISTMILL_ENGINE_CAP: '2' } })
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
const totals = (told: Told[]) => [
  told.length,
  ...(['input', 'cached', 'output'] as const).map((of) => sum(told.map((t) => t[of]))),
]
const rowTotals = (rows: UsageRow[]) =>
  (['requests', 'inputTokens', 'cachedTokens', 'outputTokens'] as const).map((of) =>
    sum(rows.map((row) => row[of])),
  )

const usage = async (query: string) =>
  (await server.api<Page<UsageRow>>('GET', `/api/usage?${query}`)).rows

describe('the books', () => {
  it('add up to what the clients were told, by every grouping and in the CSV', async () => {
    const { id: tenantId, key: first } = await server.tenant('booked')
    const path = `/api/tenants/${tenantId}/projects`
    const { id: projectId } = await server.api<ProjectView>('POST', path, { name: 'second' })
    const second = await server.api<KeyCreated>('POST', '/api/keys', { tenantId, projectId })
    const told = await Promise.all([first, first, second.key].map((one) => oneOfEach(server, one)))
    const all = told.flat()
    for (const { requestId } of all) await settled(server, requestId)
    for (const groupBy of ['tenant', 'key', 'project,class', 'model', 'hour,key,model,class']) {
      const rows = await usage(`tenant=${tenantId}&groupBy=${groupBy}`)
      assert.deepEqual(rowTotals(rows), totals(all), groupBy)
      assert.equal(sum(rows.map((row) => row.finished)), all.length)
      const csv = await usageCsv(server, `tenant=${tenantId}&groupBy=${groupBy}`)
      const sums = ['requests', 'inputTokens', 'cachedTokens', 'outputTokens'].map((column) =>
        sum(csv.map((row) => Number(row[column]))),
      )
      assert.deepEqual(sums, totals(all), `${groupBy} as CSV`)
    }
    const ofProject = await usage(`tenant=${tenantId}&project=${projectId}&groupBy=key`)
    assert.deepEqual(rowTotals(ofProject), totals(told[2] ?? []))
    const flex = (await usage(`tenant=${tenantId}&groupBy=class`)).find(
      (row) => row.serviceClass === 'flex',
    )
    assert.equal(flex?.requests, 3)
  })

  it('tell of one request what its client was told, by its id', async () => {
    const { id: tenantId, key } = await server.tenant('traced')
    for (const one of await oneOfEach(server, key)) {
      const row = await settled(server, one.requestId)
      assert.equal(row.tenantId, tenantId)
      assert.deepEqual(
        [row.group, row.end, row.estimated, row.inputTokens, row.cachedTokens, row.outputTokens],
        ['finished', 'done', false, one.input, one.cached, one.output],
      )
      assert.ok(row.queueMs !== null && row.engineMs !== null && row.engineId !== null)
    }
    const list = await server.api<Page<RequestView>>('GET', `/api/requests?tenant=${tenantId}`)
    const endpoints = new Set(list.rows.map(({ endpoint }) => endpoint))
    assert.deepEqual([list.rows.length, endpoints.size], [5, 3])
  })

  it('count what the response cache answers apart, and a repetition not at all', async () => {
    const { id: tenantId } = await server.tenant('cached')
    const given = { tenantId, responseCache: true }
    const { key } = await server.api<KeyCreated>('POST', '/api/keys', given)
    const client = openAi(server, key)
    const headers = { 'Idempotency-Key': 'once' }
    const asked = [ask({ seed: 1 }), ask({ seed: 1 }), ask({ seed: 2 }), ask({ seed: 2 })]
    const told: Told[] = []
    for (const [index, params] of asked.entries()) {
      const options = index < 2 ? {} : { headers }
      const { data, request_id } = await client.chat.completions
        .create(params, options)
        .withResponse()
      told.push(toldBy(request_id, data.usage))
      if (index < 3) await settled(server, request_id ?? '')
    }
    const [run, hit] = await Promise.all(told.slice(0, 2).map((t) => settled(server, t.requestId)))
    assert.deepEqual([run?.hitInputTokens, run?.outputTokens], [null, told[0]?.output])
    assert.deepEqual(
      [hit?.inputTokens, hit?.outputTokens, hit?.hitInputTokens, hit?.hitOutputTokens],
      [0, 0, told[1]?.input, told[1]?.output],
    )
    const [row] = await usage(`tenant=${tenantId}&groupBy=tenant`)
    assert.deepEqual([row?.requests, row?.finished, row?.hits], [3, 3, 1])
    assert.equal(row?.hitOutputTokens, told[1]?.output)
    assert.equal(row?.outputTokens, sum([told[0]?.output ?? 0, told[2]?.output ?? 0]))
    const list = await server.api<Page<RequestView>>('GET', `/api/requests?tenant=${tenantId}`)
    assert.equal(list.rows.length, 3)
  })

  it('charge what was cut by the count of the engine, and what was refused with nothing', async () => {
    const { id: tenantId, key } = await server.tenant('cut')
    const client = openAi(server, key)
    const held = [await holdSlot(client), await holdSlot(client)]
    for (const one of held) one.release()
    const rows = await Promise.all(held.map((one) => settled(server, one.requestId)))
    const messages = [{ role: 'user', content: 'mill '.repeat(5000) }]
    const error = await thrownBy(client.chat.completions.create(ask({ messages })))
    const refused = await settled(server, String((error as { requestID?: string }).requestID))
    assert.deepEqual(
      [refused.group, refused.end, refused.inputTokens, refused.outputTokens],
      ['cut', 'refused', 0, 0],
    )
    const [row] = await usage(`tenant=${tenantId}&groupBy=tenant`)
    assert.deepEqual([row?.requests, row?.finished, row?.cut], [3, 0, 3])
    assert.equal(row?.outputTokens, sum(rows.map((one) => one.outputTokens)))
  })
})

describe('every door', () => {
  it('is booked as its client was told, and all of them as the engine has counted', async () => {
    const { id: tenantId, key } = await server.tenant('doors')
    const before = await countedByEngine(server)
    const told = [...(await oneOfEach(server, key)), ...(await otherDoors(server, key))]
    const left = await abandoned(server, key)
    for (const one of told) {
      const row = await settled(server, one.requestId)
      const { group, inputTokens, cachedTokens, outputTokens } = row
      const want = ['finished', one.input, one.cached, one.output]
      assert.deepEqual([group, inputTokens, cachedTokens, outputTokens], want, row.endpoint)
    }
    const groups = await Promise.all(left.map(async (id) => (await settled(server, id)).group))
    // The others may have come to their end before it was known that nobody reads them.
    assert.equal(groups[0], 'cut')
    const after = await countedByEngine(server)
    const [row] = await usage(`tenant=${tenantId}&groupBy=tenant`)
    assert.deepEqual([row?.requests, (row?.finished ?? 0) + (row?.cut ?? 0)], [13, 13])
    assert.deepEqual(
      [row?.inputTokens, row?.cachedTokens, row?.outputTokens],
      after.map((count, i) => count - (before[i] ?? 0)),
    )
  })
})

describe('charges', () => {
  it('are those of the price that held, for every kind of end, and add up to the nano', async () => {
    const { id: tenantId } = await server.tenant('charged')
    await server.api('PATCH', `/api/tenants/${tenantId}`, { pricePlan: 'exact' })
    const rates = {
      input: '3',
      cachedInput: '0.3',
      output: '7',
      embedding: '1.5',
      request: '0.001',
    }
    const price = { plan: 'exact', ...rates, engineSecond: '0.01', hitShare: '0.25' }
    await server.api('POST', '/api/prices', { prices: [price] })
    const book = () => server.api<PriceBookView>('GET', '/api/prices')
    await eventually('the price holds', async () => (await book()).prices[0]?.state === 'holds')
    const given = { tenantId, responseCache: true }
    const { key } = await server.api<KeyCreated>('POST', '/api/keys', given)
    const ids = (await oneOfEach(server, key)).map(({ requestId }) => requestId)
    const client = openAi(server, key)
    const held = await holdSlot(client)
    held.release()
    ids.push(held.requestId)
    for (let i = 0; i < 2; i++) {
      const { request_id } = await client.chat.completions.create(ask({ seed: 7 })).withResponse()
      ids.push(request_id ?? '')
      await settled(server, request_id ?? '')
    }
    const rows = await Promise.all(ids.map((one) => settled(server, one)))
    for (const row of rows) {
      assert.equal(row.priceVersion, 1)
      assert.equal(Number(row.chargeNanos), expectedNanos(row), `${row.endpoint} ${row.end}`)
    }
    assert.deepEqual(new Set(rows.map(({ end }) => end)), new Set(['done', 'client_gone']))
    assert.ok(rows.some(({ hitInputTokens }) => hitInputTokens !== null))
    const total = sum(rows.map(({ chargeNanos }) => Number(chargeNanos)))
    const [row] = await usage(`tenant=${tenantId}&groupBy=tenant`)
    assert.deepEqual([Number(row?.chargeNanos), row?.unpriced], [total, 0])
    const csv = await usageCsv(server, `tenant=${tenantId}&groupBy=tenant`)
    assert.equal(csv[0]?.chargeNanos, row?.chargeNanos)
  })
})

interface Refused {
  status: number
  code: string
  message: string
  headers: Headers
}

describe('budgets', () => {
  const budget = (tenantId: string, limit: string, more: object = {}) => {
    const given = { name: 'small', tenantId, unit: 'tokens', limit, period: 'total', ...more }
    return server.api<BudgetView>('POST', '/api/budgets', given)
  }

  it('are never passed, tell how they stand, and name themselves where they refuse', async () => {
    const { id: tenantId, key } = await server.tenant('bounded')
    await budget(tenantId, '2000')
    const client = openAi(server, key)
    const asks = Array.from({ length: 16 }, () =>
      client.chat.completions.create(ask({ max_tokens: 100 })).withResponse(),
    )
    const ends = await Promise.allSettled(asks)
    const served = ends.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const refused = ends.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as Refused] : [],
    )
    assert.ok(served.length > 3 && refused.length > 0, `${served.length} were served`)
    for (const { status, code, message } of refused) {
      assert.deepEqual([status, code], [402, 'budget_used_up'])
      assert.match(message, /The budget small has \d+ tokens left and does not renew/)
    }
    for (const { request_id } of served) await settled(server, request_id ?? '')
    const spent = sum(served.map(({ data }) => data.usage?.total_tokens ?? 0))
    assert.ok(spent <= 2000, `${spent}`)
    const { response } = served.at(-1) ?? assert.fail()
    const of = (name: string) => response.headers.get(`x-gristmill-budget${name}`)
    assert.deepEqual([of(''), of('-unit'), of('-limit')], ['small', 'tokens', '2000'])
    const standing = await budgetTold(server, key)
    assert.deepEqual([standing?.spent, standing?.left], [String(spent), String(2000 - spent)])
  })

  it('are prepaid credit, which lets in exactly what was paid for', async () => {
    const { id: tenantId, key } = await server.tenant('prepaid')
    await server.api('PATCH', `/api/tenants/${tenantId}`, { pricePlan: 'each' })
    await server.api('POST', '/api/prices', { prices: [{ plan: 'each', request: '1' }] })
    const book = () => server.api<PriceBookView>('GET', '/api/prices')
    await eventually('it holds', async () => (await book()).prices.at(-1)?.state === 'holds')
    const home = { GRISTMILL_HOME: server.home }
    const run = (...words: string[]) => cli(['credit', ...words, '--note', 'invoice 7'], home)
    const added = await run('add', 'prepaid', '3.5')
    assert.match(added.out, /3\.5 USD left of 3\.5; 0 used/, added.err)
    const client = openAi(server, key)
    const asks = Array.from({ length: 8 }, () =>
      client.chat.completions.create(ask()).withResponse(),
    )
    const ends = await Promise.allSettled(asks)
    const served = ends.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    for (const { request_id } of served) await settled(server, request_id ?? '')
    const names = served.map(({ response }) => response.headers.get('x-gristmill-budget'))
    assert.deepEqual(names, Array(3).fill('prepaid%20credit'))
    const refusal = (await thrownBy(client.chat.completions.create(ask()))) as unknown as Refused
    assert.deepEqual([refusal.status, refusal.code], [402, 'budget_used_up'])
    assert.match(refusal.message, /prepaid credit has 0\.5 USD left/)
    const standing = await budgetTold(server, key)
    assert.deepEqual([standing?.isPrepaid, standing?.spent, standing?.left], [true, '3', '0.5'])
    assert.match((await run('refund', 'prepaid', '0.5')).out, /0 USD left of 3; 3 used/)
    const { out } = await cli(['credit', 'list'], home)
    assert.match(out, /refund +-0\.5 USD +invoice 7[\s\S]*top-up +3\.5 USD/)
  })

  it('wait for what is only set aside, and shorten an answer where they may', async () => {
    const { id: tenantId, key } = await server.tenant('waits')
    const { id } = await budget(tenantId, '34000', { period: 'month' })
    const client = openAi(server, key)
    const held = await holdSlot(client)
    const long = ask({ max_tokens: 3000, ignore_eos: true })
    const waiting = client.chat.completions.create({ ...long, n: 2 }).withResponse()
    held.release()
    const { request_id } = await waiting
    const rows = await Promise.all(
      [held.requestId, request_id ?? ''].map((one) => settled(server, one)),
    )
    const spent = sum(rows.map((row) => row.inputTokens + row.outputTokens))
    await server.api('PATCH', `/api/budgets/${id}`, { limit: String(spent + 900) })
    const refusal = (await thrownBy(client.chat.completions.create(long))) as unknown as Refused
    assert.deepEqual([refusal.status, refusal.code], [429, 'budget_exceeded'])
    assert.ok(Number(refusal.headers.get('retry-after')) > 0)
    await server.api('PATCH', `/api/budgets/${id}`, { clamps: true })
    const { data, response } = await client.chat.completions.create(long).withResponse()
    assert.equal(data.choices[0]?.finish_reason, 'length')
    const most = Number(response.headers.get('x-gristmill-budget-clamped'))
    assert.equal(data.usage?.completion_tokens, most)
    assert.ok(most > 0 && most < 900, `${most}`)
  })

  it('have alerts that are set, and an outlook that says when too little is known', async () => {
    const { id: tenantId } = await server.tenant('alerted')
    const { id } = await budget(tenantId, '500', { period: 'month' })
    const path = `/api/budgets/${id}/alerts`
    const usual = await server.api<BudgetAlertsView>('GET', path)
    assert.deepEqual([usual.percents, usual.onForecast, usual.emails], [[50, 80, 100], true, []])
    const wanted = { percents: [90, 40], onForecast: false, emails: ['ada@example.org'] }
    const set = await server.api<BudgetAlertsView>('PUT', path, wanted)
    const outlook = { kind: 'few', emptyAt: null, steps: 0 }
    assert.deepEqual(set, { ...wanted, percents: [40, 90], outlook })
    assert.deepEqual(await server.api('GET', `/api/budget-alerts?tenant=${tenantId}`), {
      rows: [],
      next: null,
    })
    const wrong = { ...wanted, percents: [101] }
    await assert.rejects(server.api('PUT', path, wrong), /percents/)
  })
})

const queueOf = async (key: string): Promise<QueueView> => {
  const headers = { authorization: `Bearer ${key}` }
  return (await (await fetch(`${server.url}/v1/queue`, { headers })).json()) as QueueView
}

describe('the queue', () => {
  it('tells a tenant why its own requests wait, and of others only how many', async () => {
    const ours = await server.tenant('asks')
    const theirs = await server.tenant('others')
    const loud = openAi(server, theirs.key)
    const holders = [0, 1, 2].map(() => holdSlot(loud))
    await Promise.race(holders)
    const stop = new AbortController()
    const { signal } = stop
    const waiting = [ours.key, ours.key, ours.key, theirs.key].map((key) =>
      openAi(server, key)
        .chat.completions.create(ask({ max_tokens: 3900, n: 8, ignore_eos: true }), { signal })
        .catch((error: Error) => error.constructor.name),
    )
    const view = await eventually('they wait', async () => {
      const seen = await queueOf(ours.key)
      return seen.own.length >= 2 && seen.othersWaiting >= 1 ? seen : undefined
    })
    for (const entry of view.own) {
      assert.equal(entry.tenantId, ours.id)
      assert.match(entry.reason, /^(engine_full|tenant_share|own_queue)$/)
      assert.ok(entry.why.length > 10 && entry.basis.length > 10)
      assert.ok((entry.expectedWaitMs ?? 0) > 0, entry.basis)
    }
    assert.deepEqual(
      view.own.map(({ aheadOwn }) => aheadOwn),
      view.own.map((_, i) => i),
    )
    const text = JSON.stringify(view)
    assert.ok(!text.includes(theirs.id) && !text.includes('others"'))
    const everything = await server.api<QueueView>('GET', '/api/queue')
    const tenants = new Set(everything.own.map(({ tenantId }) => tenantId))
    assert.ok(tenants.has(ours.id) && tenants.has(theirs.id), 'an operator sees both')
    stop.abort()
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['APIUserAbortError']))
    await Promise.all(holders.map(async (holder) => (await holder).release()))
    await eventually('nobody waits', async () => {
      const { own } = await server.api<QueueView>('GET', '/api/queue')
      return own.length === 0
    })
  })
})

describe('the audit log', () => {
  it('has every change with who, what and from where, and no secret', async () => {
    const { id: tenantId, key } = await server.tenant('audited')
    const made = await server.api<KeyCreated>('POST', '/api/keys', { tenantId, name: 'second' })
    await server.api('PATCH', `/api/tenants/${tenantId}`, { weight: 2 })
    const next = await server.api<KeyCreated>('POST', `/api/keys/${made.id}/rotate`, {})
    await server.api('DELETE', `/api/keys/${made.id}`)
    const audit = await server.api<Page<AuditView>>('GET', `/api/audit?tenant=${tenantId}`)
    const actions = audit.rows.map(({ action }) => action).reverse()
    assert.deepEqual(actions, [
      'tenant.create',
      'key.create',
      'key.create',
      'tenant.change',
      'key.rotate',
      'key.revoke',
    ])
    const weights = audit.rows.find(({ action }) => action === 'tenant.change')
    assert.equal(weights?.subject, tenantId)
    assert.match(JSON.stringify(weights?.detail), /2/)
    for (const row of audit.rows) {
      assert.ok(row.actor.length > 0 && row.from.length > 0 && Date.parse(row.at) > 0)
    }
    const text = JSON.stringify(audit)
    for (const secret of [key, made.key, next.key]) assert.ok(!text.includes(secret))
  })
})
