/** Routes for prepaid credit: its rows, and adding one. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf, GristmillError } from '../base/index.ts'
import { type Credit, creditInput, creditKinds, readCredits } from '../meter/index.ts'
import { type Api, answer, body, checkReach, needs, pageFrom, tenantsInReach } from './api.ts'
import { budget } from './budget-routes.ts'
import { budgetView } from './budget-views.ts'
import type * as contract from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

const IDEMPOTENCY_KEY = 'idempotency-key'
const REPEATED = 'x-gristmill-replayed'
const idempotencyKey = z.string().min(1).max(255).optional().openapi({
  description: 'What was booked with the same key is not booked again, but answered again.',
})

const credit = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    kind: z.enum(creditKinds),
    currency: z.string(),
    amount: z.string(),
    note: z.string(),
    actor: z.string(),
    at: z.iso.datetime(),
  })
  .openapi('Credit') satisfies z.ZodType<contract.CreditView>

const bookCredit = createRoute({
  ...needs('budgets:write'),
  tags: ['budgets'],
  method: 'post',
  path: '/api/credits',
  summary: 'Add to the prepaid credit of a tenant, pay some back, or correct a row before',
  request: { headers: z.object({ [IDEMPOTENCY_KEY]: idempotencyKey }), body: body(creditInput) },
  responses: {
    201: answer(
      'The row, and how the credit stands now.',
      z
        .object({ credit, budget })
        .openapi('CreditBooked') satisfies z.ZodType<contract.CreditBooked>,
    ),
  },
})

/** @param api where the routes are added */
export function creditRoutes(api: Api, options: HttpOptions): void {
  const { database, budgets, credits, tenancy, prices, limits } = options
  const { currency } = prices
  const shapes = new RouteShapes('budgets', 'budgets:read', 'budgets:write')
  const filter = { tenant: z.string().max(100).optional() }
  const summary = 'Rows of prepaid credit, the newest first'
  api.openapi(shapes.list('/api/credits', summary, credit, filter), async (c) => {
    const query = c.req.valid('query')
    const tenantIds = tenantsInReach(c.get('access'), query.tenant) ?? undefined
    const { rows, next } = await readCredits(database.sql, tenantIds, pageFrom(query, limits))
    return c.json({ rows: rows.map((row) => creditView(row, currency)), next }, 200)
  })
  api.openapi(bookCredit, async (c) => {
    const input = c.req.valid('json')
    const { tenantId } = input
    const access = c.get('access')
    checkReach(access, tenantId, 'tenant', tenantId)
    await tenancy.tenants.get(tenantId)
    const key = c.req.valid('header')[IDEMPOTENCY_KEY]
    const { credit: booked, isRepeated } = await credits.book(input, access.actor, key)
    if (isRepeated) c.header(REPEATED, booked.id)
    const standing = (await budgets.list([tenantId])).find((one) => one.budget.isPrepaid)
    if (standing === undefined) {
      throw new GristmillError('not_found', { kind: 'budget', id: booked.budgetId })
    }
    const view = budgetView(standing, currency)
    return c.json({ credit: creditView(booked, currency), budget: view }, 201)
  })
}

function creditView(row: Credit, currency: string): contract.CreditView {
  const { id, tenantId, kind, nanos, note, actor, at } = row
  return {
    id,
    tenantId,
    kind,
    currency,
    amount: decimalOf(nanos),
    note,
    actor,
    at: at.toISOString(),
  }
}
