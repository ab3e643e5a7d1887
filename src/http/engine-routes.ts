/** Routes for engines and the models they serve. */
import { createRoute, z } from '@hono/zod-openapi'
import type { PageRequest } from '../tenancy/index.ts'
import type { Access } from './access.ts'
import {
  type Api,
  answer,
  body,
  idParam,
  needs,
  nothing,
  pageFrom,
  pageOfSchema,
  pageQuery,
} from './api.ts'
import * as schemas from './pool-schemas.ts'
import type { HttpOptions } from './services.ts'

const query = z.object(pageQuery)
const tags = ['engines']

const engineInput = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, message: 'must be an address that begins with http' })
    .max(500)
    .openapi({ description: 'Address without /v1, such as http://10.0.0.7:8000.' }),
  name: z.string().trim().min(1).max(100).optional(),
  cap: z.number().int().min(1).max(4096).optional(),
  apiKey: z.string().min(1).max(500).optional(),
})

const listEngines = createRoute({
  ...needs('engines:read'),
  tags,
  method: 'get',
  path: '/api/engines',
  summary: 'Engines with health, slots and why they are as they are',
  request: { query },
  responses: { 200: answer('A page of engines.', pageOfSchema(schemas.engine)) },
})

const addEngine = createRoute({
  ...needs('engines:write'),
  tags,
  method: 'post',
  path: '/api/engines',
  summary: 'Add an engine that speaks the OpenAI wire',
  request: { body: body(engineInput) },
  responses: { 201: answer('The engine.', schemas.engine) },
})

const drainEngine = createRoute({
  ...needs('engines:write'),
  tags,
  method: 'post',
  path: '/api/engines/{id}/drain',
  summary: 'Finish what runs on an engine and give it nothing new',
  request: { params: idParam },
  responses: { 200: answer('The engine as it is now.', schemas.engine) },
})

const removeEngine = createRoute({
  ...needs('engines:write'),
  tags,
  method: 'delete',
  path: '/api/engines/{id}',
  summary: 'Remove an engine; what runs there ends with an error',
  request: { params: idParam },
  responses: { 204: nothing },
})

const listModels = createRoute({
  ...needs('models:read'),
  tags,
  method: 'get',
  path: '/api/models',
  summary: 'Models that engines serve at the moment',
  request: { query },
  responses: { 200: answer('A page of models.', pageOfSchema(schemas.model)) },
})

/** @param api where the routes are added */
export function engineRoutes(api: Api, { engines, tenancy, limits }: HttpOptions): void {
  const note = (access: Access, action: string, subject: string, detail = {}) =>
    tenancy.audit.record(access.actor, { action, subject, tenantId: null, detail })

  api.openapi(listEngines, (c) =>
    c.json(slice(engines.list(), pageFrom(c.req.valid('query'), limits)), 200),
  )
  api.openapi(addEngine, async (c) => {
    const input = c.req.valid('json')
    const added = await engines.add(input)
    const { name, url } = added
    await note(c.get('access'), 'engine.add', added.id, { name, url, cap: input.cap ?? null })
    return c.json(added, 201)
  })
  api.openapi(drainEngine, async (c) => {
    const { id } = c.req.valid('param')
    const drained = await engines.drain(id)
    await note(c.get('access'), 'engine.drain', id, { name: drained.name })
    return c.json(drained, 200)
  })
  api.openapi(removeEngine, async (c) => {
    const { id } = c.req.valid('param')
    await engines.remove(id)
    await note(c.get('access'), 'engine.remove', id)
    return c.body(null, 204)
  })
  api.openapi(listModels, (c) =>
    c.json(slice(engines.models(), pageFrom(c.req.valid('query'), limits)), 200),
  )
}

/** A page of a list that is in memory as a whole; the cursor is a position. */
function slice<Row>(rows: Row[], { limit, cursor = '0' }: PageRequest) {
  const position = Number(cursor)
  const start = Number.isSafeInteger(position) && position > 0 ? position : 0
  const end = start + limit
  return { rows: rows.slice(start, end), next: end < rows.length ? String(end) : null }
}
