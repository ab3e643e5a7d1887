import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { TraceDestinationInput } from './services.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
let server: TestServer
let tenantId: string
let destination: TraceDestinationInput | undefined

before(async () => {
  const at = new Date(0)
  const get = async () => {
    const { headers, ...rest } = destination as TraceDestinationInput
    return { ...rest, headerNames: Object.keys(headers), createdAt: at, changedAt: at }
  }
  const set = async (_: string, input: TraceDestinationInput) => {
    destination = input
  }
  const remove = async () => {
    destination = undefined
  }
  server = await openTestServer(standIns({ traces: { get, set, remove } }))
})
after(() => server.close())
beforeEach(async () => {
  await server.database.reset()
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
})

const local = (method: string, path: string, body?: unknown) =>
  server.ask(method, path, { local: true, ...(body !== undefined && { body }) })

describe('tenants over the admin API', () => {
  it('are created, read, changed and archived', async () => {
    const created = await local('POST', '/api/tenants', { name: 'Sales', weight: 2.5 })
    assert.equal(created.status, 201)
    const path = `/api/tenants/${created.json.id}`
    assert.equal((await local('GET', path)).json.weight, 2.5)
    const changed = await local('PATCH', path, { limits: { tokensPerMinute: 500 } })
    assert.equal(changed.json.limits.tokensPerMinute, 500)
    assert.equal((await local('DELETE', path)).status, 204)
    const gone = await local('GET', path)
    assert.equal(gone.status, 404)
    assert.equal(gone.json.error.code, 'not_found')
  })

  it('are refused by a name that the database could not be asked for', async () => {
    for (const path of ['/api/tenants/%00', '/api/tenants?cursor=a%00', '/api/keys/a%00b']) {
      const { status, json } = await local('GET', path)
      assert.deepEqual([status, json.error.code], [400, 'invalid_value'], path)
    }
  })

  it('have projects with weights', async () => {
    const path = `/api/tenants/${tenantId}/projects`
    const created = await local('POST', path, { name: 'bot', weight: 3 })
    assert.equal(created.status, 201)
    const changed = await local('PATCH', `/api/projects/${created.json.id}`, { weight: 4 })
    assert.equal(changed.json.weight, 4)
    const { rows } = (await local('GET', path)).json
    assert.deepEqual(
      rows.map((row: { name: string }) => row.name),
      ['default', 'bot'],
    )
    assert.equal((await local('DELETE', `/api/projects/${created.json.id}`)).status, 204)
  })

  it('are listed in pages that are never larger than allowed', async () => {
    for (let i = 0; i < 4; i++) await local('POST', '/api/tenants', { name: `Team ${i}` })
    const first = (await local('GET', '/api/tenants?limit=3')).json
    assert.equal(first.rows.length, 3)
    const rest = (await local('GET', `/api/tenants?limit=9999&cursor=${first.next}`)).json
    assert.equal(rest.rows.length, 2)
    assert.equal(rest.next, null)
    const wrong = await local('GET', '/api/tenants?limit=-1')
    assert.equal(wrong.json.error.param, 'limit')
  })
})

describe('a wrong request', () => {
  const cases: [string, string, unknown, number, string, string | null][] = [
    ['POST', '/api/tenants', '{"name":', 400, 'invalid_json', null],
    ['POST', '/api/tenants', {}, 400, 'invalid_value', 'name'],
    ['POST', '/api/tenants', { name: 'x', weight: 'heavy' }, 400, 'invalid_value', 'weight'],
    ['POST', '/api/tenants', { name: 'x', colour: 1 }, 400, 'invalid_value', 'colour'],
    ['POST', '/api/tenants', { name: 'Support' }, 409, 'conflict', null],
    ['PUT', '/api/tenants', {}, 405, 'method_not_allowed', null],
    ['GET', '/api/nothing', undefined, 404, 'unknown_path', null],
    ['POST', '/api/tenants', { name: 'x'.repeat(2_000_000) }, 413, 'body_too_large', null],
  ]
  for (const [method, path, body, status, code, param] of cases) {
    it(`is refused by name: ${method} ${path} ${code} ${param ?? ''}`, async () => {
      const answer = await local(method, path, body)
      assert.equal(answer.status, status)
      assert.equal(answer.json.error.code, code)
      assert.equal(answer.json.error.param, param)
      assert.match(answer.json.error.request_id, /^req_/)
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      assert.ok(!/node_modules|\.ts:\d/.test(answer.text))
    })
  }
})

describe('keys over the admin API', () => {
  it('show their secret when made or rotated and never again', async () => {
    const created = await local('POST', '/api/keys', { tenantId, name: 'bot' })
    assert.equal(created.status, 201)
    assert.match(created.json.key, /^gm-/)
    const path = `/api/keys/${created.json.id}`
    assert.equal((await local('GET', path)).json.key, undefined)
    const list = await local('GET', `/api/keys?tenant=${tenantId}`)
    assert.ok(!list.text.includes(created.json.key))
    const rotated = await local('POST', `${path}/rotate`, { overlapS: 60 })
    assert.notEqual(rotated.json.key, created.json.key)
    assert.equal(rotated.json.state, 'rotating')
    const overlapMs = Date.parse(rotated.json.overlapEndsAt) - Date.parse(created.json.createdAt)
    assert.ok(overlapMs >= 60_000, 'the old secret works for the minute that was asked for')
    assert.equal(created.json.overlapEndsAt, null)
    for (const { key } of [created.json, rotated.json]) {
      assert.equal((await server.ask('GET', '/v1/models', { key })).status, 200)
    }
    assert.equal((await local('PATCH', path, { name: 'robot' })).json.name, 'robot')
    assert.equal((await local('DELETE', path)).status, 204)
    const revoked = (await local('GET', path)).json
    assert.deepEqual([revoked.state, revoked.overlapEndsAt], ['revoked', null])
  })

  it('of another gateway move in by their hash', async () => {
    const { hashSecret } = await import('../tenancy/secret.ts')
    const body = { tenantId, sha256: hashSecret('sk-from-elsewhere') }
    assert.equal((await local('POST', '/api/keys/import', body)).status, 201)
    const answer = await server.ask('GET', '/v1/models', { key: 'sk-from-elsewhere' })
    assert.equal(answer.json.tenantName, 'Support')
  })

  it('with the scope admin act as operator, and others do not', async () => {
    const make = async (scopes: string[]) =>
      (await local('POST', '/api/keys', { tenantId, scopes })).json.key as string
    const [admin, plain] = [await make(['admin']), await make(['inference'])]
    assert.equal((await server.ask('GET', '/api/tenants', { key: admin })).status, 200)
    const refused = await server.ask('GET', '/api/tenants', { key: plain })
    assert.equal(refused.status, 403)
    const users = await server.ask('POST', '/api/tenants', { key: admin, body: { name: 'New' } })
    assert.equal(users.status, 201)
  })
})

describe('the audit log over the admin API', () => {
  it('tells who, what and from where for changes by a key and by the command line', async () => {
    const key = (await local('POST', '/api/keys', { tenantId, scopes: ['admin'] })).json
    await server.ask('PATCH', `/api/tenants/${tenantId}`, { key: key.key, body: { weight: 7 } })
    const { rows } = (await local('GET', `/api/audit?tenant=${tenantId}`)).json
    assert.equal(rows[0].action, 'tenant.change')
    assert.equal(rows[0].actor, `key:${key.id}`)
    assert.equal(rows[0].from, '127.0.0.1')
    assert.deepEqual(rows[0].detail, { weight: 7 })
    assert.equal(rows[1].actor, 'cli')
    const page = (await local('GET', '/api/audit?limit=1')).json
    assert.ok(page.next)
    const next = (await local('GET', `/api/audit?limit=1&cursor=${page.next}`)).json
    assert.notEqual(next.rows[0].id, page.rows[0].id)
  })
})

describe('the command line of this machine', () => {
  it('needs its token, a connection from here and no proxy in between', async () => {
    const token = 'a'.repeat(64)
    const ask = async (headers: Record<string, string>) =>
      (await server.ask('GET', '/api/tenants', { headers })).status
    assert.equal(await ask({ 'x-gristmill-local': token }), 200)
    assert.equal(await ask({ 'x-gristmill-local': `${token}b` }), 401)
    assert.equal(await ask({ 'x-gristmill-local': token, 'x-forwarded-for': '192.0.2.1' }), 401)
    assert.equal(await ask({}), 401)
  })
})

describe('where traces of a tenant go', () => {
  it('is set, shown without the values of headers, noted without secrets, and removed', async () => {
    const path = `/api/tenants/${tenantId}/traces`
    const url = 'https://otel.example.org/v1/traces?token=confidential'
    const headers = { authorization: 'Bearer confidential' }
    const set = await local('PUT', path, { url, headers, withPrompts: true })
    assert.equal(set.status, 200)
    assert.deepEqual(destination, { url, headers, withPrompts: true })
    assert.deepEqual(set.json.headerNames, ['authorization'])
    assert.equal((await local('GET', path)).json.headers, undefined)
    assert.equal((await local('DELETE', path)).status, 204)
    assert.equal(destination, undefined)
    const { rows } = (await local('GET', '/api/audit')).json
    const noted = rows.filter(({ action }: { action: string }) => action.startsWith('traces.'))
    assert.deepEqual(noted[1].detail, {
      host: 'otel.example.org',
      headers: ['authorization'],
      withPrompts: true,
    })
    assert.equal(noted[0].action, 'traces.remove')
    assert.equal((await local('PUT', '/api/tenants/ten_none/traces', { url })).status, 404)
  })

  it('takes no header that would change what is sent', async () => {
    const path = `/api/tenants/${tenantId}/traces`
    const url = 'https://otel.example.org/v1/traces'
    for (const [name, value] of [
      ['content-length', '1'],
      ['host', 'inside'],
      ['x key', '1'],
      ['x-key', '1\r\nx: 2'],
    ] as const) {
      const { status } = await local('PUT', path, { url, headers: { [name]: value } })
      assert.equal(status, 400, name)
    }
    assert.equal(destination, undefined)
  })
})
