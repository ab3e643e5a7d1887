import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { FakeClock, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { type Answer, openTestServer, type TestServer } from './test-server.ts'

const password = 'correct horse battery'
let server: TestServer
let clock: FakeClock

before(async () => {
  clock = new FakeClock(systemClock.nowMs())
  server = await openTestServer({ clock })
})
after(() => server.close())
beforeEach(async () => {
  await server.database.reset()
  clock.advance(3_600_000)
})

/** A browser: keeps its cookie and sends the CSRF token with changes. */
class Browser {
  cookie = ''
  csrf = ''

  async ask(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
    const own = { cookie: this.cookie, 'x-csrf-token': this.csrf, origin: server.url }
    const options = { headers: { ...own, ...headers }, ...(body !== undefined && { body }) }
    const answer = await server.ask(method, path, options)
    const [cookie] = answer.headers.getSetCookie()
    if (cookie) this.cookie = cookie.split(';')[0] ?? ''
    if (answer.json?.csrfToken !== undefined) this.csrf = answer.json.csrfToken
    return answer
  }
}

const tokenOf = (link: string) => new URL(link).searchParams.get('token') ?? ''

async function makeOwner(): Promise<Browser> {
  const browser = new Browser()
  const token = tokenOf(await server.http.ownerLink())
  const body = { token, name: 'Anna', email: 'Anna@example.org', password }
  assert.equal((await browser.ask('POST', '/api/link', body)).status, 200)
  return browser
}

describe('the first run', () => {
  it('makes the owner by a one-time link, signed in from then on', async () => {
    assert.equal((await server.ask('GET', '/api/session')).json.firstRun, true)
    const link = await server.http.ownerLink()
    assert.match(link, /\/first-run\?token=[\w-]{43}$/)
    const seen = await server.ask('GET', `/api/link?token=${tokenOf(link)}`)
    assert.equal(seen.json.kind, 'owner')
    const browser = await makeOwner()
    const { user, firstRun, permissions } = (await browser.ask('GET', '/api/session')).json
    assert.equal(user.email, 'anna@example.org')
    assert.equal(user.role, 'owner')
    assert.equal(firstRun, false)
    assert.ok(permissions.includes('users:write'))
    assert.equal(await server.http.isFirstRun(), false)
  })

  it('works once, also when two use the link at the same moment', async () => {
    const token = tokenOf(await server.http.ownerLink())
    const use = (email: string) => {
      const body = { token, name: 'Anna', email, password }
      return server.ask('POST', '/api/link', { body })
    }
    const statuses = (await Promise.all([use('a@example.org'), use('b@example.org')])).map(
      (answer) => answer.status,
    )
    assert.deepEqual(new Set(statuses), new Set([200, 410]))
    assert.equal((await use('c@example.org')).json.error.code, 'link_invalid')
  })

  it('ends the link after a day, and an older link when a newer is made', async () => {
    const old = tokenOf(await server.http.ownerLink())
    const fresh = tokenOf(await server.http.ownerLink())
    assert.equal((await server.ask('GET', `/api/link?token=${old}`)).status, 410)
    assert.equal((await server.ask('GET', `/api/link?token=${fresh}`)).status, 200)
    clock.advance(24 * 3_600_000)
    assert.equal((await server.ask('GET', `/api/link?token=${fresh}`)).status, 410)
  })

  it('refuses a password that is too short, and the link still works', async () => {
    const token = tokenOf(await server.http.ownerLink())
    const body = { token, name: 'Anna', email: 'a@example.org', password: 'short' }
    const answer = await server.ask('POST', '/api/link', { body })
    assert.equal(answer.json.error.param, 'password')
    assert.equal((await server.ask('GET', `/api/link?token=${token}`)).status, 200)
  })
})

describe('signing in', () => {
  it('needs the right password, whatever the case of the address', async () => {
    await makeOwner()
    const browser = new Browser()
    const email = 'ANNA@example.org'
    const wrong = await browser.ask('POST', '/api/session', { email, password: 'wrong password' })
    assert.equal(wrong.status, 401)
    assert.equal(wrong.json.error.code, 'login_failed')
    const unknown = { email: 'nobody@example.org', password }
    const nobody = await browser.ask('POST', '/api/session', unknown)
    const strip = (answer: Answer) => ({ ...answer.json.error, request_id: '' })
    assert.deepEqual(strip(nobody), strip(wrong), 'it must not tell who exists')
    assert.equal((await browser.ask('POST', '/api/session', { email, password })).status, 200)
  })

  it('gives a cookie that no script and no other site can use', async () => {
    await makeOwner()
    const body = { email: 'anna@example.org', password }
    const answer = await server.ask('POST', '/api/session', { body })
    const [cookie = ''] = answer.headers.getSetCookie()
    assert.match(cookie, /HttpOnly/i)
    assert.match(cookie, /SameSite=Strict/i)
    assert.match(cookie, /Path=\//i)
  })

  it('ends with signing out, also for a copy of the cookie', async () => {
    const browser = await makeOwner()
    const { cookie } = browser
    assert.equal((await browser.ask('DELETE', '/api/session')).status, 200)
    const copy = await server.ask('GET', '/api/tenants', { headers: { cookie } })
    assert.equal(copy.status, 401)
  })

  it('forgets sessions that have ended, though nobody comes with them again', async () => {
    await makeOwner()
    const { sql } = server.database
    await sql`update people_sessions set expires_at = ${new Date(clock.nowMs() - 1)}`
    const body = { email: 'anna@example.org', password }
    assert.equal((await server.ask('POST', '/api/session', { body })).status, 200)
    await eventually(
      'one session',
      async () => (await sql`select from people_sessions`).length === 1,
    )
  })

  it('does not fail because they cannot be forgotten', async () => {
    await makeOwner()
    const { sql } = server.database
    await sql`
      create function refuse() returns trigger language plpgsql
      as $$ begin raise exception 'not now'; end $$`
    await sql`create trigger refuse before delete on people_sessions execute function refuse()`
    try {
      const body = { email: 'anna@example.org', password }
      const answer = await server.ask('POST', '/api/session', { body })
      assert.equal(answer.status, 200, answer.text)
    } finally {
      await sql`drop function refuse cascade`
    }
  })

  it('is not possible with a forged or changed cookie', async () => {
    const browser = await makeOwner()
    for (const cookie of [`${browser.cookie}x`, 'gristmill.session_token=abc.def', 'a=b']) {
      const answer = await server.ask('GET', '/api/tenants', { headers: { cookie } })
      assert.equal(answer.status, 401)
    }
  })

  it('is slowed down per account and per address, and recovers', async () => {
    await makeOwner()
    const attempt = (email: string, given: string) =>
      server.ask('POST', '/api/session', { body: { email, password: given } })
    const guesses = Array.from({ length: 14 }, () => attempt('anna@example.org', 'wrong guess'))
    const statuses = (await Promise.all(guesses)).map((answer) => answer.status)
    assert.equal(statuses.filter((status) => status === 401).length, 10)
    const refused = await attempt('anna@example.org', password)
    assert.equal(refused.status, 429)
    assert.ok(Number(refused.headers.get('retry-after')) > 60)
    const others = Array.from({ length: 40 }, (_, i) => attempt(`u${i}@example.org`, 'wrong guess'))
    const answers = await Promise.all(others)
    assert.ok(answers.some((answer) => answer.status === 429))
    clock.advance(16 * 60_000)
    assert.equal((await attempt('anna@example.org', password)).status, 200)
  })

  it('with a new password ends every other session', async () => {
    const browser = await makeOwner()
    const other = new Browser()
    await other.ask('POST', '/api/session', { email: 'anna@example.org', password })
    const change = (current: string) =>
      browser.ask('POST', '/api/session/password', { current, next: 'another long password' })
    assert.equal((await change('not my password')).json.error.code, 'login_failed')
    assert.equal((await change(password)).status, 200)
    assert.equal((await browser.ask('GET', '/api/tenants')).status, 200)
    assert.equal((await other.ask('GET', '/api/tenants')).status, 401)
  })
})

describe('a change by somebody signed in', () => {
  it('needs the CSRF token of this session', async () => {
    const browser = await makeOwner()
    const body = { name: 'Support' }
    for (const token of ['', 'wrong', browser.csrf.slice(1)]) {
      const answer = await browser.ask('POST', '/api/tenants', body, { 'x-csrf-token': token })
      assert.equal(answer.status, 403)
      assert.equal(answer.json.error.code, 'csrf_token_invalid')
    }
    const other = new Browser()
    await other.ask('POST', '/api/session', { email: 'anna@example.org', password })
    const stolen = { 'x-csrf-token': other.csrf }
    assert.equal((await browser.ask('POST', '/api/tenants', body, stolen)).status, 403)
    assert.equal((await browser.ask('POST', '/api/tenants', body)).status, 201)
  })

  it('must come from our own pages', async () => {
    const browser = await makeOwner()
    for (const origin of ['https://evil.example', 'null', `${server.url}1`]) {
      const answer = await browser.ask('POST', '/api/tenants', { name: 'x' }, { origin })
      assert.equal(answer.json.error.code, 'bad_origin')
    }
    const login = { email: 'anna@example.org', password }
    const foreign = { origin: 'https://evil.example' }
    const answer = await new Browser().ask('POST', '/api/session', login, foreign)
    assert.equal(answer.json.error.code, 'bad_origin')
    const other = await browser.ask(
      'POST',
      '/api/tenants',
      { name: 'x' },
      {
        'sec-fetch-site': 'cross-site',
      },
    )
    assert.equal(other.status, 403)
  })

  it('is in the audit log under their name', async () => {
    const browser = await makeOwner()
    await browser.ask('POST', '/api/tenants', { name: 'Support' })
    const [row] = (await browser.ask('GET', '/api/audit')).json.rows
    assert.equal(row.action, 'tenant.create')
    assert.equal(row.actor, 'user:anna@example.org')
  })
})

describe('people', () => {
  it('are invited with a role and tenants, and set their own password', async () => {
    const owner = await makeOwner()
    const tenant = (await owner.ask('POST', '/api/tenants', { name: 'Support' })).json
    await owner.ask('POST', '/api/tenants', { name: 'Sales' })
    const invitation = { name: 'Ben', email: 'ben@example.org', role: 'member' }
    const invited = await owner.ask('POST', '/api/users', { ...invitation, tenantIds: [tenant.id] })
    assert.equal(invited.status, 201)
    const ben = new Browser()
    const token = tokenOf(invited.json.link)
    const seen = (await ben.ask('GET', `/api/link?token=${token}`)).json
    assert.deepEqual([seen.kind, seen.email], ['invite', 'ben@example.org'])
    const { json } = await ben.ask('POST', '/api/link', { token, password })
    assert.equal(json.user.role, 'member')
    const { rows } = (await ben.ask('GET', '/api/tenants')).json
    assert.deepEqual(
      rows.map((row: { name: string }) => row.name),
      ['Support'],
    )
    const key = await ben.ask('POST', '/api/keys', { tenantId: tenant.id })
    assert.equal(key.status, 201)
    const escalation = { tenantId: tenant.id, scopes: ['admin'] }
    assert.equal((await ben.ask('POST', '/api/keys', escalation)).status, 403)
    const tagged = { tenantId: tenant.id, tags: ['eu'] }
    assert.equal((await ben.ask('POST', '/api/keys', tagged)).status, 403)
    const own = (await owner.ask('POST', '/api/keys', tagged)).json
    assert.deepEqual(own.tags, ['eu'])
    const change = (body: object) => ben.ask('PATCH', `/api/keys/${own.id}`, body)
    assert.equal((await change({ tags: [] })).status, 403)
    assert.deepEqual((await change({ name: 'mine', tags: ['eu'] })).json.tags, ['eu'])
  })

  it('do not see or change what belongs to other tenants', async () => {
    const owner = await makeOwner()
    const mine = (await owner.ask('POST', '/api/tenants', { name: 'Support' })).json
    const theirs = (await owner.ask('POST', '/api/tenants', { name: 'Sales' })).json
    const key = (await owner.ask('POST', '/api/keys', { tenantId: theirs.id })).json
    const invitation = { name: 'Ben', email: 'ben@example.org', role: 'member' }
    const invited = await owner.ask('POST', '/api/users', { ...invitation, tenantIds: [mine.id] })
    const ben = new Browser()
    await ben.ask('POST', '/api/link', { token: tokenOf(invited.json.link), password })
    const attempts: [string, string, unknown?][] = [
      ['GET', `/api/tenants/${theirs.id}`],
      ['GET', `/api/tenants/${theirs.id}/projects`],
      ['GET', `/api/keys/${key.id}`],
      ['GET', `/api/keys?tenant=${theirs.id}`],
      ['POST', '/api/keys', { tenantId: theirs.id }],
      ['PATCH', `/api/keys/${key.id}`, { name: 'mine' }],
      ['POST', `/api/keys/${key.id}/rotate`, {}],
      ['DELETE', `/api/keys/${key.id}`],
    ]
    for (const [method, path, body] of attempts) {
      const answer = await ben.ask(method, path, body)
      assert.equal(answer.status, 404, `${method} ${path}`)
    }
    assert.deepEqual((await ben.ask('GET', '/api/keys')).json.rows, [])
  })

  it('lose what their role gave them at once, and their sessions when removed', async () => {
    const owner = await makeOwner()
    const invitation = { name: 'Ben', email: 'ben@example.org', role: 'operator' }
    const invited = (await owner.ask('POST', '/api/users', invitation)).json
    const ben = new Browser()
    await ben.ask('POST', '/api/link', { token: tokenOf(invited.link), password })
    assert.equal((await ben.ask('POST', '/api/tenants', { name: 'A' })).status, 201)
    await owner.ask('PATCH', `/api/users/${invited.id}`, { role: 'viewer' })
    assert.equal((await ben.ask('POST', '/api/tenants', { name: 'B' })).status, 403)
    await owner.ask('DELETE', `/api/users/${invited.id}`)
    assert.equal((await ben.ask('GET', '/api/tenants')).status, 401)
  })

  it('always include an owner', async () => {
    const owner = await makeOwner()
    const { user } = (await owner.ask('GET', '/api/session')).json
    const demoted = await owner.ask('PATCH', `/api/users/${user.id}`, { role: 'viewer' })
    assert.equal(demoted.json.error.code, 'conflict')
    assert.equal((await owner.ask('DELETE', `/api/users/${user.id}`)).status, 409)
    assert.equal((await owner.ask('GET', '/api/users')).status, 200)
  })

  it('who forgot their password get in again by a new link from the command line', async () => {
    const old = await makeOwner()
    const made = await server.ask('POST', '/api/link/owner', { local: true })
    const token = tokenOf(made.json.link)
    const body = { token, name: 'Anna', email: 'anna@example.org', password: 'a new password' }
    const browser = new Browser()
    assert.equal((await browser.ask('POST', '/api/link', body)).status, 200)
    assert.equal((await browser.ask('GET', '/api/users')).json.rows.length, 1)
    assert.equal((await old.ask('GET', '/api/users')).status, 401)
  })
})

describe('while the database is away', () => {
  it('somebody signed in gets a clean 503 instead of being signed out', async () => {
    const browser = await makeOwner()
    const { sql } = server.database
    await sql`alter table people_sessions rename to people_sessions_away`
    try {
      const answer = await browser.ask('GET', '/api/tenants')
      assert.equal(answer.status, 503)
      assert.equal(answer.json.error.code, 'not_ready')
    } finally {
      await sql`alter table people_sessions_away rename to people_sessions`
    }
    assert.equal((await browser.ask('GET', '/api/tenants')).status, 200)
  })
})
