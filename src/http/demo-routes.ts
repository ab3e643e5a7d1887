/** Routes for the demo: the same load first come first served, then with fair shares. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Api, answer, body, needs } from './api.ts'
import * as schemas from './pool-schemas.ts'
import type { HttpOptions } from './services.ts'

const tags = ['demo']
const path = '/api/demo'
const demoInput = z.strictObject({
  seconds: z.number().int().min(5).max(600).optional().openapi({
    description: 'Length of each half; a minute where absent.',
  }),
})

const readDemo = createRoute({
  ...needs('floor:read'),
  tags,
  method: 'get',
  path,
  summary: 'The demo as it runs or as it ended; null where none has run',
  responses: { 200: answer('The demo.', schemas.demo.nullable()) },
})

const startDemo = createRoute({
  ...needs('demo:run'),
  tags,
  method: 'post',
  path,
  summary: 'Start the demo; it takes about two minutes of the real engines',
  request: { body: { ...body(demoInput), required: false } },
  responses: { 201: answer('The demo.', schemas.demo) },
})

const cancelDemo = createRoute({
  ...needs('demo:run'),
  tags,
  method: 'delete',
  path,
  summary: 'Cancel the demo and what it has queued',
  responses: { 200: answer('The demo.', schemas.demo.nullable()) },
})

/** @param api where the routes are added */
export function demoRoutes(api: Api, { demo, tenancy }: HttpOptions): void {
  api.openapi(readDemo, (c) => c.json(demo.view(), 200))
  api.openapi(startDemo, async (c) => {
    const view = await demo.start(c.req.valid('json')?.seconds)
    const entry = { action: 'demo.start', subject: 'demo', tenantId: null, detail: {} }
    await tenancy.audit.record(c.get('access').actor, entry)
    return c.json(view, 201)
  })
  api.openapi(cancelDemo, async (c) => {
    const view = await demo.cancel()
    const entry = { action: 'demo.cancel', subject: 'demo', tenantId: null, detail: {} }
    await tenancy.audit.record(c.get('access').actor, entry)
    return c.json(view, 200)
  })
}
