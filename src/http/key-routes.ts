/** Routes for keys; a secret is in an answer once, when it is made. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { type Key, keyChange, keyInput, rotation, type Scope, sha256Hex } from '../tenancy/index.ts'
import type { Access } from './access.ts'
import {
  type Api,
  answer,
  body,
  checkReach,
  idParam,
  mapPage,
  needs,
  nothing,
  pageFrom,
  pageOfSchema,
  pageQuery,
  schemas,
  tenantsInReach,
} from './api.ts'
import type { KeyView } from './contract.ts'
import type { HttpOptions } from './services.ts'

const tags = ['keys']
const tenantId = z.string().min(1).max(100)

const listKeys = createRoute({
  ...needs('keys:read'),
  tags,
  method: 'get',
  path: '/api/keys',
  summary: 'Keys within reach, newest first, revoked ones included',
  request: {
    query: z.object({
      tenant: tenantId.optional(),
      project: z.string().max(100).optional(),
      ...pageQuery,
    }),
  },
  responses: { 200: answer('A page of keys.', pageOfSchema(schemas.key)) },
})

const createKey = createRoute({
  ...needs('keys:write'),
  tags,
  method: 'post',
  path: '/api/keys',
  summary: 'Create a key; the answer is the only place its secret is ever shown',
  request: { body: body(keyInput.extend({ tenantId })) },
  responses: { 201: answer('The key with its secret.', schemas.keyCreated) },
})

const importKey = createRoute({
  ...needs('keys:write'),
  tags,
  method: 'post',
  path: '/api/keys/import',
  summary: 'Let a key of another gateway work here, by the SHA-256 of the whole key',
  request: { body: body(keyInput.extend({ tenantId, sha256: sha256Hex })) },
  responses: { 201: answer('The key.', schemas.key) },
})

const readKey = createRoute({
  ...needs('keys:read'),
  tags,
  method: 'get',
  path: '/api/keys/{id}',
  summary: 'One key',
  request: { params: idParam },
  responses: { 200: answer('The key.', schemas.key) },
})

const changeKey = createRoute({
  ...needs('keys:write'),
  tags,
  method: 'patch',
  path: '/api/keys/{id}',
  summary: 'Change a key; fields that are not named stay',
  request: { params: idParam, body: body(keyChange) },
  responses: { 200: answer('The key as it is now.', schemas.key) },
})

const rotateKey = createRoute({
  ...needs('keys:write'),
  tags,
  method: 'post',
  path: '/api/keys/{id}/rotate',
  summary: 'Give a key a new secret; the old one goes on working for the overlap',
  request: { params: idParam, body: body(rotation) },
  responses: { 200: answer('The key with its new secret.', schemas.keyCreated) },
})

const revokeKey = createRoute({
  ...needs('keys:write'),
  tags,
  method: 'delete',
  path: '/api/keys/{id}',
  summary: 'Revoke a key at once and for ever',
  request: { params: idParam },
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function keyRoutes(api: Api, { tenancy, limits }: HttpOptions): void {
  const { keys } = tenancy
  /** The key, if it is within reach. */
  const reached = async (access: Access, id: string) => {
    const key = await keys.get(id)
    checkReach(access, key.tenantId, 'key', id)
    return key
  }

  api.openapi(listKeys, async (c) => {
    const query = c.req.valid('query')
    const within = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const filter = { projectId: query.project, withinTenantIds: within }
    const page = await keys.list(filter, pageFrom(query, limits))
    return c.json(mapPage(page, keyView), 200)
  })
  api.openapi(createKey, async (c) => {
    const { tenantId: id, ...input } = c.req.valid('json')
    checkGrant(c.get('access'), id, input.scopes)
    const { key, secret } = await keys.create(id, input, c.get('access').actor)
    return c.json({ ...keyView(key), key: secret }, 201)
  })
  api.openapi(importKey, async (c) => {
    const { tenantId: id, sha256, ...input } = c.req.valid('json')
    checkGrant(c.get('access'), id, input.scopes)
    const key = await keys.importHash(id, sha256, input, c.get('access').actor)
    return c.json(keyView(key), 201)
  })
  api.openapi(readKey, async (c) =>
    c.json(keyView(await reached(c.get('access'), c.req.valid('param').id)), 200),
  )
  api.openapi(changeKey, async (c) => {
    const access = c.get('access')
    const key = await reached(access, c.req.valid('param').id)
    const change = c.req.valid('json')
    checkGrant(access, key.tenantId, change.scopes, key)
    return c.json(keyView(await keys.change(key.id, change, access.actor)), 200)
  })
  keyEndRoutes(api, tenancy.keys, reached)
}

function keyEndRoutes(
  api: Api,
  keys: HttpOptions['tenancy']['keys'],
  reached: (access: Access, id: string) => Promise<Key>,
): void {
  api.openapi(rotateKey, async (c) => {
    const access = c.get('access')
    const { id, tenantId: owner, scopes } = await reached(access, c.req.valid('param').id)
    checkGrant(access, owner, scopes)
    const { key, secret } = await keys.rotate(id, c.req.valid('json'), access.actor)
    return c.json({ ...keyView(key), key: secret }, 200)
  })
  api.openapi(revokeKey, async (c) => {
    const access = c.get('access')
    const { id } = await reached(access, c.req.valid('param').id)
    await keys.revoke(id, access.actor)
    return c.body(null, 204)
  })
}

/**
 * Nobody may make a key that can do more than themselves: `admin` reaches every tenant, so it is
 * not for those who are bound to some.
 * @throws GristmillError `forbidden`, `not_found`
 */
function checkGrant(
  access: Access,
  tenant: string,
  scopes: readonly Scope[] | undefined,
  existing?: Key,
): void {
  checkReach(access, tenant, 'tenant', tenant)
  const isAdmin = scopes?.includes('admin') || existing?.scopes.includes('admin')
  if (!isAdmin || access.permissions.has('tenants:write')) return
  const action = 'make or change keys with the scope admin'
  throw new GristmillError('forbidden', { actor: access.actor.name, action })
}

function keyView(key: Key): KeyView {
  return {
    ...key,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  }
}
