import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import { createLogger, createRegistry, readConfig, systemClock } from '../base/index.ts'
import { createLedger, type Ledger, openTestJournal } from '../meter/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { queueEntry, standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
let server: TestServer
let tenantId: string

before(async () => {
  const entries = [queueEntry({ requestId: 'req_a' }), queueEntry({ requestId: 'req_b' })]
  const queue = { entries: () => entries, waiting: () => 2 }
  server = await openTestServer(standIns({ queue }))
})
after(() => server.close())
beforeEach(async () => {
  await server.database.reset()
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
})

const local = (method: string, path: string, body?: unknown) =>
  server.ask(method, path, { local: true, ...(body !== undefined && { body }) })

describe('engines over the admin API', () => {
  it('are listed, added, drained, given work again and removed, with an audit row for each change', async () => {
    const added = await local('POST', '/api/engines', { url: 'http://10.0.0.7:8000', name: 'gpu' })
    assert.equal(added.status, 201)
    const path = `/api/engines/${added.json.id}`
    assert.equal((await local('POST', `${path}/drain`)).json.state, 'draining')
    assert.equal((await local('POST', `${path}/resume`)).json.state, 'up')
    assert.equal((await local('GET', '/api/engines?limit=1')).json.next, '1')
    const history = (await local('GET', `${path}/history`)).json
    assert.deepEqual([history.engineId, history.changes[0].state], [added.json.id, 'up'])
    const second = (await local('GET', '/api/engines?limit=1&cursor=1')).json
    assert.equal(second.rows[0].name, 'gpu')
    assert.equal((await local('DELETE', path)).status, 204)
    assert.equal((await local('DELETE', path)).status, 404)
    const { rows } = (await local('GET', '/api/audit?action=engine.')).json
    const actions = rows.map((row: { action: string }) => row.action)
    assert.deepEqual(actions, ['engine.remove', 'engine.resume', 'engine.drain', 'engine.add'])
  })

  it('must have a real address, and a key for one is never shown or logged', async () => {
    for (const url of ['file:///etc/passwd', 'not a url', '']) {
      const answer = await local('POST', '/api/engines', { url })
      assert.equal(answer.json.error.param, 'url')
    }
    const apiKey = 'sk-secret-of-the-engine'
    const added = await local('POST', '/api/engines', { url: 'https://api.example.org', apiKey })
    const audit = await local('GET', '/api/audit')
    assert.ok(!added.text.includes(apiKey) && !audit.text.includes(apiKey))
  })
})

describe('usage over the admin API', () => {
  let ledger: Ledger
  before(async () => {
    ledger = createLedger({
      database: server.database,
      journal: await openTestJournal(),
      clock: systemClock,
      logger: createLogger('silent', 'test'),
      registry: createRegistry(),
      limits: readConfig({}).limits,
    })
  })
  after(() => ledger.close())

  /** One request of a tenant that got so many tokens. */
  async function settle(
    requestId: string,
    tenant: string,
    outputTokens: number,
    sessionId: string | null = null,
  ): Promise<void> {
    await ledger.open({
      requestId,
      tenantId: tenant,
      projectId: 'prj_1',
      keyId: 'key_1',
      endUser: null,
      sessionId,
      model: '=cmd()',
      endpoint: '/v1/chat/completions',
      serviceClass: 'standard',
      estimatedInputTokens: 5,
      outputTokensMax: 50,
      arrivedAtMs: systemClock.nowMs(),
    })
    ledger.settle({
      requestId,
      group: 'finished',
      end: 'done',
      estimated: false,
      servedClass: 'standard',
      engineId: 'eng_1',
      inputTokens: 5,
      cachedTokens: 0,
      outputTokens,
      queueMs: 1,
      engineMs: 2,
      ttftMs: 1,
      tokenGapMs: 1,
      settledAtMs: systemClock.nowMs() - 1,
    })
    await ledger.flush()
  }

  it('is summed by what is asked for, as JSON and as CSV', async () => {
    await settle('req_1', tenantId, 10)
    await settle('req_2', tenantId, 20)
    await settle('req_3', 'ten_other', 40)
    const { json } = await local('GET', '/api/usage?groupBy=tenant')
    assert.equal(json.rows.length, 2)
    const mine = json.rows.find((row: { tenantId: string }) => row.tenantId === tenantId)
    assert.equal(mine.outputTokens, 30)
    assert.equal(mine.requests, 2)
    const options = { local: true, headers: { accept: 'text/csv' } }
    const csv = await server.ask('GET', `/api/usage?tenant=${tenantId}`, options)
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/)
    const [head, row, end] = csv.text.split('\r\n')
    assert.match(head ?? '', /^hour,tenantId,/)
    assert.ok(row?.includes("'=cmd()"), 'a spreadsheet must not run a model name')
    assert.ok(row?.includes(',30,'))
    assert.equal(end, '')
  })

  it('of other tenants is not visible to a key with the scope usage:read', async () => {
    await settle('req_1', tenantId, 10)
    await settle('req_3', 'ten_other', 40)
    const scopes = ['usage:read' as const]
    const { secret: key } = await server.tenancy.keys.create(tenantId, { scopes }, actor)
    const { json } = await server.ask('GET', '/api/usage?groupBy=tenant', { key })
    assert.deepEqual(
      json.rows.map((row: { tenantId: string }) => row.tenantId),
      [tenantId],
    )
    assert.equal((await server.ask('GET', '/api/usage?tenant=ten_other', { key })).status, 404)
    assert.equal((await server.ask('GET', '/api/requests/req_3', { key })).status, 404)
    assert.equal((await server.ask('GET', '/api/requests/req_1', { key })).json.outputTokens, 10)
  })

  it('lists requests newest first in pages', async () => {
    for (let i = 1; i <= 5; i++) await settle(`req_${i}`, tenantId, i)
    const first = (await local('GET', '/api/requests?limit=2')).json
    const second = (await local('GET', `/api/requests?limit=2&cursor=${first.next}`)).json
    const ids = [...first.rows, ...second.rows].map((row: { id: string }) => row.id)
    assert.deepEqual(ids, ['req_5', 'req_4', 'req_3', 'req_2'])
    const wrong = await local('GET', '/api/requests?cursor=nonsense')
    assert.equal(wrong.json.error.param, 'cursor')
  })

  it('lists the requests of one session', async () => {
    await settle('req_1', tenantId, 1, 'session-a')
    await settle('req_2', tenantId, 2)
    await settle('req_3', tenantId, 3, 'session-b')
    await settle('req_4', 'ten_other', 4, 'session-a')
    const of = async (query: string) =>
      (await local('GET', `/api/requests?${query}`)).json.rows.map((row: { id: string }) => row.id)
    assert.deepEqual(await of('session=session-a'), ['req_4', 'req_1'])
    assert.deepEqual(await of(`session=session-a&tenant=${tenantId}`), ['req_1'])
    const { json } = await local('GET', '/api/requests/req_3')
    assert.equal(json.sessionId, 'session-b')
    assert.equal((await local('GET', '/api/requests/req_2')).json.sessionId, null)
  })

  it('refuses groups and times that do not exist', async () => {
    assert.equal((await local('GET', '/api/usage?groupBy=planet')).status, 400)
    assert.equal((await local('GET', '/api/usage?from=yesterday')).json.error.param, 'from')
  })
})

describe('the queue over the admin API', () => {
  it('shows an operator everything', async () => {
    const { json } = await local('GET', '/api/queue')
    assert.equal(json.own.length, 2)
    assert.equal(json.othersWaiting, 0)
  })
})

describe('the demo', () => {
  it('starts once, is seen and is cancelled', async () => {
    assert.equal((await local('GET', '/api/demo')).json, null)
    assert.equal((await local('POST', '/api/demo')).status, 201)
    assert.equal((await local('POST', '/api/demo')).status, 409)
    assert.equal((await local('DELETE', '/api/demo')).json.state, 'cancelled')
  })
})

describe('the playground', () => {
  it('lets somebody chat as a tenant without a key of it, through the same gateway', async () => {
    const client = new OpenAI({
      apiKey: 'none',
      baseURL: `${server.url}/api/playground`,
      defaultHeaders: { authorization: null, 'x-gristmill-local': 'a'.repeat(64) },
      defaultQuery: { tenant: tenantId },
      maxRetries: 0,
    })
    const body = { model: 'toy', messages: [{ role: 'user' as const, content: 'hello' }] }
    const echo = await client.post<Record<string, string>>('/chat', { body })
    assert.equal(echo.tenantName, 'Support')
    assert.equal(echo.keyId, 'key_console')
    assert.equal(echo.path, '/v1/chat/completions')
    assert.deepEqual(JSON.parse(echo.body ?? ''), body)
  })

  it('refuses tenants that do not exist, and requests that name none', async () => {
    const chat = (query: string) => local('POST', `/api/playground/chat${query}`, {})
    assert.equal((await chat('?tenant=ten_none')).status, 404)
    assert.equal((await chat('')).json.error.param, 'tenant')
    assert.equal((await server.ask('POST', '/api/playground/chat?tenant=x')).status, 401)
  })
})

describe('health', () => {
  it('says whether requests are served and why not', async () => {
    assert.equal((await server.ask('GET', '/livez')).text, 'ok')
    assert.equal((await server.ask('GET', '/health')).json.status, 'ok')
    const reasons = ['No engine is up.']
    const half = await openTestServer(standIns({ readiness: () => ({ ready: false, reasons }) }))
    const answer = await half.ask('GET', '/readyz')
    await half.close()
    assert.equal(answer.status, 503)
    assert.deepEqual(answer.json.reasons, reasons)
  })

  it('shows metrics to this machine and to operators, not to the network', async () => {
    assert.match((await server.ask('GET', '/metrics')).text, /process_cpu/)
    const headers = { 'x-forwarded-for': '192.0.2.4' }
    assert.equal((await server.ask('GET', '/metrics', { headers })).status, 401)
    const scopes = ['admin' as const]
    const { secret: key } = await server.tenancy.keys.create(tenantId, { scopes }, actor)
    assert.equal((await server.ask('GET', '/metrics', { headers, key })).status, 200)
  })
})
