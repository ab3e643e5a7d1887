/** Routes for what services billed beside the ledger: reconciliations, their lines, variances. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf, GristmillError, nanosOf } from '../base/index.ts'
import {
  differenceClasses,
  type Reconciliation,
  type ReconciliationLine,
  readLine,
  readLineRequests,
  readLines,
  readReconciliation,
  readReconciliations,
} from '../meter/index.ts'
import {
  type Api,
  answer,
  body,
  checkUnbound,
  needs,
  pageFrom,
  pageOfSchema,
  pageQuery,
} from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const tags = ['ledger']
const LINES_MAX = 50_000

const day = z.iso.date()
const amount = z.string().refine((text) => nanosOf(text) !== undefined, 'it must be a decimal')
/** Below 0 it is a credit. */
const billed = z
  .string()
  .refine((text) => nanosOf(text.replace('-', '')) !== undefined, 'it must be a decimal')
const tokens = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const number = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const params = z.object({ id: number })
const lineParams = z.object({ id: number, line: number })
const name = z.string().max(256)
const differenceClass = z.enum(differenceClasses)

const reconciliation = z
  .object({
    id: z.number().int(),
    source: z.string(),
    sha256: z.string(),
    fromDay: z.string(),
    toDay: z.string(),
    threshold: z.string(),
    actor: z.string(),
    at: z.iso.datetime(),
    classes: z.array(
      z.object({ class: differenceClass, lines: z.number().int(), difference: z.string() }),
    ),
    blocking: z.number().int(),
  })
  .openapi('Reconciliation') satisfies z.ZodType<contract.ReconciliationView>

const line = z
  .object({
    line: z.number().int(),
    day: z.string(),
    model: z.string(),
    key: z.string(),
    class: differenceClass,
    ours: z.object({ requests: z.number().int(), tokens, amount: z.string() }).nullable(),
    theirs: z.object({ tokens: tokens.nullable(), amount: z.string() }).nullable(),
    difference: z.string(),
    isBlocking: z.boolean(),
    variance: z.object({ reason: z.string(), actor: z.string(), at: z.iso.datetime() }).nullable(),
  })
  .openapi('ReconciliationLine') satisfies z.ZodType<contract.ReconciliationLineView>

const lineRequest = z
  .object({
    id: z.string(),
    settledAt: z.string(),
    tenantId: z.string(),
    tokens: z.number().int(),
    amount: z.string(),
  })
  .openapi('ReconciliationRequest') satisfies z.ZodType<contract.ReconciliationRequestView>

const create = createRoute({
  ...needs('ledger:close'),
  tags,
  method: 'post',
  path: '/api/ledger/reconciliations',
  summary: 'Compare what a service billed with the ledger, by day, model and key',
  request: {
    body: body(
      z
        .strictObject({
          source: z.string().trim().min(1).max(100),
          sha256: z.string().regex(/^[0-9a-f]{64}$/, 'it must be a SHA-256 in hexadecimal'),
          fromDay: day,
          toDay: day,
          threshold: amount.default('0'),
          engines: z.array(name).min(1).max(1000).optional(),
          rows: z
            .array(
              z.strictObject({
                day,
                model: name,
                key: name.default(''),
                tokens: tokens.nullable().default(null),
                amount: billed,
                rounding: amount.default('0'),
              }),
            )
            .max(LINES_MAX),
        })
        .refine(({ fromDay, toDay }) => fromDay < toDay, {
          message: 'it must be after `fromDay`',
          path: ['toDay'],
        }),
    ),
  },
  responses: { 201: answer('What was found.', reconciliation) },
})

const list = createRoute({
  ...needs('costs:read'),
  tags,
  method: 'get',
  path: '/api/ledger/reconciliations',
  summary: 'Reconciliations, the newest first',
  request: { query: z.object(pageQuery) },
  responses: { 200: answer('A page.', pageOfSchema(reconciliation)) },
})

const listLines = createRoute({
  ...needs('costs:read'),
  tags,
  method: 'get',
  path: '/api/ledger/reconciliations/{id}/lines',
  summary: 'Its lines, by day, model and key',
  request: { params, query: z.object({ class: differenceClass.optional(), ...pageQuery }) },
  responses: { 200: answer('A page.', pageOfSchema(line)) },
})

const listRequests = createRoute({
  ...needs('costs:read'),
  tags,
  method: 'get',
  path: '/api/ledger/reconciliations/{id}/lines/{line}/requests',
  summary: 'The requests of the ledger that are behind a line',
  request: { params: lineParams, query: z.object(pageQuery) },
  responses: { 200: answer('A page.', pageOfSchema(lineRequest)) },
})

const bookVariance = createRoute({
  ...needs('ledger:close'),
  tags,
  method: 'post',
  path: '/api/ledger/reconciliations/{id}/lines/{line}/variance',
  summary: 'Book the difference of a line as a variance, so that its period can be closed',
  request: {
    params: lineParams,
    body: body(z.strictObject({ reason: z.string().trim().min(1).max(500) })),
  },
  responses: { 201: answer('The line.', line) },
})

/** @param api where the routes are added */
export function reconciliationRoutes(api: Api, options: HttpOptions): void {
  const { database, reconciliations, limits } = options
  api.openapi(create, async (c) => {
    const access = c.get('access')
    checkUnbound(access, OF_ALL)
    const { threshold, rows, ...given } = c.req.valid('json')
    const use = rows.map(({ amount: cost, rounding, ...row }) => {
      return { ...row, nanos: nanos(cost), roundingNanos: nanos(rounding) }
    })
    const asked = { ...given, thresholdNanos: nanos(threshold), rows: use }
    return c.json(view(await reconciliations.reconcile(asked, access.actor)), 201)
  })
  api.openapi(list, async (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    const { limit, cursor } = pageFrom(c.req.valid('query'), limits)
    const before = number.safeParse(cursor).data
    const found = await readReconciliations(database.sql, { before, limit: limit + 1 })
    return c.json(
      pageOf(found.map(view), limit, ({ id }) => String(id)),
      200,
    )
  })
  api.openapi(listLines, async (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    const { id } = c.req.valid('param')
    const query = c.req.valid('query')
    const { limit, cursor } = pageFrom(query, limits)
    if (!(await readReconciliation(database.sql, id))) throw notFound('reconciliation', id)
    const filter = { class: query.class, after: number.safeParse(cursor).data }
    const found = await readLines(database.sql, id, filter, limit + 1)
    return c.json(
      pageOf(found.map(lineView), limit, (one) => String(one.line)),
      200,
    )
  })
  api.openapi(listRequests, async (c) => {
    checkUnbound(c.get('access'), OF_ALL)
    const given = c.req.valid('param')
    const { limit, cursor } = pageFrom(c.req.valid('query'), limits)
    const found = await readLine(database.sql, given.id, given.line)
    if (found === undefined) throw notFound('line', given.line)
    const requests = await readLineRequests(database.sql, found, {
      after: cursor,
      limit: limit + 1,
    })
    const views = requests.map(({ spendNanos, ...one }) => {
      return { ...one, amount: decimalOf(BigInt(spendNanos)) }
    })
    return c.json(
      pageOf(views, limit, ({ id }) => id),
      200,
    )
  })
  api.openapi(bookVariance, async (c) => {
    const access = c.get('access')
    checkUnbound(access, OF_ALL)
    const given = c.req.valid('param')
    const { reason } = c.req.valid('json')
    const booked = await reconciliations.book(given.id, given.line, reason, access.actor)
    return c.json(lineView(booked), 201)
  })
}

const OF_ALL = 'see what services billed, which is for all tenants'

function nanos(text: string): bigint {
  const size = nanosOf(text.replace('-', '')) ?? 0n
  return text.startsWith('-') ? -size : size
}

const notFound = (kind: string, id: number) =>
  new GristmillError('not_found', { kind, id: String(id) })

function pageOf<Row>(found: Row[], limit: number, cursorOf: (row: Row) => string) {
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return { rows, next: found.length > limit && last ? cursorOf(last) : null }
}

function view({
  thresholdNanos,
  classes,
  at,
  ...row
}: Reconciliation): contract.ReconciliationView {
  return {
    ...row,
    threshold: decimalOf(thresholdNanos),
    at: at.toISOString(),
    classes: classes.map(({ differenceNanos, ...sum }) => {
      return { ...sum, difference: decimalOf(differenceNanos) }
    }),
  }
}

function lineView(row: ReconciliationLine): contract.ReconciliationLineView {
  const { ours, theirs, differenceNanos, variance, ...rest } = row
  return {
    ...rest,
    ours: ours && {
      requests: ours.requests,
      tokens: ours.tokens,
      amount: decimalOf(ours.nanos),
    },
    theirs: theirs && { tokens: theirs.tokens, amount: decimalOf(theirs.nanos) },
    difference: decimalOf(differenceNanos),
    variance: variance && { ...variance, at: variance.at.toISOString() },
  }
}
