/** Routes for keys; a secret is in an answer once, when it is made. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { type Key, keyChange, keyInput, rotation, type Scope, sha256Hex } from '../tenancy/index.ts'
import type { Access } from './access.ts'
import {
  type Api,
  answer,
  body,
  checkEndOfAll,
  checkReach,
  idParam,
  mapPage,
  needs,
  pageFrom,
  schemas,
  tenantsInReach,
} from './api.ts'
import type { KeyView } from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const shapes = new RouteShapes('keys', 'keys:read', 'keys:write')
const tenantId = z.string().min(1).max(100)
const filters = { tenant: tenantId.optional(), project: z.string().max(100).optional() }

const rotateKey = createRoute({
  ...needs('keys:write'),
  tags: ['keys'],
  method: 'post',
  path: '/api/keys/{id}/rotate',
  summary: 'Give a key a new secret; the old one goes on working for the overlap',
  request: { params: idParam, body: body(rotation) },
  responses: { 200: answer('The key with its new secret.', schemas.keyCreated) },
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

  api.openapi(
    shapes.list(
      '/api/keys',
      'Keys within reach, newest first, revoked ones too',
      schemas.key,
      filters,
    ),
    async (c) => {
      const query = c.req.valid('query')
      const within = tenantsInReach(c.get('access'), query.tenant) ?? undefined
      const filter = { projectId: query.project, withinTenantIds: within }
      const page = await keys.list(filter, pageFrom(query, limits))
      return c.json(mapPage(page, keyView), 200)
    },
  )
  api.openapi(shapes.read('/api/keys/{id}', 'One key', schemas.key), async (c) =>
    c.json(keyView(await reached(c.get('access'), c.req.valid('param').id)), 200),
  )
  api.openapi(
    shapes.change('/api/keys/{id}', 'Change a key', keyChange, schemas.key),
    async (c) => {
      const access = c.get('access')
      const key = await reached(access, c.req.valid('param').id)
      const input = c.req.valid('json')
      checkGrant(access, key.tenantId, input, key)
      return c.json(keyView(await keys.change(key.id, input, access.actor)), 200)
    },
  )
  newKeyRoutes(api, keys)
  keyEndRoutes(api, keys, reached)
}

type Keys = HttpOptions['tenancy']['keys']

function newKeyRoutes(api: Api, keys: Keys): void {
  const createSummary = 'Create a key; the answer is the only place its secret is ever shown'
  const newKey = keyInput.extend({ tenantId })
  api.openapi(shapes.create('/api/keys', createSummary, newKey, schemas.keyCreated), async (c) => {
    const { tenantId: id, ...input } = c.req.valid('json')
    checkGrant(c.get('access'), id, input)
    const { key, secret } = await keys.create(id, input, c.get('access').actor)
    return c.json({ ...keyView(key), key: secret }, 201)
  })
  const importSummary = 'Let a key of another gateway work here, by the SHA-256 of the whole key'
  const movedKey = newKey.extend({ sha256: sha256Hex })
  api.openapi(
    shapes.create('/api/keys/import', importSummary, movedKey, schemas.key),
    async (c) => {
      const { tenantId: id, sha256, ...input } = c.req.valid('json')
      checkGrant(c.get('access'), id, input)
      const key = await keys.importHash(id, sha256, input, c.get('access').actor)
      return c.json(keyView(key), 201)
    },
  )
}

function keyEndRoutes(
  api: Api,
  keys: Keys,
  reached: (access: Access, id: string) => Promise<Key>,
): void {
  api.openapi(rotateKey, async (c) => {
    const access = c.get('access')
    const { id, tenantId: owner, scopes, tags } = await reached(access, c.req.valid('param').id)
    checkGrant(access, owner, { scopes, tags })
    const { key, secret } = await keys.rotate(id, c.req.valid('json'), access.actor)
    return c.json({ ...keyView(key), key: secret }, 200)
  })
  api.openapi(shapes.end('/api/keys/{id}', 'Revoke a key at once and for ever'), async (c) => {
    const access = c.get('access')
    const { id, scopes } = await reached(access, c.req.valid('param').id)
    if (scopes.includes('admin') || scopes.includes('scim')) checkEndOfAll(access)
    await keys.revoke(id, access.actor)
    return c.body(null, 204)
  })
}

/**
 * Nobody may make a key that can do more than themselves, or get its secret: `admin` reaches every
 * tenant, so it is not for those who are bound to some, and `scim` makes people. Tags open what
 * those who write routes keep closed.
 * @throws GristmillError `forbidden`, `not_found`
 */
function checkGrant(
  access: Access,
  tenant: string,
  { scopes, tags }: { scopes?: readonly Scope[] | undefined; tags?: readonly string[] | undefined },
  existing?: Key,
): void {
  checkReach(access, tenant, 'tenant', tenant)
  const isScim = scopes?.includes('scim') || existing?.scopes.includes('scim')
  if (isScim && !access.permissions.has('directory:write')) {
    const action = 'make or change keys with the scope scim'
    throw new GristmillError('forbidden', { actor: access.actor.name, action })
  }
  if (access.permissions.has('tenants:write')) return
  const isAdmin = scopes?.includes('admin') || existing?.scopes.includes('admin')
  const isTagged = tags !== undefined && tags.join() !== (existing?.tags ?? []).join()
  if (!isAdmin && !isTagged) return
  const action = isAdmin
    ? 'make or change keys with the scope admin'
    : 'set the tags of a key, or get the secret of one that has some'
  throw new GristmillError('forbidden', { actor: access.actor.name, action })
}

function keyView(key: Key): KeyView {
  return {
    ...key,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    overlapEndsAt: key.overlapEndsAt?.toISOString() ?? null,
  }
}
