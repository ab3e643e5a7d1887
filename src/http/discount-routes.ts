/** Routes for what tenants get off a month: the terms, and an estimate before it is closed. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf, nanosOfBooked } from '../base/index.ts'
import {
  addTerms,
  type DiscountTerms,
  readDiscounts,
  readPlans,
  readTerms,
  readUsageLines,
  termsInput,
} from '../meter/index.ts'
import { type Api, answer, body, checkReach, checkUnbound, needs, tenantsInReach } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'
import { discounts } from './statement-view.ts'

const tags = ['prices']
const time = z.iso.datetime({ offset: true })

const terms = z
  .object({
    version: z.number().int(),
    tenantId: z.string().nullable(),
    plan: z.string().nullable(),
    from: z.string(),
    free: z.object({ unit: z.enum(['money', 'tokens']), amount: z.string() }).nullable(),
    tiers: z.array(z.object({ above: z.string(), percent: z.string() })),
    note: z.string(),
    actor: z.string(),
    at: z.iso.datetime(),
  })
  .openapi('DiscountTerms') satisfies z.ZodType<contract.DiscountTermsView>

const listTerms = createRoute({
  ...needs('prices:read'),
  tags,
  method: 'get',
  path: '/api/discounts',
  summary: 'Terms of free allowances and discounts by volume, the newest first',
  request: { query: z.object({ tenant: z.string().max(100).optional() }) },
  responses: { 200: answer('All within reach.', z.object({ rows: z.array(terms) })) },
})

const setTerms = createRoute({
  ...needs('costs:write'),
  tags,
  method: 'post',
  path: '/api/discounts',
  summary: 'Set what is free, and discounts by volume, from a month on; nothing of both ends them',
  request: { body: body(termsInput) },
  responses: { 201: answer('The terms.', terms) },
})

const estimate = createRoute({
  ...needs('statements:read'),
  tags,
  method: 'get',
  path: '/api/discounts/estimate',
  summary:
    'What a statement by prices would say of a period now; of the running month if not named',
  request: {
    query: z.object({ tenant: z.string().max(100), from: time.optional(), to: time.optional() }),
  },
  responses: {
    200: answer(
      'Charge, what comes off it, and what is left.',
      z
        .object({
          currency: z.string(),
          charge: z.string(),
          discounts: discounts.nullable(),
          total: z.string(),
        })
        .openapi('DiscountEstimate') satisfies z.ZodType<contract.DiscountEstimateView>,
    ),
  },
})

/** @param api where the routes are added */
export function discountRoutes(api: Api, options: HttpOptions): void {
  const { database, tenancy, clock, prices } = options
  api.openapi(listTerms, async (c) => {
    const reach = tenantsInReach(c.get('access'), c.req.valid('query').tenant)
    const all = await readTerms(database.sql)
    // What a plan gets is no secret of a tenant.
    const within = all.filter(
      ({ tenantId }) => tenantId === null || (reach?.includes(tenantId) ?? true),
    )
    return c.json({ rows: within.map(termsView).toReversed() }, 200)
  })
  api.openapi(setTerms, async (c) => {
    const given = c.req.valid('json')
    const { tenantId } = given
    const access = c.get('access')
    if (tenantId === null) checkUnbound(access, 'set terms of a plan, which other tenants may have')
    else {
      checkReach(access, tenantId, 'tenant', tenantId)
      await tenancy.tenants.get(tenantId)
    }
    const parts = { database, audit: tenancy.audit, clock }
    return c.json(termsView(await addTerms(parts, given, access.actor)), 201)
  })
  api.openapi(estimate, async (c) => {
    const { tenant: tenantId, from, to } = c.req.valid('query')
    checkReach(c.get('access'), tenantId, 'tenant', tenantId)
    const { sql } = database
    const toMs = to === undefined ? clock.nowMs() : Date.parse(to)
    const fromMs = from === undefined ? monthStartMs(toMs) : Date.parse(from)
    const usage = (await readUsageLines(sql, fromMs, toMs, tenantId)).get(tenantId) ?? []
    const plan = (await readPlans(sql)).get(tenantId) ?? null
    const off = (await readDiscounts(sql, { tenantId, fromMs, toMs, plan })) ?? null
    const sum = (amounts: string[]) =>
      amounts.reduce((all, amount) => all + nanosOfBooked(amount), 0n)
    const charge = sum(usage.map((line) => line.charge))
    const total = charge + sum(off?.lines.map(({ amount }) => amount) ?? [])
    const { currency } = prices
    const amounts = { charge: decimalOf(charge), total: decimalOf(total) }
    return c.json({ currency, ...amounts, discounts: off }, 200)
  })
}

function monthStartMs(atMs: number): number {
  const date = new Date(atMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}

function termsView(given: DiscountTerms): contract.DiscountTermsView {
  const { version, tenantId, plan, fromMonth, free, tiers, note, actor, atMs } = given
  const amount = (of: NonNullable<typeof free>) =>
    of.unit === 'tokens' ? String(of.amount) : decimalOf(of.amount)
  return {
    ...{ version, tenantId, plan, from: fromMonth },
    free: free && { unit: free.unit, amount: amount(free) },
    tiers: tiers.map(({ aboveNanos, millionths }) => {
      return { above: decimalOf(aboveNanos), percent: decimalOf(millionths * 100_000n) }
    }),
    ...{ note, actor, at: new Date(atMs).toISOString() },
  }
}
