import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import { systemClock } from '../base/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { queueEntry, standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
let server: TestServer
let tenantId: string
let key: string
let waiting: ReturnType<typeof queueEntry>[] = []

before(async () => {
  const of = (id: string | undefined) =>
    waiting.filter((entry) => id === undefined || entry.tenantId === id)
  const queue = { entries: of, waiting: (id: string | undefined) => of(id).length }
  server = await openTestServer(standIns({ queue }))
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
})
after(() => server.close())
beforeEach(async () => {
  key = (await server.tenancy.keys.create(tenantId, {}, actor)).secret
  waiting = []
})

const chat = { model: 'toy', messages: [{ role: 'user' as const, content: 'hello' }] }

describe('a call of the API', () => {
  it('reaches the gateway with the tenant of its key, in either header', async () => {
    const bearer = await server.ask('POST', '/v1/chat/completions', { key, body: chat })
    assert.equal(bearer.status, 200)
    assert.equal(bearer.json.tenantName, 'Support')
    assert.deepEqual(JSON.parse(bearer.json.body), chat)
    assert.match(bearer.headers.get('x-gristmill-request-id') ?? '', /^req_/)
    const headers = { 'x-api-key': key }
    const other = await server.ask('POST', '/v1/chat/completions', { headers, body: chat })
    assert.equal(other.status, 200)
  })

  it('with a wrong key fails as the class that an application catches', async () => {
    const client = new OpenAI({ apiKey: 'sk-wrong', baseURL: `${server.url}/v1`, maxRetries: 0 })
    await assert.rejects(client.chat.completions.create(chat), (error) => {
      assert.ok(error instanceof OpenAI.AuthenticationError)
      assert.equal(error.code, 'invalid_api_key')
      assert.match(error.requestID ?? '', /^req_/)
      return true
    })
  })

  it('without a key says so, and with a key in odd places too', async () => {
    for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: `Basic ${key}` }]) {
      const answer = await server.ask('POST', '/v1/chat/completions', { headers, body: chat })
      assert.equal(answer.status, 401)
      assert.equal(answer.json.error.code, 'missing_api_key')
      assert.equal(answer.headers.get('x-should-retry'), 'false')
    }
  })

  it('with a key that lacks the scope is forbidden', async () => {
    const scopes = ['usage:read' as const]
    const { secret } = await server.tenancy.keys.create(tenantId, { scopes }, actor)
    const answer = await server.ask('POST', '/v1/chat/completions', { key: secret, body: chat })
    assert.equal(answer.status, 403)
    assert.equal(answer.json.error.code, 'forbidden')
    assert.match(answer.json.error.message, /scope inference/)
  })

  it('of an unknown path or with a wrong method is answered in OpenAI’s shape', async () => {
    const unknown = await server.ask('POST', '/v1/images', { key, body: chat })
    assert.equal(unknown.status, 404)
    assert.equal(unknown.json.error.code, 'unknown_path')
    const wrong = await server.ask('GET', '/v1/chat/completions', { key })
    assert.equal(wrong.status, 405)
    assert.equal(wrong.headers.get('allow'), 'POST')
    const outside = await server.ask('POST', '/v1/../api/tenants', { key })
    assert.ok([403, 404].includes(outside.status))
  })

  it('stops working within a second of its key’s revocation', async () => {
    assert.equal((await server.ask('GET', '/v1/models', { key })).status, 200)
    const [listed] = (await server.ask('GET', '/api/keys', { local: true })).json.rows
    await server.ask('DELETE', `/api/keys/${listed.id}`, { local: true })
    const endMs = systemClock.monotonicMs() + 1000
    let status = 200
    while (status === 200 && systemClock.monotonicMs() < endMs) {
      status = (await server.ask('GET', '/v1/models', { key })).status
    }
    assert.equal(status, 401)
  })

  it('with too large a head gets a clear answer instead of a cut connection', async () => {
    const headers = { 'x-long': 'x'.repeat(20_000) }
    const answer = await server.ask('GET', '/v1/models', { key, headers })
    assert.equal(answer.status, 431)
    assert.equal(answer.json.error.code, 'headers_too_large')
  })

  it('that is no HTTP gets an error and not silence', async () => {
    const { port } = new URL(server.url)
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      let received = ''
      socket.on('data', (chunk) => {
        received += String(chunk)
      })
      socket.on('close', () => resolve(received))
      socket.on('error', reject)
    })
    assert.match(text, /^HTTP\/1\.1 400/)
    assert.match(text, /not valid HTTP/)
  })
})

describe('the queue of a key', () => {
  it('shows its tenant’s requests and everybody else’s only as a number', async () => {
    waiting = [
      queueEntry({ requestId: 'req_mine', tenantId, waitedMs: 5 }),
      queueEntry({ requestId: 'req_older', tenantId, waitedMs: 50 }),
      queueEntry({ requestId: 'req_theirs', tenantId: 'ten_other' }),
    ]
    const { json, text } = await server.ask('GET', '/v1/queue', { key })
    assert.deepEqual(
      json.own.map((row: { requestId: string }) => row.requestId),
      ['req_older', 'req_mine'],
    )
    assert.equal(json.othersWaiting, 1)
    assert.ok(!text.includes('ten_other') && !text.includes('key_1'))
  })
})

describe('while the database is away', () => {
  it('a key that is not cached gets a clean 503 and is told when to come back', async () => {
    const gone = await openTestServer()
    try {
      const { tenancy } = gone
      const refuse = async () => {
        throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
      }
      const broken = { ...tenancy, authenticate: refuse }
      const half = await openTestServer({ tenancy: broken })
      const answer = await half.ask('GET', '/v1/models', { key: 'sk-any' })
      assert.equal(answer.status, 503)
      assert.equal(answer.json.error.code, 'not_ready')
      assert.equal(answer.headers.get('retry-after'), '2')
      assert.equal(answer.headers.get('x-should-retry'), null)
      await half.close()
    } finally {
      await gone.close()
    }
  })
})
