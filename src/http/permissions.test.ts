import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import {
  createLogger,
  createRegistry,
  readConfig,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { type Role, roles } from '../tenancy/index.ts'
import { createApp } from './app.ts'
import { clientAddress } from './client-address.ts'
import { type Permission, permissionTable } from './permissions.ts'
import type { HttpOptions } from './services.ts'
import { openTestServer, type TestServer } from './test-server.ts'
import { standIns } from './test-services.ts'

const actor = { name: 'system', from: 'local' }
const password = 'correct horse battery'

interface Operation {
  method: string
  path: string
  need: string
}

let server: TestServer
let operations: Operation[]
let tenantId: string
const headersOf = new Map<Role, Record<string, string>>()

before(async () => {
  server = await openTestServer()
  tenantId = (await server.tenancy.tenants.create({ name: 'Support' }, actor)).id
  const { paths } = (await server.ask('GET', '/api/openapi.json')).json
  operations = Object.entries<Record<string, Record<string, string>>>(paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, { 'x-permission': need = 'missing' }]) => ({
        method: method.toUpperCase(),
        path: path.replace(/\{\w+\}/g, 'none'),
        need,
      })),
  )
  for (const role of roles) headersOf.set(role, await signIn(role))
})
after(() => server.close())

async function signIn(role: Role): Promise<Record<string, string>> {
  const invitation = { name: role, email: `${role}@example.org`, role }
  const invited = await server.ask('POST', '/api/users', { local: true, body: invitation })
  const token = new URL(invited.json.link).searchParams.get('token')
  const answer = await server.ask('POST', '/api/link', { body: { token, password } })
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  return { cookie, 'x-csrf-token': answer.json.csrfToken }
}

/** As from another machine: a proxy on this one forwards it. */
const remote = { 'x-forwarded-for': '192.0.2.9' }

async function statusOf({ method, path }: Operation, headers: Record<string, string>) {
  const body = method === 'GET' || method === 'DELETE' ? {} : { body: {} }
  const abort = AbortSignal.timeout(5000)
  if (path === '/api/live') {
    const response = await fetch(server.url + path, { headers, signal: abort })
    await response.body?.cancel()
    return response.status
  }
  return (await server.ask(method, path, { headers, ...body })).status
}

/** Ends the session that it is tried with, so it is tried elsewhere. */
const endsSession = ({ method, path }: Operation) => method === 'DELETE' && path === '/api/session'

const isRefused = (status: number) => status === 401 || status === 403

describe('every route of the admin API', () => {
  it('is in the document and says what it needs', () => {
    const options = { ...standIns(), clock: systemClock, random: systemRandom, version: '0' }
    const rest = { limits: readConfig({}).limits, registry: createRegistry() }
    const tenancy = { tenants: {}, projects: {}, keys: {}, audit: {} }
    const logger = createLogger('silent', 'test')
    const all = { ...options, ...rest, tenancy, logger } as unknown as HttpOptions
    const parts = { address: clientAddress([]) } as Parameters<typeof createApp>[1]
    const listed = new Set(
      operations.map(({ method, path }) => `${method} ${path}`).concat('GET /api/openapi.json'),
    )
    const routes = createApp(all, parts).routes.filter(({ path }) => path !== '/*')
    assert.ok(routes.length > 40)
    for (const { method, path } of routes) {
      const name = `${method} ${path.replace(/:\w+/g, 'none')}`
      assert.ok(listed.has(name), `${name} is not in the document`)
    }
    const known = new Set([...Object.keys(permissionTable), 'public', 'signed-in'])
    for (const { method, path, need } of operations) {
      const isMetrics = path === '/metrics' && need.startsWith('metrics:read')
      assert.ok(known.has(need) || isMetrics, `${method} ${path} needs ${need}`)
    }
  })

  it('exists where the documents name it', () => {
    const listed = new Set(operations.map(({ method, path }) => `${method} ${path}`))
    listed.add('GET /api/openapi.json')
    const strange = globSync(['*.md', 'docs/*.md']).flatMap((file) => {
      const text = readFileSync(file, 'utf8').replaceAll(/\s+/g, ' ')
      const named = text.match(/\b(GET|POST|PUT|PATCH|DELETE) \/api[\w/{}.-]*/g) ?? []
      return named
        .map((name) => name.replaceAll(/\{\w+\}/g, 'none').replace(/[.]$/, ''))
        .filter((name) => !listed.has(name))
        .map((name) => `${file}: ${name}`)
    })
    assert.deepEqual(strange, [])
  })

  it('that is not public refuses whoever is not signed in', async () => {
    for (const operation of operations) {
      const status = await statusOf(operation, remote)
      const name = `${operation.method} ${operation.path}: ${status}`
      if (operation.need === 'public') assert.ok(status !== 403, name)
      else assert.equal(status, 401, name)
    }
  })

  for (const role of roles) {
    it(`lets a person with the role ${role} do what the table says and nothing else`, async () => {
      for (const operation of operations.filter((one) => !endsSession(one))) {
        const { method, path, need } = operation
        const status = await statusOf(operation, { ...headersOf.get(role), ...remote })
        const name = `${method} ${path}: ${status}`
        const permission = (need.split(' ')[0] ?? '') as Permission
        const mayDo = (permissionTable[permission] as readonly Role[] | undefined)?.includes(role)
        if (need === 'public' || need === 'signed-in') continue
        if (mayDo) assert.ok(!isRefused(status) && status < 500, `${role} may: ${name}`)
        else assert.equal(status, 403, `${role} may not: ${name}`)
      }
    })
  }

  it('refuses a key whose scopes do not reach it', async () => {
    const make = async (scopes: ('inference' | 'usage:read' | 'queue:read')[]) =>
      (await server.tenancy.keys.create(tenantId, { scopes }, actor)).secret
    const reach: [string, ReadonlySet<string>][] = [
      [await make(['inference']), new Set()],
      [await make(['usage:read']), new Set(['usage:read', 'requests:read'])],
      [await make(['queue:read']), new Set(['queue:read'])],
    ]
    for (const [key, granted] of reach) {
      for (const operation of operations) {
        const status = await statusOf(operation, { authorization: `Bearer ${key}`, ...remote })
        const name = `${operation.method} ${operation.path}: ${status}`
        if (operation.need === 'public') continue
        if (granted.has(operation.need)) assert.ok(!isRefused(status), name)
        else assert.equal(status, 403, name)
      }
    }
  })
})

describe('the document of the admin API', () => {
  it('is OpenAPI 3.1 whose references all lead somewhere', async () => {
    const { json, text } = await server.ask('GET', '/api/openapi.json')
    assert.match(json.openapi, /^3\.1\./)
    assert.ok(json.info.title && json.info.version)
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path ?? '')
    assert.ok(references.length > 10)
    for (const reference of new Set(references)) {
      const target = reference.split('/').reduce((node, part) => node?.[part], json)
      assert.ok(target, `#/${reference} leads nowhere`)
    }
    for (const [path, methods] of Object.entries<Record<string, { responses: object }>>(
      json.paths,
    )) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      for (const [method, operation] of Object.entries(methods)) {
        assert.ok(Object.keys(operation.responses).length > 0, `${method} ${path}`)
        const { parameters = [] } = operation as { parameters?: { in: string; name: string }[] }
        const declared = parameters.filter((one) => one.in === 'path').map((one) => one.name)
        assert.deepEqual(declared, named, `${method} ${path}`)
      }
    }
  })
})
