/** Signing in with a real OpenID provider, step by step as a browser goes. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { startProvider, type TestProvider } from '../../test/identity/provider.ts'
import { FakeClock, systemClock, systemRandom } from '../base/index.ts'
import { Issuer } from '../tenancy/index.ts'
import { makeLink } from './one-time-links.ts'
import { type Answer, openTestServer, type TestServer } from './test-server.ts'

const password = 'correct horse battery'
const callbacks: string[] = []
let provider: TestProvider
let issuer: Issuer
let server: TestServer
let clock: FakeClock
let tenantId: string

before(async () => {
  clock = new FakeClock(systemClock.nowMs())
  provider = await startProvider(callbacks)
  issuer = new Issuer({
    issuer: provider.issuer,
    name: 'The company',
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    groupsClaim: 'groups',
    scopes: 'openid email profile',
    // Its tokens are of the real time.
    clock: systemClock,
  })
  server = await openTestServer({ clock, issuer, passwordLogin: false })
  callbacks.push(`${server.url}/api/session/oidc/callback`)
})
after(async () => {
  await server.close()
  await provider.close()
})
beforeEach(async () => {
  await server.database.reset()
  clock.advance(3_600_000)
  provider.accounts.clear()
  const ben = { email: 'Ben@example.org', email_verified: true, name: 'Ben', groups: ['millers'] }
  provider.accounts.set('ben', ben)
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
})

const actor = { name: 'system', from: 'local' }

/** A browser: its cookies by the site that set them. */
class Browser {
  readonly #jars = new Map<string, Map<string, string>>()
  csrf = ''

  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const { origin } = new URL(url)
    const jar = this.#jars.get(origin) ?? new Map<string, string>()
    this.#jars.set(origin, jar)
    const headers = new Headers(init.headers)
    headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return response
  }

  /** From link to link to where no further one is. */
  async follow(url: string): Promise<{ url: string; response: Response }> {
    const response = await this.fetch(url)
    const next = response.headers.get('location')
    if (next === null) return { url, response }
    const target = new URL(next, url)
    // The console itself is not served here.
    if (target.origin === server.url && target.pathname === '/')
      return { url: target.href, response }
    return this.follow(target.href)
  }

  /** Signs in as an account of the provider; where that ends. */
  async signIn(account: string | null, to = '/'): Promise<URL> {
    const begun = await this.begin(to)
    assert.equal(begun.status, 200, begun.text)
    const form = await this.follow(begun.json.url)
    const filled = await this.fetch(form.url, {
      method: 'POST',
      body: new URLSearchParams(account === null ? {} : { account }),
    })
    const next = new URL(filled.headers.get('location') ?? '', form.url)
    return new URL((await this.follow(next.href)).url)
  }

  async begin(to = '/'): Promise<Answer> {
    return this.ask('POST', '/api/session/oidc', { to })
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { 'x-csrf-token': this.csrf, 'content-type': 'application/json' }
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await this.fetch(server.url + path, init)
    const text = await response.text()
    const json = text.startsWith('{') ? JSON.parse(text) : undefined
    if (json?.csrfToken !== undefined) this.csrf = json.csrfToken
    return { status: response.status, headers: response.headers, json, text }
  }
}

interface Rule {
  group: string
  role: string
  tenantIds: string[]
}
const setRules = async (...rules: Rule[]) => {
  const answer = await server.ask('PUT', '/api/access-rules', { local: true, body: { rules } })
  assert.equal(answer.status, 200, answer.text)
}
const rule = (group: string, role: string, tenantIds: string[] = []) => ({ group, role, tenantIds })
const userNamed = async (email: string) =>
  (await server.ask('GET', '/api/users', { local: true })).json.rows.find(
    (one: { email: string }) => one.email === email,
  )
const audited = async (action: string) =>
  (await server.ask('GET', `/api/audit?action=${action}`, { local: true })).json.rows

/** The newest is the break-glass owner. */
async function makeOwner(name: string): Promise<{ cookie: string }> {
  const token = new URL(await server.http.ownerLink()).searchParams.get('token')
  const body = { token, name, email: `${name}@example.org`, password }
  const made = await server.ask('POST', '/api/link', { body })
  assert.equal(made.status, 200)
  return { cookie: made.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
}

/** Somebody invited before passwords were switched off. */
async function localPerson(email: string): Promise<{ id: string; token: string }> {
  const { sql } = server.database
  const id = 'usr_local'
  await sql`insert into people (id, name, email, role, created_at, updated_at)
    values (${id}, 'Local', ${email}, 'operator', now(), now())`
  return { id, token: await makeLink(sql, { clock, random: systemRandom }, id) }
}

describe('somebody of the directory', () => {
  it('signs in with what the rules give their groups, and comes to the page they wanted', async () => {
    await setRules(rule('sales', 'operator'), rule('millers', 'member', [tenantId]))
    const browser = new Browser()
    const end = await browser.signIn('ben', '/?wanted=1')
    assert.equal(end.search, '?wanted=1')
    const { user } = (await browser.ask('GET', '/api/session')).json
    assert.deepEqual(
      [user.email, user.name, user.role, user.tenantIds, user.origin],
      ['ben@example.org', 'Ben', 'member', [tenantId], 'directory'],
    )
    assert.equal((await browser.ask('POST', '/api/keys', { tenantId })).status, 201)
    const [row] = await audited('session.sign-in')
    assert.deepEqual([row.actor, row.detail.by], ['user:ben@example.org', 'oidc'])
  })

  it('has the tenants of all rules that fit and give the role of the first', async () => {
    const other = (await server.tenancy.tenants.create({ name: 'Sales' }, actor)).id
    provider.accounts.get('ben')?.groups.push('bakers', 'cooks')
    await setRules(
      rule('bakers', 'member', [other]),
      rule('millers', 'member', [tenantId]),
      rule('cooks', 'owner'),
    )
    const browser = new Browser()
    await browser.signIn('ben')
    const { user } = (await browser.ask('GET', '/api/session')).json
    assert.deepEqual([user.role, user.tenantIds], ['member', [other, tenantId]])
  })

  it('is refused with the reason where no rule fits, and let in once one does', async () => {
    const browser = new Browser()
    const end = await browser.signIn('ben')
    assert.equal(end.searchParams.get('failed'), 'no_rule_fits')
    assert.match(end.searchParams.get('request') ?? '', /^req_/)
    assert.equal((await browser.ask('GET', '/api/session')).json.user, null)
    const [refused] = await audited('session.refused')
    assert.deepEqual(refused.detail, { why: 'no_rule_fits', groups: ['millers'] })
    assert.equal((await userNamed('ben@example.org')).state, 'no_rule')
    await setRules(rule('millers', 'viewer'))
    await browser.signIn('ben')
    assert.equal((await browser.ask('GET', '/api/session')).json.user.role, 'viewer')
  })

  it('loses session and role at once when the rules change', async () => {
    await setRules(rule('millers', 'operator'))
    const browser = new Browser()
    await browser.signIn('ben')
    await browser.ask('GET', '/api/session')
    assert.equal((await browser.ask('POST', '/api/tenants', { name: 'A' })).status, 201)
    await setRules(rule('millers', 'viewer'))
    assert.equal((await browser.ask('POST', '/api/tenants', { name: 'B' })).status, 403)
    await setRules(rule('bakers', 'viewer'))
    assert.equal((await browser.ask('GET', '/api/tenants')).status, 401)
    await setRules(rule('millers', 'viewer'))
    assert.equal((await browser.ask('GET', '/api/tenants')).status, 401, 'the session is gone')
  })

  it('has a session of half a day, after which the provider is asked again', async () => {
    await setRules(rule('millers', 'viewer'))
    const browser = new Browser()
    await browser.signIn('ben')
    const [session] = await server.database.sql<{ hours: number }[]>`
      select extract(epoch from expires_at - ${new Date(clock.nowMs())})::float8 / 3600 as hours
      from people_sessions`
    assert.equal(session?.hours, 12)
  })

  it('is nobody whom people here change or invite, and is removed like others', async () => {
    await setRules(rule('millers', 'operator'))
    await new Browser().signIn('ben')
    const { id } = await userNamed('ben@example.org')
    const ask = (method: string, path: string, body?: unknown) =>
      server.ask(method, path, { local: true, ...(body !== undefined && { body }) })
    assert.equal((await ask('PATCH', `/api/users/${id}`, { role: 'owner' })).status, 409)
    assert.equal((await ask('POST', `/api/users/${id}/invite`)).status, 409)
    assert.equal((await ask('DELETE', `/api/users/${id}`)).status, 204)
  })
})

describe('an address that somebody here has already', () => {
  it('is theirs where the provider vouches for it, and their password ends', async () => {
    await setRules(rule('millers', 'viewer'))
    const invited = await localPerson('ben@example.org')
    const { token } = invited
    await new Browser().signIn('ben')
    const { id, role, origin } = await userNamed('ben@example.org')
    assert.deepEqual([id, role, origin], [invited.id, 'viewer', 'directory'])
    assert.equal((await server.ask('POST', '/api/link', { body: { token, password } })).status, 410)
  })

  it('is not, where the provider does not', async () => {
    await setRules(rule('millers', 'viewer'))
    await localPerson('ben@example.org')
    Object.assign(provider.accounts.get('ben') ?? {}, { email_verified: false })
    const end = await new Browser().signIn('ben')
    assert.equal(end.searchParams.get('failed'), 'account_not_linked')
    assert.equal((await userNamed('ben@example.org')).role, 'operator')
  })

  it('is not another account’s of the provider that says so without being vouched for', async () => {
    await setRules(rule('millers', 'operator'), rule('bakers', 'viewer'))
    await new Browser().signIn('ben')
    const ben = await userNamed('ben@example.org')
    const eve = { email: 'Ben@example.org', email_verified: false, name: 'Eve', groups: ['bakers'] }
    provider.accounts.set('eve', eve)
    const end = await new Browser().signIn('eve')
    assert.equal(end.searchParams.get('failed'), 'account_not_linked')
    const { id, name, role } = await userNamed('ben@example.org')
    assert.deepEqual([id, name, role], [ben.id, 'Ben', 'operator'])
  })

  it('is never that of the break-glass owner', async () => {
    await makeOwner('anna')
    await setRules(rule('millers', 'viewer'))
    Object.assign(provider.accounts.get('ben') ?? {}, { email: 'anna@example.org' })
    const end = await new Browser().signIn('ben')
    assert.equal(end.searchParams.get('failed'), 'account_not_linked')
    assert.equal((await userNamed('anna@example.org')).role, 'owner')
  })
})

describe('with passwords switched off', () => {
  const signIn = (email: string, given: string) =>
    server.ask('POST', '/api/session', { body: { email, password: given } })

  it('only the break-glass owner gets in with one, and nobody learns who that is', async () => {
    const eve = await makeOwner('eve')
    assert.equal((await server.ask('GET', '/api/tenants', { headers: eve })).status, 200)
    await makeOwner('anna')
    assert.equal((await server.ask('GET', '/api/tenants', { headers: eve })).status, 401)
    const answers = [
      await signIn('eve@example.org', password),
      await signIn('anna@example.org', 'a wrong password'),
      await signIn('nobody@example.org', password),
    ]
    for (const { status, json } of answers) {
      assert.deepEqual([status, json.error.code], [403, 'password_login_off'])
    }
    assert.equal((await signIn('ANNA@example.org', password)).status, 200)
  })

  it('nobody is invited, and no invitation of before sets one', async () => {
    const body = { name: 'Eve', email: 'eve@example.org', role: 'viewer' }
    const invited = await server.ask('POST', '/api/users', { local: true, body })
    assert.equal(invited.status, 409)
    assert.match(invited.json.error.message, /The company/)
    const { token } = await localPerson('eve@example.org')
    const used = await server.ask('POST', '/api/link', { body: { token, password } })
    assert.equal(used.json.error.code, 'password_login_off')
  })

  it('the console learns how people sign in, before anybody has', async () => {
    const { signIn } = (await server.ask('GET', '/api/session')).json
    assert.deepEqual(signIn, { provider: 'The company', password: false })
  })

  it('there stays one owner with a password, whoever is removed', async () => {
    await makeOwner('anna')
    await setRules(rule('millers', 'owner'))
    await new Browser().signIn('ben')
    const anna = await userNamed('anna@example.org')
    assert.equal(anna.isBreakGlass, true)
    const removed = await server.ask('DELETE', `/api/users/${anna.id}`, { local: true })
    assert.equal(removed.status, 409)
    assert.match(removed.json.error.message, /sign in with a password/)
  })
})

describe('an answer of the provider', () => {
  const failureOf = async (browser: Browser, path: string) =>
    new URL((await browser.follow(server.url + path)).url).searchParams.get('failed')

  it('that nobody here asked for, or that is another’s, is refused', async () => {
    await setRules(rule('millers', 'viewer'))
    const path = '/api/session/oidc/callback?code=abc&state=def'
    assert.equal(await failureOf(new Browser(), path), 'oidc_failed')
    const begun = new Browser()
    await begun.begin()
    assert.equal(await failureOf(begun, path), 'oidc_failed')
  })

  it('that comes too late, or says no, is refused', async () => {
    const browser = new Browser()
    const { url } = (await browser.begin()).json
    clock.advance(601_000)
    const state = new URL(url).searchParams.get('state')
    const path = `/api/session/oidc/callback?code=abc&state=${state}`
    assert.equal(await failureOf(browser, path), 'oidc_failed')
    const end = await new Browser().signIn(null)
    assert.equal(end.searchParams.get('failed'), 'oidc_failed')
  })

  it('leads to our own pages and nowhere else', async () => {
    for (const to of ['https://evil.example', '//evil.example', '/\\evil.example', 'evil']) {
      assert.equal((await new Browser().begin(to)).status, 400, to)
    }
  })
})

describe('while the provider is away', () => {
  it('signing in says so, and works again when it is back', async () => {
    await setRules(rule('millers', 'viewer'))
    const browser = new Browser()
    const { url } = (await browser.begin()).json
    await provider.goAway()
    try {
      const state = new URL(url).searchParams.get('state')
      const path = `/api/session/oidc/callback?code=abc&state=${state}`
      const end = await browser.follow(server.url + path)
      const failed = new URL(end.url).searchParams.get('failed')
      assert.equal(failed, 'identity_provider_unreachable')
      const fresh = new Issuer(issuer.options)
      await assert.rejects(fresh.metadata(), { code: 'identity_provider_unreachable' })
    } finally {
      await provider.comeBack()
    }
    await browser.signIn('ben')
    assert.equal((await browser.ask('GET', '/api/session')).json.user.role, 'viewer')
  })
})
