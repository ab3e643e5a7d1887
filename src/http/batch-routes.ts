/** Routes that show and cancel batches; they are made below `/v1/`, with a key. */
import { z } from '@hono/zod-openapi'
import { type Api, checkReach, pageFrom, tenantsInReach } from './api.ts'
import * as schemas from './batch-schemas.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const routes = new RouteShapes('batches', 'batches:read', 'batches:write')

const listBatches = routes.list(
  '/api/batches',
  'Batches with progress and expected end, newest first',
  schemas.batch,
  { tenant: z.string().max(100).optional(), status: schemas.batchStatus.optional() },
)
const readBatch = routes.read('/api/batches/{id}', 'One batch', schemas.batch)
const cancelBatch = routes.act(
  '/api/batches/{id}/cancel',
  'Stop a batch; what is done stays, the rest is reported as cancelled',
  schemas.batch,
)

/** @param api where the routes are added */
export function batchRoutes(api: Api, { batches, tenancy, limits }: HttpOptions): void {
  api.openapi(listBatches, async (c) => {
    const query = c.req.valid('query')
    const tenantIds = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const filter = { tenantIds, status: query.status }
    return c.json(await batches.list(filter, pageFrom(query, limits)), 200)
  })
  api.openapi(readBatch, async (c) => {
    const { id } = c.req.valid('param')
    const found = await batches.get(id)
    checkReach(c.get('access'), found.tenantId, 'batch', id)
    return c.json(found, 200)
  })
  api.openapi(cancelBatch, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    const { tenantId } = await batches.get(id)
    checkReach(access, tenantId, 'batch', id)
    const cancelled = await batches.cancel(id)
    const entry = { action: 'batch.cancel', subject: id, tenantId, detail: {} }
    await tenancy.audit.record(access.actor, entry)
    return c.json(cancelled, 200)
  })
}
