/** What people who are bound to a tenant may not do in it, since it is not only theirs. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Role, Scope } from '../tenancy/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
const password = 'correct horse battery'
const SECRET_URL = 'https://hooks.example.org/T0/secret?token=1'
const at = new Date(0)

let server: TestServer
let tenantId: string
const people = new Map<Role, Record<string, string>>()

before(async () => {
  const asDone = async () => undefined
  const destination = { url: SECRET_URL, headerNames: [], withPrompts: false }
  server = await openTestServer(
    standIns({
      webhooks: {
        get: async () => ({ url: SECRET_URL, createdAt: at, deliveries: [] }),
        set: async () => ({ secret: '' }),
        remove: asDone,
      },
      traces: {
        get: async () => ({ ...destination, createdAt: at, changedAt: at }),
        set: asDone,
        remove: asDone,
      },
    }),
  )
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
  for (const role of ['operator', 'member', 'viewer', 'finance'] as const) {
    people.set(role, await signIn(role))
  }
})
after(() => server.close())

async function signIn(role: Role): Promise<Record<string, string>> {
  const invitation = { name: role, email: `${role}@example.org`, role, tenantIds: [tenantId] }
  const invited = await server.ask('POST', '/api/users', { local: true, body: invitation })
  const token = new URL(invited.json.link).searchParams.get('token')
  const answer = await server.ask('POST', '/api/link', { body: { token, password } })
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  return { cookie, 'x-csrf-token': answer.json.csrfToken, 'x-forwarded-for': '192.0.2.9' }
}

const as = (role: Role, method: string, path: string, body?: object) =>
  server.ask(method, path, { headers: people.get(role) ?? {}, ...(body && { body }) })

const makeKey = async (input: { scopes?: Scope[]; tags?: string[]; serviceAccountId?: string }) =>
  (await server.tenancy.keys.create(tenantId, input, actor)).key.id

describe('a key of the tenant', () => {
  it('that has tags gives its secret to no member, who may end it', async () => {
    const tagged = await makeKey({ tags: ['trial'] })
    const refused = await as('member', 'POST', `/api/keys/${tagged}/rotate`, {})
    assert.equal(refused.status, 403, refused.text)
    const plain = await as('member', 'POST', `/api/keys/${await makeKey({})}/rotate`, {})
    assert.equal(plain.status, 200, plain.text)
    assert.equal((await as('operator', 'POST', `/api/keys/${tagged}/rotate`, {})).status, 200)
    assert.equal((await as('member', 'DELETE', `/api/keys/${tagged}`)).status, 204)
  })

  for (const scope of ['admin', 'scim'] as const) {
    it(`of the scope ${scope} is ended by no member, alone or with its account`, async () => {
      const key = await makeKey({ scopes: [scope] })
      assert.equal((await as('member', 'DELETE', `/api/keys/${key}`)).status, 403)
      assert.equal((await as('operator', 'DELETE', `/api/keys/${key}`)).status, 204)

      const { serviceAccounts } = server.tenancy
      const { id } = await serviceAccounts.create(tenantId, { name: `for ${scope}` }, actor)
      await makeKey({ scopes: [scope], serviceAccountId: id })
      const path = `/api/service-accounts/${id}`
      assert.equal((await as('member', 'PATCH', path, { isDisabled: true })).status, 403)
      assert.equal((await as('member', 'PATCH', path, { name: `named ${scope}` })).status, 200)
      assert.equal((await as('member', 'DELETE', path)).status, 403)
      assert.equal((await as('operator', 'DELETE', path)).status, 204)
    })
  }
})

describe('an address that messages of the tenant go to', () => {
  for (const what of ['webhook', 'traces']) {
    it(`of ${what} is whole for those who can set it; others see where it leads`, async () => {
      const seen = async (role: Role) => {
        const answer = await as(role, 'GET', `/api/tenants/${tenantId}/${what}`)
        assert.equal(answer.status, 200, answer.text)
        return answer.json.url
      }
      assert.equal(await seen('member'), SECRET_URL)
      for (const role of ['viewer', 'finance'] as const) {
        assert.equal(await seen(role), 'https://hooks.example.org')
      }
    })
  }
})
