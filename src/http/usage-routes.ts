/** Routes that read the ledger: sums of usage as JSON or CSV, and single requests. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import {
  exportUsageCsv,
  findRequest,
  listRequests,
  queryUsage,
  type UsageGroup,
  usageGroups,
} from '../meter/index.ts'
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
import { exporter } from './export-stream.ts'
import * as schemas from './pool-schemas.ts'
import type { HttpOptions } from './services.ts'
import { usageEventRoutes } from './usage-event-routes.ts'

const tags = ['usage']
const DAY_MS = 86_400_000

const time = z.iso.datetime({ offset: true })
const id = z.string().max(100).optional()
const groupBy = z
  .string()
  .max(100)
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(usageGroups)).max(usageGroups.length))
  .optional()
  .openapi({ type: 'string', description: `Any of ${usageGroups.join(', ')}, with commas.` })

const usageQuery = z.object({
  from: time.optional(),
  to: time.optional(),
  groupBy,
  tenant: id,
  project: id,
  key: id,
  model: z.string().max(200).optional(),
  format: z.enum(['json', 'csv']).optional(),
  ...pageQuery,
})
const GROUPS: UsageGroup[] = ['tenant', 'model']

const readUsage = createRoute({
  ...needs('usage:read'),
  tags,
  method: 'get',
  path: '/api/usage',
  summary: 'What was used, summed up from settlements; CSV with Accept: text/csv',
  request: { query: usageQuery },
  responses: {
    200: {
      description: 'Sums, or all of them as CSV.',
      content: {
        'application/json': { schema: pageOfSchema(schemas.usage) },
        'text/csv': { schema: z.string() },
      },
    },
  },
})

const listLedgerRequests = createRoute({
  ...needs('requests:read'),
  tags,
  method: 'get',
  path: '/api/requests',
  summary: 'Requests of the ledger: open ones, then the last that ended; no prompts, no answers',
  request: {
    query: z.object({
      tenant: id,
      key: id,
      session: z.string().max(128).optional(),
      model: z.string().max(200).optional(),
      from: time.optional().openapi({ description: 'Settled from then on.' }),
      to: time.optional().openapi({ description: 'Settled before then.' }),
      before: z.string().max(500).optional().openapi({ description: 'The same as cursor.' }),
      ...pageQuery,
    }),
  },
  responses: { 200: answer('A page of requests.', pageOfSchema(schemas.request)) },
})

const readLedgerRequest = createRoute({
  ...needs('requests:read'),
  tags,
  method: 'get',
  path: '/api/requests/{id}',
  summary: 'One request of the ledger',
  request: { params: idParam },
  responses: { 200: answer('The request.', schemas.request) },
})

/** @param api where the routes are added */
export function usageRoutes(api: Api, options: HttpOptions): void {
  const { database, clock, limits } = options
  const exportCsv = exporter(options)
  api.openapi(readUsage, async (c) => {
    const query = c.req.valid('query')
    const toMs = query.to === undefined ? clock.nowMs() : Date.parse(query.to)
    const filter = {
      fromMs: query.from === undefined ? toMs - DAY_MS : Date.parse(query.from),
      toMs,
      tenantIds: tenantsInReach(c.get('access'), query.tenant) ?? undefined,
      projectIds: query.project === undefined ? undefined : [query.project],
      keyIds: query.key === undefined ? undefined : [query.key],
      model: query.model,
    }
    const groups = query.groupBy ?? GROUPS
    const wantsCsv = query.format === 'csv' || (c.req.header('accept') ?? '').includes('text/csv')
    if (wantsCsv && query.format !== 'json') {
      const pieces = exportCsv(exportUsageCsv(database.sql, filter, groups))
      const headers = {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': 'attachment; filename="usage.csv"',
      }
      // The document promises text; the body is the same text as a stream.
      return c.body(pieces, 200, headers) as never
    }
    return c.json(await queryUsage(database.sql, filter, groups, pageFrom(query, limits)), 200)
  })
  requestRoutes(api, options)
  usageEventRoutes(api, options)
}

function requestRoutes(api: Api, { database, ledger, limits, clock }: HttpOptions): void {
  api.openapi(listLedgerRequests, async (c) => {
    const query = c.req.valid('query')
    const tenantIds = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const { from, to } = query
    const settled =
      from === undefined && to === undefined
        ? undefined
        : {
            fromMs: from === undefined ? 0 : Date.parse(from),
            toMs: to === undefined ? clock.nowMs() : Date.parse(to),
          }
    const { key: keyId, session: sessionId, model } = query
    const filter = { tenantIds, keyId, sessionId, model, settled }
    const { limit, cursor } = pageFrom(query, limits)
    const page = { limit, before: cursor ?? query.before }
    return c.json(await listRequests(database.sql, filter, page), 200)
  })
  api.openapi(readLedgerRequest, async (c) => {
    const { id: requestId } = c.req.valid('param')
    let found = await findRequest(database.sql, requestId)
    if (!found && (await ledger.book(requestId))) found = await findRequest(database.sql, requestId)
    if (!found) throw new GristmillError('not_found', { kind: 'request', id: requestId })
    checkReach(c.get('access'), found.tenantId, 'request', requestId)
    return c.json(found, 200)
  })
}
