/** Routes for the traces of a tenant: the collector of its own that they are sent to. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Api, addressFor, answer, body, checkReach, idParam, needs, nothing } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions, TraceDestination } from './services.ts'

const tags = ['traces']
const path = '/api/tenants/{id}/traces'
const time = z.iso.datetime()
const request = { params: idParam }

const view = z
  .object({
    url: z.string(),
    headerNames: z.array(z.string()),
    withPrompts: z.boolean(),
    createdAt: time,
    changedAt: time,
  })
  .openapi('TraceDestination') satisfies z.ZodType<contract.TraceDestinationView>

/** What says where a message goes, how long it is or what it is: ours to write. */
const RESERVED =
  /^(host|content-(type|length|encoding)|transfer-encoding|connection|expect|te|upgrade)$/
const headerName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, 'a name of a header in small letters is needed')
  .refine((name) => !RESERVED.test(name), 'this header cannot be chosen')
const headerValue = z
  .string()
  .max(4000)
  .regex(/^[\x20-\x7e]*$/, 'printable ASCII is needed')

const input = z.strictObject({
  url: z.url().max(2000),
  headers: z
    .record(headerName, headerValue)
    .refine((headers) => Object.keys(headers).length <= 20, 'there may be at most 20')
    .default({}),
  withPrompts: z.boolean().default(false),
})

const readTraces = createRoute({
  ...needs('batches:read'),
  tags,
  method: 'get',
  path,
  summary: 'Where traces of the requests of a tenant are sent',
  request,
  responses: { 200: answer('The destination.', view) },
})

const setTraces = createRoute({
  ...needs('batches:write'),
  tags,
  method: 'put',
  path,
  summary: 'Set where traces of the requests of a tenant are sent, in place of what was',
  request: { ...request, body: body(input) },
  responses: { 200: answer('The destination.', view) },
})

const removeTraces = createRoute({
  ...needs('batches:write'),
  tags,
  method: 'delete',
  path,
  summary: 'Send no traces of the requests of a tenant any more',
  request,
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function traceRoutes(api: Api, { tenancy, traces }: HttpOptions): void {
  api.openapi(readTraces, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    const found = await traces.get(id)
    return c.json(viewOf({ ...found, url: addressFor(access, found.url) }), 200)
  })
  api.openapi(setTraces, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    await tenancy.tenants.get(id)
    const given = c.req.valid('json')
    await traces.set(id, given)
    // The rest of an address may be a secret.
    const { host } = new URL(given.url)
    const detail = { host, headers: Object.keys(given.headers), withPrompts: given.withPrompts }
    const entry = { action: 'traces.set', subject: id, tenantId: id, detail }
    await tenancy.audit.record(access.actor, entry)
    return c.json(viewOf(await traces.get(id)), 200)
  })
  api.openapi(removeTraces, async (c) => {
    const { id } = c.req.valid('param')
    const access = c.get('access')
    checkReach(access, id, 'tenant', id)
    await traces.remove(id)
    const entry = { action: 'traces.remove', subject: id, tenantId: id, detail: {} }
    await tenancy.audit.record(access.actor, entry)
    return c.body(null, 204)
  })
}

function viewOf(given: TraceDestination): contract.TraceDestinationView {
  const { url, headerNames, withPrompts, createdAt, changedAt } = given
  return {
    url,
    headerNames,
    withPrompts,
    createdAt: createdAt.toISOString(),
    changedAt: changedAt.toISOString(),
  }
}
