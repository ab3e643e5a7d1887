/**
 * The third side of the table of permissions: tenants. Whoever is bound to one tenant asks every
 * route of the admin API for what another one has, and every road below `/v1/` is tried with every
 * scope. Routes are read from the document, so a new one that names something has to say here
 * whose it is.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Role, type Scope, scopes } from '../tenancy/index.ts'
import type { BatchView } from './contract.ts'
import { type Permission, permissionTable, v1EndpointAt, v1Endpoints } from './permissions.ts'
import { type Answer, openTestServer, type TestServer } from './test-server.ts'
import { queueEntry, type StandIns, standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
const password = 'correct horse battery'
const THEIRS = 'Zeppelin works'

interface Operation {
  method: string
  path: string
  permission: string
  query: string[]
}

let server: TestServer
let operations: Operation[]
let own: string
/** What the other tenant has, by the beginning of the path that names it; null: nobody's. */
let theirs: Record<string, string | null>
const cookies = new Map<Role, Record<string, string>>()

/** Roles that can be bound to tenants. */
const bound = ['member', 'viewer', 'finance'] as const

before(async () => {
  const waiting = () => [queueEntry({ tenantId: theirs['/api/tenants/{id}'] ?? '' })]
  server = await openTestServer(
    standIns({
      queue: { entries: (id) => waiting().filter((one) => one.tenantId === id), waiting: () => 1 },
      routes: {
        ...standIns().routes,
        current: () => ({ ...standIns().routes.current(), warnings: [`only for ${THEIRS}`] }),
        explain: async () => assert.fail('the routes of a tenant out of reach were explained'),
      },
      batches: {
        list: async ({ tenantIds }) => ({
          rows: [batchOfTheirs()].filter(({ tenantId }) => tenantIds?.includes(tenantId) ?? true),
          next: null,
        }),
        get: async () => batchOfTheirs(),
        cancel: async () => assert.fail('a batch that is out of reach was cancelled'),
      },
      budgets: budgetsOfTheirs(),
      credits: { book: async () => assert.fail('credit of a tenant out of reach was booked') },
      webhooks: {
        get: async () => ({ url: 'https://example.org', createdAt: new Date(0), deliveries: [] }),
        set: async () => assert.fail('the webhook of a tenant out of reach was set'),
        remove: async () => assert.fail('the webhook of a tenant out of reach was removed'),
      },
      traces: {
        get: async () => assert.fail('where traces of a tenant out of reach go was read'),
        set: async () => assert.fail('where traces of a tenant out of reach go was set'),
        remove: async () => assert.fail('where traces of a tenant out of reach go was removed'),
      },
    }),
  )
  own = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
  theirs = await makeTheirs()
  const { paths } = (await server.ask('GET', '/api/openapi.json')).json
  operations = Object.entries<Record<string, Document>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { 'x-permission': permission, parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      permission: permission.split(' ')[0] ?? '',
      query: parameters.filter((one) => one.in === 'query').map((one) => one.name),
    })),
  )
  for (const role of bound) cookies.set(role, await signIn(role))
})
after(() => server.close())

interface Document {
  'x-permission': string
  parameters?: { in: string; name: string }[]
}

async function makeTheirs(): Promise<Record<string, string | null>> {
  const { tenants, projects, keys, serviceAccounts } = server.tenancy
  const tenant = await tenants.create({ name: THEIRS }, actor)
  const project = await projects.create(tenant.id, { name: `hangar of ${THEIRS}` }, actor)
  const { key } = await keys.create(tenant.id, { name: `key of ${THEIRS}` }, actor)
  const account = await serviceAccounts.create(tenant.id, { name: `robot of ${THEIRS}` }, actor)
  const ids = { request: 'req_of_theirs', tenant: tenant.id, project: project.id, key: key.id }
  const { sql } = server.database
  await sql`
    insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
      service_class, estimated_input_tokens, output_tokens_max, arrived_at)
    values (${ids.request}, ${ids.tenant}, ${ids.project}, ${ids.key}, 'toy', 'chat', 'standard',
      1, 1, now())`
  await sql`insert into ledger_open (request_id) values (${ids.request})`
  const document = JSON.stringify({ tenantId: ids.tenant, tenantName: THEIRS })
  await sql`
    insert into ledger_statements (number, kind, tenant_id, from_at, to_at, document,
      previous_hash, hash, signature, public_key, closed_at, actor)
    values (1, 'statement', ${ids.tenant}, now(), now() + interval '1 day', ${document}, '', '',
      '', '', now(), 'system')`
  return {
    '/api/tenants/{id}': ids.tenant,
    '/api/projects/{id}': ids.project,
    '/api/keys/{id}': ids.key,
    '/api/service-accounts/{id}': account.id,
    '/api/batches/{id}': 'batch_of_theirs',
    '/api/requests/{id}': ids.request,
    '/api/statements/{number}': '1',
    '/api/ledger/reconciliations/{id}': null,
    '/api/users/{id}': null,
    '/api/engines/{id}': null,
    '/api/engine-keys/{id}': null,
    '/api/routes/versions/{id}': null,
    '/api/budgets/{id}': 'bud_of_theirs',
  }
}

function budgetsOfTheirs(): StandIns['budgets'] {
  const budget = () => ({ ...someBudget, tenantId: theirs['/api/tenants/{id}'] ?? '' })
  const standing = { subject: '', startMs: 0, endMs: Infinity, spent: 0n, leased: 0n }
  const isReached = () => assert.fail('a budget that is out of reach was changed')
  return {
    standings: async () => [],
    list: async (ids) => (ids === undefined ? [{ budget: budget(), ...standing }] : []),
    get: budget,
    create: isReached,
    change: isReached,
    end: isReached,
  }
}

const someBudget = {
  id: 'bud_of_theirs',
  name: `budget of ${THEIRS}`,
  projectId: null,
  keyId: null,
  endUser: null,
  unit: 'tokens',
  limit: 1n,
  period: 'total',
  isHard: true,
  clamps: false,
  isPrepaid: false,
  createdAt: new Date(0),
} as const

const batchOfTheirs = () =>
  ({ id: 'batch_of_theirs', tenantId: theirs['/api/tenants/{id}'] }) as BatchView

async function signIn(role: Role, tenantIds = [own]): Promise<Record<string, string>> {
  const email = `${role}-${tenantIds.length}@example.org`
  const invitation = { name: role, email, role, tenantIds }
  const invited = await server.ask('POST', '/api/users', { local: true, body: invitation })
  const token = new URL(invited.json.link).searchParams.get('token')
  const answer = await server.ask('POST', '/api/link', { body: { token, password } })
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  return { cookie, 'x-csrf-token': answer.json.csrfToken }
}

/** What stands in a path for the thing that it names; fails where nobody has said whose it is. */
function named(path: string): string | null {
  const found = Object.entries(theirs).find(
    ([root]) => path === root || path.startsWith(`${root}/`),
  )
  assert.ok(found, `${path} names something, and it is not said here whose that is`)
  return found[1]
}

const mayDo = (role: Role, permission: string) =>
  permission === 'signed-in' ||
  ((permissionTable[permission as Permission] ?? []) as readonly Role[]).includes(role)

/** Bodies that name the other tenant, for the routes that take one in it. */
function bodyFor({ method, path }: Operation): object | undefined {
  const tenantId = theirs['/api/tenants/{id}']
  if (path === '/api/keys') return method === 'POST' ? { tenantId } : undefined
  if (path === '/api/service-accounts' && method === 'POST') return { tenantId, name: 'mine' }
  if (path === '/api/budgets' && method === 'POST') {
    return { tenantId, name: 'b', unit: 'tokens', limit: '1', period: 'day' }
  }
  if (path === '/api/discounts' && method === 'POST') return { tenantId, from: '2026-12' }
  if (path === '/api/credits' && method === 'POST') {
    return { tenantId, kind: 'top_up', amount: '1', note: 'mine' }
  }
  if (path === '/api/ledger/comparison/engines') return { tenant: tenantId }
  if (path === '/api/keys/import') return { tenantId, sha256: '0'.repeat(64) }
  if (path.endsWith('/alerts')) {
    return method === 'PUT' ? { percents: [90], onForecast: true, emails: [] } : undefined
  }
  if (path.endsWith('/reopen')) return { reason: 'mine' }
  if (path.endsWith('/webhook') || path.endsWith('/traces')) {
    return method === 'PUT' ? { url: 'https://a.example' } : undefined
  }
  if (path.startsWith('/api/playground')) return { model: 'toy', messages: [] }
  return method === 'GET' || method === 'DELETE' ? undefined : {}
}

async function asksForTheirs(role: Role, operation: Operation): Promise<Answer> {
  const { method, path } = operation
  const id = path.includes('{') ? named(path) : null
  const url = new URL(path.replace(/\{\w+\}/, id ?? 'none'), server.url)
  if (operation.query.includes('tenant')) {
    url.searchParams.set('tenant', theirs['/api/tenants/{id}'] ?? '')
  }
  if (operation.query.includes('model')) url.searchParams.set('model', 'toy')
  const body = bodyFor(operation)
  const headers = { ...cookies.get(role), 'x-forwarded-for': '192.0.2.9' }
  return server.ask(method, url.pathname + url.search, { headers, ...(body && { body }) })
}

/** Whether what is asked for is the other tenant's, so that the answer must be that it is not. */
const isTheirs = (operation: Operation) =>
  operation.query.includes('tenant') ||
  ['/api/keys/import', '/api/ledger/comparison/engines'].includes(operation.path) ||
  ([
    '/api/keys',
    '/api/service-accounts',
    '/api/budgets',
    '/api/credits',
    '/api/discounts',
  ].includes(operation.path) &&
    operation.method === 'POST') ||
  (operation.path.includes('{') && named(operation.path) !== null)

/** Streams without an end, and what would end the session of those who ask. */
const isElsewhere = ({ method, path }: Operation) =>
  path === '/api/live' || (path === '/api/session' && method === 'DELETE')

async function hasNoneOfTheirs(role: Role, headers: Record<string, string>): Promise<void> {
  const lists = operations.filter(
    ({ method, path, permission }) =>
      method === 'GET' && !path.includes('{') && mayDo(role, permission),
  )
  for (const operation of lists.filter((one) => !isElsewhere(one))) {
    const { status, text } = await server.ask('GET', operation.path, { headers })
    const name = `${operation.path}: ${status} ${text}`
    assert.ok(status < 500, name)
    for (const id of Object.values(theirs)) {
      // A number may stand for anything.
      assert.ok(id === null || id === '1' || !text.includes(id), name)
    }
  }
}

describe('somebody bound to one tenant', () => {
  for (const role of bound) {
    it(`as ${role} does not see or change what another one has, on any route`, async () => {
      const asked = operations.filter((one) => mayDo(role, one.permission) && !isElsewhere(one))
      assert.ok(asked.length > 10)
      for (const operation of asked) {
        const answer = await asksForTheirs(role, operation)
        const name = `${operation.method} ${operation.path}: ${answer.status} ${answer.text}`
        assert.ok(answer.status < 500, name)
        assert.ok(!answer.text.includes(THEIRS), name)
        if (isTheirs(operation)) assert.equal(answer.status, 404, name)
      }
    })

    it(`as ${role} has only their own in lists that name no tenant`, () =>
      hasNoneOfTheirs(role, cookies.get(role) ?? {}))
  }

  it('of which none is left has nothing in lists', async () => {
    await hasNoneOfTheirs('member', await signIn('member', []))
  })

  it('has nothing on the mill floor of anybody else', async () => {
    const stop = new AbortController()
    const headers = cookies.get('member') ?? {}
    const response = await fetch(`${server.url}/api/live`, { headers, signal: stop.signal })
    const { value } = (await response.body?.getReader().read()) ?? {}
    stop.abort()
    assert.ok(!Buffer.from(value ?? []).includes(THEIRS))
  })
})

describe('the roads below /v1/', () => {
  const roads = [...v1Endpoints.keys(), '/v1/batches', '/v1/batches/b', '/v1/files', '/v1/files/f']
  const all = [...roads, '/v1/responses/r', '/v1/models/toy']

  it('are open to the scopes that the table names and to no other', async () => {
    for (const scope of scopes) {
      const granted = { scopes: [scope] satisfies Scope[] }
      const { secret: key } = await server.tenancy.keys.create(own, granted, actor)
      for (const path of all) {
        const endpoint = v1EndpointAt(path) ?? assert.fail(path)
        const method = endpoint.method ?? 'POST'
        const body = method === 'POST' ? { body: {} } : {}
        const { status } = await server.ask(method, path, { key, ...body })
        const expected = endpoint.scopes.includes(scope) ? 200 : 403
        assert.equal(status, expected, `${scope} at ${path}`)
      }
    }
  })

  it('lead nowhere else, whatever is asked for', async () => {
    const { secret: key } = await server.tenancy.keys.create(own, { scopes: [...scopes] }, actor)
    for (const path of [
      '/v1/',
      '/v1/batchesx',
      '/v1/admin',
      '/v1/tenants',
      '/v1/chat',
      '/v1/key',
    ]) {
      assert.equal((await server.ask('GET', path, { key })).status, 404, path)
    }
  })
})
