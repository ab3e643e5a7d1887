/** Calls with tokens of a real OpenID provider in place of keys, and accounts of programs. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { generateKeyPair, SignJWT } from 'jose'
import { startProvider, type TestProvider } from '../../test/identity/provider.ts'
import { FakeClock, systemClock } from '../base/index.ts'
import { Issuer } from '../tenancy/index.ts'
import { knownPerson } from './directory.ts'
import { openTestServer, type TestServer } from './test-server.ts'

const actor = { name: 'system', from: 'local' }
let provider: TestProvider
let server: TestServer
let clock: FakeClock
let issuer: Issuer
let tenantId: string
let verified = 0

before(async () => {
  clock = new FakeClock(systemClock.nowMs())
  provider = await startProvider([])
  issuer = new Issuer({
    issuer: provider.issuer,
    name: 'The company',
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    groupsClaim: 'groups',
    scopes: 'openid',
    clock,
  })
  const verify = issuer.verify.bind(issuer)
  issuer.verify = (token, expected) => {
    verified++
    return verify(token, expected)
  }
  server = await openTestServer({
    clock,
    issuer,
    tokens: {
      issuer,
      audiences: ['gristmill'],
      personOf: (account) => knownPerson(server.database.sql, account),
    },
  })
})
after(async () => {
  await server.close()
  await provider.close()
})
beforeEach(async () => {
  await server.database.reset()
  provider.programGroups.clear()
  provider.programClaims.clear()
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
  verified = 0
})

const chat = { model: 'toy', messages: [] }
const call = (key: string) => server.ask('POST', '/v1/chat/completions', { key, body: chat })
const setRules = (...rules: { group: string; role: string; tenantIds: string[] }[]) =>
  server.ask('PUT', '/api/access-rules', { local: true, body: { rules } })
const local = (method: string, path: string, body?: unknown) =>
  server.ask(method, path, { local: true, ...(body !== undefined && { body }) })

/** Calls until it is answered so, which takes until the news of a change has arrived. */
async function untilStatus(key: string, status: number) {
  const endMs = systemClock.monotonicMs() + 5000
  for (;;) {
    const answer = await call(key)
    if (answer.status === status) return answer
    assert.ok(systemClock.monotonicMs() < endMs, `${answer.status}: ${answer.text}`)
    await systemClock.sleep(5)
  }
}

describe('a token of the identity provider', () => {
  it('is as good as a key of the tenant that a rule gives to its group', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const token = await provider.tokenOfProgram('nightly-job')
    const answer = await call(token)
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.json.tenantName, 'Support')
    const [key] = (await local('GET', '/api/keys')).json.rows
    assert.equal(key.id, answer.json.keyId)
    assert.deepEqual([key.name, key.subject], ['nightly-job', `${provider.issuer} nightly-job`])
    const again = await call(await provider.tokenOfProgram('nightly-job'))
    assert.equal(again.json.keyId, key.id, 'another token of the same subject has the same key')
    assert.equal((await local('POST', `/api/keys/${key.id}/rotate`, {})).status, 409)
  })

  it('is checked once, and then costs what a key costs', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const token = await provider.tokenOfProgram('nightly-job')
    await untilStatus(token, 200)
    const isCached = () => !(server.tenancy.authenticate(token) instanceof Promise)
    while (!isCached()) await call(token)
    verified = 0
    const principal = server.tenancy.authenticate(token)
    for (let i = 0; i < 50; i++) assert.equal(server.tenancy.authenticate(token), principal)
    assert.equal(verified, 0)
  })

  it('of many calls at once is checked once', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const token = await provider.tokenOfProgram('nightly-job')
    const answers = Array.from({ length: 20 }, async () => server.tenancy.authenticate(token))
    assert.ok((await Promise.all(answers)).every((one) => one?.tenantId === tenantId))
    assert.equal(verified, 1)
    assert.equal((await local('GET', '/api/keys')).json.rows.length, 1)
  })

  it('changes with the rules, and stops with its key', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const token = await provider.tokenOfProgram('nightly-job')
    await untilStatus(token, 200)
    await setRules({ group: 'jobs', role: 'viewer', tenantIds: [tenantId] })
    assert.equal((await untilStatus(token, 403)).json.error.code, 'forbidden')
    await setRules()
    const end = systemClock.monotonicMs() + 5000
    while ((await call(token)).json.error.code !== 'no_rule_fits') {
      assert.ok(systemClock.monotonicMs() < end)
    }
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const { keyId } = (await untilStatus(token, 200)).json
    assert.equal((await local('DELETE', `/api/keys/${keyId}`)).status, 204)
    assert.match((await untilStatus(token, 401)).json.error.message, /revoked/)
  })

  it('is refused where it is not clear which tenant pays', async () => {
    const other = (await server.tenancy.tenants.create({ name: 'Sales' }, actor)).id
    provider.programGroups.set('nightly-job', ['jobs'])
    const token = await provider.tokenOfProgram('nightly-job')
    for (const tenantIds of [[tenantId, other], []]) {
      await setRules({ group: 'jobs', role: 'operator', tenantIds })
      const answer = await untilStatus(token, 403)
      assert.equal(answer.json.error.code, 'token_tenant_unclear')
    }
  })

  it('that is another’s, for somebody else, or nobody’s is refused', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const forged = (claims: object, header: object) =>
      new SignJWT({ groups: ['jobs'], ...claims })
        .setProtectedHeader({ alg: 'ES256', ...header })
        .setSubject('nightly-job')
        .setIssuer(provider.issuer)
        .setAudience('gristmill')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const tokens = [
      await forged({}, { kid: 'test' }),
      await forged({}, { kid: 'unknown' }),
      `${part({ alg: 'none' })}.${part({ sub: 'nightly-job', iss: provider.issuer })}.`,
      `${part({ alg: 'HS256' })}.${part({ sub: 'x' })}.AAAA`,
      await provider.tokenOfProgram('nightly-job', { audience: 'urn:another' }),
    ]
    for (const token of tokens) {
      const answer = await call(token)
      assert.deepEqual([answer.status, answer.json.error.code], [401, 'token_invalid'])
    }
    assert.equal((await local('GET', '/api/keys')).json.rows.length, 0)
  })

  it('acts under /api with the role that the rules give, and within its tenants', async () => {
    const other = (await server.tenancy.tenants.create({ name: 'Sales' }, actor)).id
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const key = await provider.tokenOfProgram('nightly-job')
    const { rows } = (await server.ask('GET', '/api/tenants', { key })).json
    assert.deepEqual(
      rows.map(({ id }: { id: string }) => id),
      [tenantId],
    )
    const make = (id: string) => server.ask('POST', '/api/keys', { key, body: { tenantId: id } })
    assert.equal((await make(tenantId)).status, 201)
    assert.equal((await make(other)).status, 404)
    assert.equal(
      (await server.ask('POST', '/api/tenants', { key, body: { name: 'x' } })).status,
      403,
    )
    const [row] = (await local('GET', '/api/audit?action=key.create')).json.rows
    assert.equal(row.actor, `token:${provider.issuer} nightly-job`)
  })

  it('stands for the address in it only where the provider vouches for that', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'operator', tenantIds: [tenantId] })
    const email = 'anna@example.org'
    const actorOf = async (claims: Record<string, unknown>) => {
      provider.programClaims.set('nightly-job', claims)
      const key = await provider.tokenOfProgram('nightly-job')
      const made = await server.ask('POST', '/api/keys', { key, body: { tenantId } })
      assert.equal(made.status, 201, made.text)
      return (await local('GET', '/api/audit?action=key.create')).json.rows[0].actor
    }
    const unproven = `token:${provider.issuer} nightly-job`
    assert.equal(await actorOf({ email, preferred_username: email }), unproven)
    assert.equal(await actorOf({ email, email_verified: false }), unproven)
    assert.equal(await actorOf({ email, email_verified: true }), `token:${email}`)
    provider.programClaims.set('nightly-job', { email, email_verified: false })
    const { keyId } = (await call(await provider.tokenOfProgram('nightly-job'))).json
    assert.equal((await local('GET', `/api/keys/${keyId}`)).json.name, 'nightly-job')
  })

  it('gets a clean answer while the provider is away, unless it is known', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const known = await provider.tokenOfProgram('nightly-job')
    await untilStatus(known, 200)
    while (server.tenancy.authenticate(known) instanceof Promise) await call(known)
    const fresh = new Issuer({ ...issuer.options })
    await provider.goAway()
    try {
      assert.equal((await call(known)).status, 200)
      await assert.rejects(fresh.verify(known, { audiences: ['gristmill'] }), {
        code: 'identity_provider_unreachable',
      })
    } finally {
      await provider.comeBack()
    }
  })
})

describe('an account of a program', () => {
  const make = async (input: object) => {
    const answer = await local('POST', '/api/service-accounts', { tenantId, ...input })
    assert.equal(answer.status, 201, answer.text)
    return answer.json
  }

  it('holds keys, which stop while it is disabled and end with it', async () => {
    const account = await make({ name: 'nightly' })
    const body = { tenantId, serviceAccountId: account.id }
    const { key } = (await local('POST', '/api/keys', body)).json
    await untilStatus(key, 200)
    const change = (isDisabled: boolean) =>
      local('PATCH', `/api/service-accounts/${account.id}`, { isDisabled })
    assert.equal((await change(true)).json.isDisabled, true)
    await untilStatus(key, 401)
    assert.equal((await local('POST', '/api/keys', body)).status, 409)
    await change(false)
    await untilStatus(key, 200)
    assert.equal((await local('DELETE', `/api/service-accounts/${account.id}`)).status, 204)
    await untilStatus(key, 401)
    const [row] = (await local('GET', '/api/audit?action=service-account.remove')).json.rows
    assert.equal(row.detail.keysRevoked, 1)
  })

  it('is whom a token stands for whose subject it names, without any rule', async () => {
    const account = await make({ name: 'nightly', tokenSubject: 'nightly-job' })
    const token = await provider.tokenOfProgram('nightly-job')
    const { keyId } = (await untilStatus(token, 200)).json
    const key = (await local('GET', `/api/keys/${keyId}`)).json
    assert.deepEqual([key.name, key.serviceAccountId], ['nightly', account.id])
    assert.equal((await server.ask('GET', '/api/tenants', { key: token })).status, 403)
    await local('PATCH', `/api/service-accounts/${account.id}`, { isDisabled: true })
    assert.equal((await untilStatus(token, 403)).json.error.code, 'account_deactivated')
    await local('DELETE', `/api/service-accounts/${account.id}`)
    await make({ name: 'nightly', tokenSubject: 'nightly-job' })
    await untilStatus(token, 200)
  })

  it('gets the subject of its tokens from whoever may change tenants, not from members', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const key = await provider.tokenOfProgram('nightly-job')
    const asMember = (method: string, path: string, body: object) =>
      server.ask(method, path, { key, body })
    const theirs = { tokenSubject: 'job-of-another-tenant' }
    const trap = { tenantId, name: 'trap', ...theirs }
    const named = await asMember('POST', '/api/service-accounts', trap)
    assert.equal(named.status, 403, named.text)
    const made = await asMember('POST', '/api/service-accounts', { tenantId, name: 'mine' })
    assert.equal(made.status, 201, made.text)
    const path = `/api/service-accounts/${made.json.id}`
    assert.equal((await asMember('PATCH', path, theirs)).status, 403)
    assert.equal((await local('PATCH', path, { tokenSubject: 'weekly-job' })).status, 200)
    const kept = { name: 'renamed', tokenSubject: 'weekly-job' }
    assert.equal((await asMember('PATCH', path, kept)).status, 200)
  })

  it('has a name of its own in its tenant, and nothing of another tenant', async () => {
    await make({ name: 'nightly' })
    const again = await local('POST', '/api/service-accounts', { tenantId, name: 'NIGHTLY' })
    assert.equal(again.status, 409)
    const other = (await server.tenancy.tenants.create({ name: 'Sales' }, actor)).id
    const theirs = await make({ tenantId: other, name: 'nightly' })
    const body = { tenantId, serviceAccountId: theirs.id }
    assert.equal((await local('POST', '/api/keys', body)).status, 404)
  })
})

describe('in time, a token', () => {
  it('stops at its end, with the leeway of a minute', async () => {
    provider.programGroups.set('nightly-job', ['jobs'])
    await setRules({ group: 'jobs', role: 'member', tenantIds: [tenantId] })
    const token = await provider.tokenOfProgram('nightly-job')
    await untilStatus(token, 200)
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    // The provider has the machine's time, which has gone on since the clock was made.
    clock.advance(1000 * claims.exp + 50_000 - clock.nowMs())
    assert.equal((await call(token)).status, 200)
    clock.advance(20_000)
    const answer = await call(token)
    assert.deepEqual([answer.status, answer.json.error.code], [401, 'token_invalid'])
    assert.match(answer.json.error.message, /expired/)
  })
})
