/** Routes for closed periods: statements, opening them again, and the proof of the books. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import {
  idleRules,
  readDropped,
  readStatement,
  readStatements,
  type Statement,
  statementBases,
  verifyRequests,
  verifyStatements,
  verifyUsage,
} from '../meter/index.ts'
import {
  type Api,
  answer,
  body,
  checkReach,
  checkUnbound,
  needs,
  nothing,
  pageFrom,
  tenantsInReach,
} from './api.ts'
import type * as contract from './contract.ts'
import { focusRoutes } from './focus-routes.ts'
import { RouteShapes } from './route-shapes.ts'
import { wholeMinute } from './schemas.ts'
import type { HttpOptions } from './services.ts'
import { statementCsv } from './statement-csv.ts'
import { type StatementNames, statementPage } from './statement-page.ts'
import { statement, statementDetail, statementDetailView, statementView } from './statement-view.ts'

const tags = ['ledger']
const NUMBER_MAX = 2_147_483_647

const number = z.coerce.number().int().min(1).max(NUMBER_MAX)
const params = z.object({ number })

const closeLedger = createRoute({
  ...needs('ledger:close'),
  tags,
  method: 'post',
  path: '/api/ledger/close',
  summary: 'Close a period: a numbered statement for each tenant that is not closed yet',
  request: {
    body: body(
      z
        .strictObject({
          from: wholeMinute,
          to: wholeMinute,
          rule: z.enum(idleRules).default('operator'),
          basis: z.enum(statementBases).default('cost'),
          tenants: z.array(z.string().max(100)).min(1).max(1000).optional(),
        })
        .refine(({ from, to }) => Date.parse(from) < Date.parse(to), {
          message: 'it must be after `from`',
          path: ['to'],
        }),
    ),
  },
  responses: {
    201: answer(
      'The statements.',
      z
        .object({ statements: z.array(statement), warnings: z.array(z.string()) })
        .openapi('Closed') satisfies z.ZodType<contract.ClosedView>,
    ),
  },
})

const readOne = createRoute({
  ...needs('statements:read'),
  tags,
  method: 'get',
  path: '/api/statements/{number}',
  summary: 'One statement; format=html to print it, format=csv to calculate with',
  request: { params, query: z.object({ format: z.enum(['json', 'html', 'csv']).optional() }) },
  responses: {
    200: {
      description: 'The statement.',
      content: {
        'application/json': { schema: statementDetail },
        'text/html': { schema: z.string() },
        'text/csv': { schema: z.string() },
      },
    },
  },
})

const reopen = createRoute({
  ...needs('ledger:close'),
  tags,
  method: 'post',
  path: '/api/statements/{number}/reopen',
  summary: 'Take a statement back by a credit note, so that its period can be closed again',
  request: { params, body: body(z.strictObject({ reason: z.string().trim().min(1).max(500) })) },
  responses: { 201: answer('The credit note.', statement) },
})

const verifyPart = createRoute({
  ...needs('costs:read'),
  tags,
  method: 'get',
  path: '/api/ledger/verify',
  summary: 'Prove one part of the books; begin with no `after`, go on with `next`',
  request: {
    query: z.object({
      part: z.enum(['requests', 'usage', 'statements']),
      after: z.string().max(100).optional(),
    }),
  },
  responses: {
    200: answer(
      'What was found.',
      z
        .object({
          checked: z.number().int(),
          open: z.number().int(),
          next: z.string().nullable(),
          broken: z.object({ id: z.string(), what: z.string() }).nullable(),
          dropped: z.object({ requests: z.number().int(), before: z.iso.datetime() }).nullable(),
        })
        .openapi('VerifiedPart') satisfies z.ZodType<contract.VerifiedPartView>,
    ),
  },
})

const flushLedger = createRoute({
  ...needs('ledger:close'),
  tags,
  method: 'post',
  path: '/api/ledger/flush',
  summary: 'Wait until what has ended here is in the database, as before a backup',
  responses: { 204: nothing },
})

/** @param api where the routes are added */
export function ledgerRoutes(api: Api, options: HttpOptions): void {
  const { database, books, ledger, limits } = options
  api.openapi(flushLedger, async (c) => {
    await ledger.flush()
    return c.body(null, 204)
  })
  api.openapi(closeLedger, async (c) => {
    const { from, to, rule, basis, tenants } = c.req.valid('json')
    const access = c.get('access')
    for (const id of tenants ?? []) checkReach(access, id, 'tenant', id)
    const tenantIds = tenants ?? access.tenantIds ?? undefined
    const period = { fromMs: Date.parse(from), toMs: Date.parse(to) }
    const closing = { ...period, rule, basis, tenantIds }
    const { statements, warnings } = await books.close(closing, access.actor)
    return c.json({ statements: statements.map(statementView), warnings }, 201)
  })
  const shapes = new RouteShapes('ledger', 'statements:read', 'ledger:close')
  const filter = { tenant: z.string().max(100).optional() }
  const listSummary = 'Statements and credit notes, the newest first'
  api.openapi(shapes.list('/api/statements', listSummary, statement, filter), async (c) => {
    const query = c.req.valid('query')
    const { limit, cursor } = pageFrom(query, limits)
    const tenantIds = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const before = cursor === undefined ? undefined : number.safeParse(cursor).data
    const found = await readStatements(database.sql, { tenantIds, before }, limit + 1)
    const rows = found.slice(0, limit).map(statementView)
    const next = found.length > limit ? String(rows.at(-1)?.number) : null
    return c.json({ rows, next }, 200)
  })
  singleStatements(api, options)
  focusRoutes(api, options)
  api.openapi(verifyPart, async (c) => {
    // What is wrong may be another tenant's.
    checkUnbound(c.get('access'), 'prove the books, which are of all tenants')
    const { part, after = '' } = c.req.valid('query')
    const { sql } = database
    const proofs = {
      requests: () => verifyRequests(sql, after),
      usage: () => verifyUsage(sql, after),
      statements: () => verifyStatements(sql, number.safeParse(after).data ?? 0),
    }
    const found = await proofs[part]()
    const dropped = await readDropped(sql)
    const gone = dropped && { ...dropped, before: dropped.before.toISOString() }
    return c.json({ ...found, dropped: gone }, 200)
  })
}

const PROJECTS_NAMED_MAX = 1000

async function namesFor(
  { engines, tenancy }: HttpOptions,
  { tenantId }: contract.StatementView,
): Promise<StatementNames> {
  const found = await tenancy.projects.list(tenantId, { limit: PROJECTS_NAMED_MAX })
  return {
    engines: new Map(engines.list().map(({ id, name }) => [id, name])),
    projects: new Map(found.rows.map(({ id, name }) => [id, name])),
  }
}

function singleStatements(api: Api, options: HttpOptions): void {
  const { database, books } = options
  const find = async (wanted: number): Promise<Statement> => {
    const found = await readStatement(database.sql, wanted)
    if (found) return found
    throw new GristmillError('not_found', { kind: 'statement', id: String(wanted) })
  }
  api.openapi(readOne, async (c) => {
    const wanted = c.req.valid('param').number
    const { format = 'json' } = c.req.valid('query')
    const found = await find(wanted)
    checkReach(c.get('access'), found.document.tenantId, 'statement', String(wanted))
    const view = statementDetailView(found)
    if (format === 'json') return c.json(view, 200)
    const fileName = `filename="statement-${wanted}.${format}"`
    const type = { 'content-type': `text/${format}; charset=utf-8` }
    if (format === 'csv') {
      const headers = { ...type, 'content-disposition': `attachment; ${fileName}` }
      return c.body(statementCsv(view), 200, headers) as never
    }
    const { html, contentSecurityPolicy } = statementPage(view, await namesFor(options, view))
    const headers = {
      ...type,
      'content-disposition': `inline; ${fileName}`,
      'content-security-policy': contentSecurityPolicy,
    }
    return c.body(html, 200, headers) as never
  })
  api.openapi(reopen, async (c) => {
    const wanted = c.req.valid('param').number
    const access = c.get('access')
    const { document } = await find(wanted)
    checkReach(access, document.tenantId, 'statement', String(wanted))
    const note = await books.reopen(wanted, c.req.valid('json').reason, access.actor)
    return c.json(statementView(note), 201)
  })
}
