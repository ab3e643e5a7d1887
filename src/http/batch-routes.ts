/** Routes that show and cancel batches; they are made below `/v1/`, with a key. */
import { createRoute, z } from '@hono/zod-openapi'
import {
  type Api,
  answer,
  checkReach,
  idParam,
  needs,
  pageFrom,
  pageOfSchema,
  pageQuery,
  tenantsInReach,
} from './api.ts'
import * as schemas from './batch-schemas.ts'
import type { HttpOptions } from './services.ts'

const tags = ['batches']

const listBatches = createRoute({
  ...needs('batches:read'),
  tags,
  method: 'get',
  path: '/api/batches',
  summary: 'Batches with progress and expected end, newest first',
  request: {
    query: z.object({
      tenant: z.string().max(100).optional(),
      status: schemas.batchStatus.optional(),
      ...pageQuery,
    }),
  },
  responses: { 200: answer('A page of batches.', pageOfSchema(schemas.batch)) },
})

const readBatch = createRoute({
  ...needs('batches:read'),
  tags,
  method: 'get',
  path: '/api/batches/{id}',
  summary: 'One batch',
  request: { params: idParam },
  responses: { 200: answer('The batch.', schemas.batch) },
})

const cancelBatch = createRoute({
  ...needs('batches:write'),
  tags,
  method: 'post',
  path: '/api/batches/{id}/cancel',
  summary: 'Stop a batch; what is done stays, the rest is reported as cancelled',
  request: { params: idParam },
  responses: { 200: answer('The batch as it is now.', schemas.batch) },
})

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
