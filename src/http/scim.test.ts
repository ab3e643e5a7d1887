/** A directory that provisions people and groups, with the requests that Entra ID and Okta send. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { FakeClock, systemClock } from '../base/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'

const actor = { name: 'system', from: 'local' }
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
let server: TestServer
let clock: FakeClock
let key: string
let tenantId: string

before(async () => {
  clock = new FakeClock(systemClock.nowMs())
  server = await openTestServer({ clock })
})
after(() => server.close())
beforeEach(async () => {
  await server.database.reset()
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
  key = (await server.tenancy.keys.create(tenantId, { scopes: ['scim'] }, actor)).secret
})

const headers = { 'content-type': 'application/scim+json' }
const scim = (method: string, path: string, body?: object) =>
  server.ask(method, `/scim/v2${path}`, {
    key,
    headers,
    ...(body !== undefined && { body }),
  })
const local = async (method: string, path: string, body?: object) =>
  (await server.ask(method, path, { local: true, ...(body && { body }) })).json
const patch = (path: string, ...Operations: object[]) =>
  scim('PATCH', path, { schemas: [PATCH], Operations })
const setRules = (...rules: object[]) => local('PUT', '/api/access-rules', { rules })
const userNamed = async (email: string) =>
  (await local('GET', '/api/users')).rows.find((one: { email: string }) => one.email === email)

/** As Entra ID creates a user. */
const entraUser = (name: string, more: object = {}) => ({
  schemas: [USER, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'],
  externalId: `object-of-${name}`,
  userName: `${name}@example.org`,
  active: true,
  emails: [{ primary: true, type: 'work', value: `${name}@Example.org` }],
  meta: { resourceType: 'User' },
  name: { formatted: `${name} Miller`, familyName: 'Miller', givenName: name },
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'Milling' },
  ...more,
})

async function provision(name: string): Promise<string> {
  const made = await scim('POST', '/Users', entraUser(name))
  assert.equal(made.status, 201, made.text)
  return made.json.id
}

describe('somebody whom the directory provisions', () => {
  it('is there with name and address, and found by their user name', async () => {
    const made = await scim('POST', '/Users', entraUser('anna'))
    assert.equal(made.status, 201, made.text)
    assert.match(made.headers.get('content-type') ?? '', /^application\/scim\+json/)
    const { id, userName, externalId, active, emails, meta } = made.json
    assert.deepEqual(
      [userName, externalId, active, emails[0].value],
      ['anna@example.org', 'object-of-anna', true, 'anna@example.org'],
    )
    assert.equal(made.headers.get('location'), meta.location)
    assert.deepEqual((await scim('GET', `/Users/${id}`)).json, made.json)
    const found = await scim('GET', '/Users?filter=userName%20eq%20%22ANNA@example.org%22')
    assert.deepEqual([found.json.totalResults, found.json.Resources[0].id], [1, id])
    const nobody = await scim('GET', '/Users?filter=userName%20eq%20%22x%22')
    assert.deepEqual([nobody.json.totalResults, nobody.json.Resources], [0, []])
    const again = await scim('POST', '/Users', entraUser('anna'))
    assert.deepEqual([again.status, again.json.scimType], [409, 'uniqueness'])
  })

  it('has what the rules give to their groups, by name or by the directory’s own id', async () => {
    const anna = await provision('anna')
    const ben = await provision('ben')
    await setRules(
      { group: 'object-of-operators', role: 'operator', tenantIds: [] },
      { group: 'Support desk', role: 'member', tenantIds: [tenantId] },
    )
    assert.equal((await userNamed('anna@example.org')).state, 'no_rule')
    const group = (displayName: string, id: string, externalId: string) =>
      scim('POST', '/Groups', { displayName, externalId, members: [{ value: id }] })
    const desk = (await group('Support desk', anna, 'object-of-desk')).json
    assert.equal((await group('Operators', ben, 'object-of-operators')).status, 201)
    const one = await userNamed('anna@example.org')
    assert.deepEqual(
      [one.role, one.state, one.tenantIds, one.groups],
      ['member', 'active', [tenantId], ['Support desk']],
    )
    assert.equal((await userNamed('ben@example.org')).role, 'operator')
    await patch(`/Groups/${desk.id}`, { op: 'Add', path: 'members', value: [{ value: ben }] })
    assert.equal((await scim('GET', `/Groups/${desk.id}`)).json.members.length, 2)
    await patch(`/Groups/${desk.id}`, { op: 'remove', path: `members[value eq "${anna}"]` })
    assert.equal((await userNamed('anna@example.org')).state, 'no_rule')
    await patch(`/Groups/${desk.id}`, { op: 'replace', value: { displayName: 'Elsewhere' } })
    const [found] = (
      await scim('GET', '/Groups?filter=displayName eq "elsewhere"&excludedAttributes=members')
    ).json.Resources
    assert.deepEqual([found.id, 'members' in found], [desk.id, false])
    assert.equal((await scim('DELETE', `/Groups/${desk.id}`)).status, 204)
    assert.equal((await scim('GET', `/Groups/${desk.id}`)).status, 404)
  })

  it('is out at once when deactivated, and back with what the rules give now', async () => {
    const anna = await provision('anna')
    await setRules({ group: 'desk', role: 'viewer', tenantIds: [] })
    await scim('POST', '/Groups', { displayName: 'desk', members: [{ value: anna }] })
    const { sql } = server.database
    const begin = () => sql`
      insert into people_sessions (id, user_id, token, expires_at, created_at, updated_at)
      values ('s', ${anna}, 't', now() + interval '1 hour', now(), now())`
    const sessions = async () => (await sql`select 1 from people_sessions`).length
    for (const operation of [
      { op: 'Replace', path: 'active', value: 'False' },
      { op: 'replace', value: { active: false } },
    ]) {
      await begin()
      const changed = await patch(`/Users/${anna}`, operation)
      assert.deepEqual([changed.status, changed.json.active], [200, false])
      assert.equal(await sessions(), 0)
      assert.equal((await userNamed('anna@example.org')).state, 'deactivated')
      await patch(`/Users/${anna}`, { op: 'replace', value: { active: true } })
      assert.equal((await userNamed('anna@example.org')).state, 'active')
    }
    await begin()
    assert.equal((await scim('DELETE', `/Users/${anna}`)).status, 204)
    assert.equal(await sessions(), 0)
    assert.equal(await userNamed('anna@example.org'), undefined)
  })

  it('is changed as a whole or in parts', async () => {
    const anna = await provision('anna')
    const put = await scim('PUT', `/Users/${anna}`, entraUser('anna', { displayName: 'Anna B.' }))
    assert.equal(put.json.displayName, 'Anna B.')
    const path = 'emails[type eq "work"].value'
    await patch(`/Users/${anna}`, { op: 'Replace', path, value: 'anna.b@example.org' })
    assert.equal((await userNamed('anna.b@example.org')).name, 'Anna B.')
  })

  it('takes over somebody invited, but never the break-glass owner', async () => {
    const body = { name: 'Anna', email: 'anna@example.org', role: 'operator' }
    const { id } = await local('POST', '/api/users', body)
    assert.equal(await provision('anna'), id)
    assert.equal((await userNamed('anna@example.org')).origin, 'directory')
    const token = new URL(await server.http.ownerLink()).searchParams.get('token')
    const owner = { token, name: 'Eve', email: 'eve@example.org', password: 'a long password' }
    await server.ask('POST', '/api/link', { body: owner })
    assert.equal((await scim('POST', '/Users', entraUser('eve'))).status, 409)
    assert.equal((await userNamed('eve@example.org')).role, 'owner')
  })
})

describe('a directory that asks', () => {
  it('pages from one on', async () => {
    for (const name of ['a', 'b', 'c']) {
      clock.advance(1)
      await provision(name)
    }
    const page = (await scim('GET', '/Users?startIndex=2&count=1')).json
    assert.deepEqual(
      [page.totalResults, page.startIndex, page.itemsPerPage, page.Resources[0].userName],
      [3, 2, 1, 'b@example.org'],
    )
    assert.equal((await scim('GET', '/Users?count=0')).json.totalResults, 3)
  })

  it('learns what the service can do', async () => {
    const config = (await scim('GET', '/ServiceProviderConfig')).json
    assert.deepEqual([config.patch.supported, config.bulk.supported], [true, false])
    const types = (await scim('GET', '/ResourceTypes')).json.Resources
    assert.deepEqual(
      types.map(({ endpoint }: { endpoint: string }) => endpoint),
      ['/Users', '/Groups'],
    )
    assert.equal((await scim('GET', '/Schemas')).json.totalResults, 2)
  })

  it('gets its errors in SCIM’s shape', async () => {
    const missing = await scim('GET', '/Users/usr_none')
    assert.deepEqual(
      [missing.status, missing.json.status, missing.json.schemas],
      [404, '404', ['urn:ietf:params:scim:api:messages:2.0:Error']],
    )
    const filter = await scim('GET', '/Users?filter=userName sw "a"')
    assert.deepEqual([filter.status, filter.json.scimType], [400, 'invalidFilter'])
    const broken = await server.ask('POST', '/scim/v2/Users', { key, headers, body: '{' })
    assert.deepEqual([broken.status, broken.json.scimType], [400, 'invalidSyntax'])
    const nameless = await scim('POST', '/Users', { emails: [] })
    assert.deepEqual([nameless.status, nameless.json.scimType], [400, 'invalidValue'])
    const member = { displayName: 'x', members: [{ value: 'usr_none' }] }
    assert.equal((await scim('POST', '/Groups', member)).status, 400)
    const anonymous = await server.ask('GET', '/scim/v2/Users')
    assert.deepEqual([anonymous.status, anonymous.json.status], [401, '401'])
  })

  it('needs a key with the scope scim, which only an owner can make', async () => {
    const admin = await server.tenancy.keys.create(tenantId, { scopes: ['admin'] }, actor)
    const ask = (method: string, path: string, body?: object) =>
      server.ask(method, path, { key: admin.secret, ...(body && { body }) })
    assert.equal((await ask('GET', '/scim/v2/Users')).status, 403)
    assert.equal((await ask('POST', '/api/keys', { tenantId, scopes: ['scim'] })).status, 403)
    const rows = (await local('GET', '/api/keys')).rows as { id: string; scopes: string[] }[]
    const own = rows.find(({ scopes }) => scopes.includes('scim'))
    assert.equal((await ask('POST', `/api/keys/${own?.id}/rotate`, {})).status, 403)
    assert.equal((await server.ask('GET', '/api/users', { key })).status, 403)
  })
})
