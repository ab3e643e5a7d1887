import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { PlanInput } from './services.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

let server: TestServer
const begun: PlanInput[] = []

before(async () => {
  const services = standIns()
  const { plans } = services
  const start: typeof plans.start = (person, input) => {
    begun.push(input)
    return plans.start(person, input)
  }
  server = await openTestServer({ ...services, plans: { ...plans, start } })
})
after(() => server.close())

const csv = { 'content-type': 'text/csv' }
const trace = 'time_s,tenant,class,input,output\n0,a,standard,10,5\n'

describe('plans over the admin API', () => {
  it('take a trace as their body, run one at a time, and are cancelled', async () => {
    assert.equal((await server.ask('GET', '/api/plan', { local: true })).json, null)
    const path = '/api/plan?engine=l40s-8b&ttftP99Ms=800&costPerEngineHour=1.9&name=mine.csv'
    const options = { local: true, headers: csv, body: trace }
    const answer = await server.ask('POST', path, options)
    assert.equal(answer.status, 201)
    assert.equal(answer.json.input.ttftP99Ms, 800)
    const source = begun[0]?.source
    assert.ok(source?.kind === 'trace')
    assert.equal(new TextDecoder().decode(source.bytes), trace)
    const again = await server.ask('POST', path, options)
    assert.equal(again.status, 409)
    assert.equal(again.json.error.code, 'plan_running')
    assert.equal((await server.ask('DELETE', '/api/plan', { local: true })).json.state, 'cancelled')
  })

  it('take a trace that is larger than other bodies, but not any', async () => {
    const lines = (count: number) => '0,a,standard,10,5\n'.repeat(count)
    const post = (body: string) =>
      server.ask('POST', '/api/plan', { local: true, headers: csv, body })
    assert.equal((await post(trace + lines(100_000))).status, 201)
    assert.equal((await post(trace + lines(1_000_000))).json.error.code, 'body_too_large')
  })

  it('say what is wrong with what was asked', async () => {
    const post = (path: string, body?: unknown) => server.ask('POST', path, { local: true, body })
    const engine = await post('/api/plan?source=example&engine=abacus')
    assert.equal(engine.status, 400)
    assert.match(engine.json.error.message, /h100-8b/)
    assert.equal((await post('/api/plan?ttftP99Ms=0')).json.error.param, 'ttftP99Ms')
    const question = { change: { kind: 'load', factor: 2 } }
    assert.equal((await post('/api/plan/what-if', question)).status, 404)
    const wrong = { change: { kind: 'weather' } }
    assert.equal((await post('/api/plan/what-if', wrong)).status, 400)
    const engines = (await server.ask('GET', '/api/plan/engines', { local: true })).json
    assert.match(engines[0].basis, /Arithmetic/)
  })

  it('read only the ledger of tenants within reach', async () => {
    const tenant = await server.tenancy.tenants.create(
      { name: 'Support' },
      { name: 'system', from: 'local' },
    )
    const invitation = { name: 'Fay', email: 'fay@example.org', role: 'finance' }
    const body = { ...invitation, tenantIds: [tenant.id] }
    const invited = await server.ask('POST', '/api/users', { local: true, body })
    const token = new URL(invited.json.link).searchParams.get('token')
    const link = { token, password: 'a long enough password' }
    const signedIn = await server.ask('POST', '/api/link', { body: link })
    const cookie = signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const headers = { cookie, 'x-csrf-token': signedIn.json.csrfToken }
    const answer = await server.ask('POST', '/api/plan?source=ledger&hours=168', { headers })
    assert.equal(answer.status, 201)
    assert.deepEqual(begun.at(-1)?.source, {
      kind: 'ledger',
      hours: 168,
      tenantIds: [tenant.id],
    })
  })
})
