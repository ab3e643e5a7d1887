/** Routes for engines and the models they serve. */
import { createRoute, z } from '@hono/zod-openapi'
import { serviceNames } from '../engine/index.ts'
import type { PageRequest } from '../tenancy/index.ts'
import type { Access } from './access.ts'
import { type Api, answer, body, needs, pageFrom } from './api.ts'
import * as schemas from './pool-schemas.ts'
import { RouteShapes } from './route-shapes.ts'
import type { EngineService, HttpOptions } from './services.ts'

const engineInput = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, message: 'it must be an address that begins with http' })
    .max(500)
    .optional()
    .openapi({
      description:
        'Address without /v1, such as http://10.0.0.7:8000; services have one of their own.',
    }),
  replicas: z.boolean().optional().openapi({
    description: 'Its name has several addresses, each of which is an engine of its own.',
  }),
  service: z.enum(serviceNames).optional().openapi({ description: 'Whom it is rented from.' }),
  apiVersion: z.string().min(1).max(50).optional().openapi({ description: 'Of Azure only.' }),
  models: z.array(z.string().min(1).max(256)).max(1000).optional(),
  name: z.string().trim().min(1).max(100).optional(),
  cap: z.number().int().min(1).max(4096).optional(),
  apiKey: z.string().min(1).max(500).optional(),
})

/** @param api where the routes are added */
export function engineRoutes(api: Api, { engines, tenancy, limits }: HttpOptions): void {
  const note: Note = (access, action, subject, detail = {}) =>
    tenancy.audit.record(access.actor, { action, subject, tenantId: null, detail })

  const shapes = new RouteShapes('engines', 'engines:read', 'engines:write')
  const listSummary = 'Engines with health, slots and why they are as they are'
  api.openapi(shapes.list('/api/engines', listSummary, schemas.engine, {}), (c) =>
    c.json(slice(engines.list(), pageFrom(c.req.valid('query'), limits)), 200),
  )
  const addSummary = 'Add an engine that speaks the OpenAI wire'
  api.openapi(shapes.create('/api/engines', addSummary, engineInput, schemas.engine), async (c) => {
    const input = c.req.valid('json')
    const added = await engines.add(input)
    const { name, url } = added
    await note(c.get('access'), 'engine.add', added.id, { name, url, cap: input.cap ?? null })
    return c.json(added, 201)
  })
  const detect = createRoute({
    ...needs('engines:write'),
    tags: ['engines'],
    method: 'post',
    path: '/api/engines/detect',
    summary: 'Ask an engine what it is, without adding it',
    request: { body: body(engineInput) },
    responses: { 200: answer('What was found.', schemas.engineFound) },
  })
  api.openapi(detect, async (c) => c.json(await engines.detect(c.req.valid('json')), 200))
  workRoutes(api, shapes, engines, note)
  const calibrateSummary = 'Measure what an engine can do, behind all other work'
  const calibratePath = '/api/engines/{id}/calibrate'
  api.openapi(shapes.act(calibratePath, calibrateSummary, schemas.calibration), async (c) => {
    const { id } = c.req.valid('param')
    const begun = engines.calibrate(id)
    await note(c.get('access'), 'engine.calibrate', id)
    return c.json(begun, 200)
  })
  const statePath = '/api/engines/{id}/calibration'
  const stateSummary = 'How a calibration goes, and what the last one found'
  api.openapi(shapes.read(statePath, stateSummary, schemas.calibration), (c) =>
    c.json(engines.calibration(c.req.valid('param').id), 200),
  )
  const historySummary = 'How an engine has been in the last day, and why'
  const historyPath = '/api/engines/{id}/history'
  api.openapi(shapes.read(historyPath, historySummary, schemas.engineHistory), async (c) =>
    c.json(await engines.history(c.req.valid('param').id), 200),
  )
  const profileSummary = 'A calibrated engine as simulations see it'
  const profilePath = '/api/engines/{id}/profile'
  api.openapi(shapes.read(profilePath, profileSummary, schemas.engineProfile), (c) =>
    c.json(engines.profile(c.req.valid('param').id), 200),
  )
  const endSummary = 'Remove an engine; what runs there ends with an error'
  api.openapi(shapes.end('/api/engines/{id}', endSummary), async (c) => {
    const { id } = c.req.valid('param')
    await engines.remove(id)
    await note(c.get('access'), 'engine.remove', id)
    return c.body(null, 204)
  })
  const models = new RouteShapes('engines', 'models:read', 'engines:write')
  const modelsSummary = 'Models that engines serve at the moment'
  api.openapi(models.list('/api/models', modelsSummary, schemas.model, {}), (c) =>
    c.json(slice(engines.models(), pageFrom(c.req.valid('query'), limits)), 200),
  )
}

type Note = (
  access: Access,
  action: string,
  subject: string,
  detail?: Record<string, unknown>,
) => Promise<void>

/** Whether an engine gets anything new. */
function workRoutes(api: Api, shapes: RouteShapes, engines: EngineService, note: Note): void {
  const verbs = [
    ['drain', 'Finish what runs on an engine and give it nothing new'],
    ['resume', 'Give an engine that drains work again'],
  ] as const
  for (const [verb, summary] of verbs) {
    api.openapi(shapes.act(`/api/engines/{id}/${verb}`, summary, schemas.engine), async (c) => {
      const { id } = c.req.valid('param')
      const changed = await engines[verb](id)
      await note(c.get('access'), `engine.${verb}`, id, { name: changed.name })
      return c.json(changed, 200)
    })
  }
}

/** A page of a list that is in memory as a whole; the cursor is a position. */
function slice<Row>(rows: Row[], { limit, cursor = '0' }: PageRequest) {
  const position = Number(cursor)
  const start = Number.isSafeInteger(position) && position > 0 ? position : 0
  const end = start + limit
  return { rows: rows.slice(start, end), next: end < rows.length ? String(end) : null }
}
