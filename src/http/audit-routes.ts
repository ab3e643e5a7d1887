/** Reading, exporting and checking the audit log. Nothing here or elsewhere can change it. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Database } from '../store/index.ts'
import {
  type AuditRecord,
  auditLine,
  type ChainFilter,
  chainAfter,
  checkChain,
} from '../tenancy/index.ts'
import {
  type Api,
  answer,
  checkUnbound,
  mapPage,
  needs,
  pageFrom,
  pageOfSchema,
  pageQuery,
  schemas,
  tenantsInReach,
} from './api.ts'
import type { AuditView } from './contract.ts'
import { exporter } from './export-stream.ts'
import type { HttpOptions } from './services.ts'

const EXPORT_ROWS = 1000
const LINES = 'application/x-ndjson'

const filter = {
  tenant: z.string().max(100).optional(),
  action: z.string().max(100).optional().openapi({
    description: 'Beginning of the action, such as `key.`.',
  }),
}

const exportLog = createRoute({
  ...needs('audit:read'),
  tags: ['audit'],
  method: 'get',
  path: '/api/audit/export',
  summary: 'The audit log as lines of JSON with their links in the chain, oldest first',
  request: {
    query: z.object({
      ...filter,
      after: z.coerce.number().int().min(0).optional().openapi({
        description: '`seq` of the last line of an earlier export; from the first on where absent.',
      }),
    }),
  },
  responses: {
    200: { description: 'The lines.', content: { [LINES]: { schema: z.string() } } },
  },
})

const checkLog = createRoute({
  ...needs('audit:read'),
  tags: ['audit'],
  method: 'get',
  path: '/api/audit/check',
  summary: 'Whether the chain of the audit log is whole, and where it is broken first',
  responses: { 200: answer('What was found.', schemas.auditCheck) },
})

/** @param api where the routes are added */
export function auditRoutes(api: Api, options: HttpOptions): void {
  const { tenancy, limits } = options
  api.openapi(
    createRoute({
      ...needs('audit:read'),
      tags: ['audit'],
      method: 'get',
      path: '/api/audit',
      summary: 'Who changed what, when and from where, newest first',
      request: {
        query: z.object({
          ...filter,
          ...pageQuery,
        }),
      },
      responses: { 200: answer('A page of audit records.', pageOfSchema(schemas.audit)) },
    }),
    async (c) => {
      const query = c.req.valid('query')
      const within = tenantsInReach(c.get('access'), query.tenant) ?? undefined
      const filter = { action: query.action, withinTenantIds: within }
      const page = await tenancy.audit.list(filter, pageFrom(query, limits))
      return c.json(mapPage(page, auditView), 200)
    },
  )
  chainRoutes(api, options)
}

function chainRoutes(api: Api, options: HttpOptions): void {
  const { database } = options
  const exported = exporter(options)
  api.openapi(exportLog, (c) => {
    const { action, tenant, after = 0 } = c.req.valid('query')
    const within = tenantsInReach(c.get('access'), tenant) ?? undefined
    const lines = linesAfter(database, after, { action, withinTenantIds: within })
    // The document promises text; the body is the same text as a stream.
    return c.body(exported(lines), 200, { 'content-type': LINES }) as never
  })
  api.openapi(checkLog, async (c) => {
    checkUnbound(c.get('access'), 'check the audit log of all tenants')
    return c.json(await checkChain(database), 200)
  })
}

async function* linesAfter(database: Database, after: number, filter: ChainFilter) {
  for (let seq = after; ; ) {
    const rows = await chainAfter(database.sql, seq, EXPORT_ROWS, filter)
    yield rows.map((row) => `${auditLine(row)}\n`).join('')
    const last = rows.at(-1)
    if (last === undefined || rows.length < EXPORT_ROWS) return
    seq = last.seq
  }
}

function auditView({ id, at, actor, action, subject, detail, from }: AuditRecord): AuditView {
  return { id, at: at.toISOString(), actor, action, subject, detail, from }
}
