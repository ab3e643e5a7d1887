/** Routes for the webhook of a tenant: where it is told that its batches have ended. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Api, addressFor, answer, body, checkReach, idParam, needs, nothing } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const tags = ['webhooks']
const path = '/api/tenants/{id}/webhook'
const time = z.iso.datetime()
const request = { params: idParam }

const delivery = z
  .object({
    id: z.string(),
    type: z.string(),
    state: z.enum(['due', 'delivered', 'failed']),
    attempts: z.number().int(),
    reason: z.string().nullable(),
    createdAt: time,
    endedAt: time.nullable(),
  })
  .openapi('WebhookDelivery') satisfies z.ZodType<contract.WebhookDeliveryView>

const webhook = z
  .object({ url: z.string(), createdAt: time, deliveries: z.array(delivery) })
  .openapi('Webhook') satisfies z.ZodType<contract.WebhookView>

const created = z
  .object({ url: z.string(), secret: z.string() })
  .openapi('WebhookCreated') satisfies z.ZodType<contract.WebhookCreated>

const readWebhook = createRoute({
  ...needs('batches:read'),
  tags,
  method: 'get',
  path,
  summary: 'Where a tenant is told of the end of its batches, and the newest deliveries',
  request,
  responses: { 200: answer('The webhook.', webhook) },
})

const setWebhook = createRoute({
  ...needs('batches:write'),
  tags,
  method: 'put',
  path,
  summary: 'Set the webhook of a tenant, with a new secret',
  request: { ...request, body: body(z.strictObject({ url: z.url().max(2000) })) },
  responses: { 200: answer('The secret, shown this once.', created) },
})

const removeWebhook = createRoute({
  ...needs('batches:write'),
  tags,
  method: 'delete',
  path,
  summary: 'Remove the webhook of a tenant, with what was still to be told',
  request,
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function webhookRoutes(api: Api, { tenancy, webhooks }: HttpOptions): void {
  api.openapi(readWebhook, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    const { url: whole, createdAt, deliveries } = await webhooks.get(id)
    const url = addressFor(access, whole)
    const rows = deliveries.map((row) => ({
      ...row,
      createdAt: row.createdAt.toISOString(),
      endedAt: row.endedAt?.toISOString() ?? null,
    }))
    return c.json({ url, createdAt: createdAt.toISOString(), deliveries: rows }, 200)
  })
  api.openapi(setWebhook, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    await tenancy.tenants.get(id)
    const { url } = c.req.valid('json')
    const { secret } = await webhooks.set(id, url)
    // The rest of an address may be a secret.
    const detail = { host: new URL(url).host }
    const entry = { action: 'webhook.set', subject: id, tenantId: id, detail }
    await tenancy.audit.record(access.actor, entry)
    return c.json({ url, secret }, 200)
  })
  api.openapi(removeWebhook, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    await webhooks.remove(id)
    const entry = { action: 'webhook.remove', subject: id, tenantId: id, detail: {} }
    await tenancy.audit.record(access.actor, entry)
    return c.body(null, 204)
  })
}
