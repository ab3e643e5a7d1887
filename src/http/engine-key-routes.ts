/** Routes for the keys that engines take. No answer holds a key. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Access } from './access.ts'
import { type Api, needs, nothing } from './api.ts'
import * as schemas from './pool-schemas.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const keyInput = z.strictObject({
  apiKey: z.string().min(1).max(500),
  replace: z.boolean().default(false).openapi({ description: 'In place of those that it has.' }),
})
const keys = z.array(schemas.engineKey)

const rotate = createRoute({
  ...needs('engines:write'),
  tags: ['engines'],
  method: 'post',
  path: '/api/engine-keys/rotate',
  summary: 'Encrypt the keys of all engines with a new master key',
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function engineKeyRoutes(api: Api, { engines, tenancy }: HttpOptions): void {
  const note = (access: Access, action: string, subject: string, detail = {}) =>
    tenancy.audit.record(access.actor, { action, subject, tenantId: null, detail })
  const shapes = new RouteShapes('engines', 'engines:read', 'engines:write')
  const path = '/api/engines/{id}/keys'
  const listSummary = 'The keys that an engine takes, without what they are'
  api.openapi(shapes.read(path, listSummary, keys), (c) =>
    c.json(engines.keys(c.req.valid('param').id), 200),
  )
  const setSummary = 'Give an engine a key; it has to answer to it first'
  api.openapi(shapes.createIn(path, setSummary, keyInput, keys), async (c) => {
    const { id } = c.req.valid('param')
    const { apiKey, replace } = c.req.valid('json')
    const now = await engines.setKey(id, apiKey, replace ? 'instead' : 'beside')
    const key = now.at(-1)?.fingerprint ?? null
    await note(c.get('access'), 'engine.key_set', id, { key, replace })
    return c.json(now, 201)
  })
  api.openapi(rotate, async (c) => {
    await engines.rotateSecretKey()
    await note(c.get('access'), 'engine.secret_key_rotate', 'engines')
    return c.body(null, 204)
  })
  const endSummary = 'Take a key away from its engine; what runs with it goes on'
  api.openapi(shapes.end('/api/engine-keys/{id}', endSummary), async (c) => {
    const { id } = c.req.valid('param')
    const engineId = await engines.removeKey(id)
    await note(c.get('access'), 'engine.key_remove', engineId, { id })
    return c.body(null, 204)
  })
}
