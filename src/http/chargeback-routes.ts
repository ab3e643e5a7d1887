/** The route of chargeback: what a period cost, and who pays for it. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { idleRules, periodCosts, readClassShares } from '../meter/index.ts'
import { type Api, needs } from './api.ts'
import { chargebackCsv, chargebackView } from './chargeback-view.ts'
import { comparisonRoutes } from './comparison-routes.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Longer ones are closed month by month. */
const SPAN_MS_MAX = 370 * DAY_MS

const time = z.iso.datetime({ offset: true })

const byClass = z.record(z.string(), z.string())

const line = z
  .object({
    engineId: z.string(),
    kind: z.enum(['entitled', 'borrowed', 'wasted', 'shared']),
    cause: z.string(),
    engineS: z.number(),
    amount: z.string(),
    byClass,
  })
  .openapi('ChargeLine') satisfies z.ZodType<contract.ChargeLineView>

const overflow = z.object({
  target: z.string(),
  model: z.string(),
  requests: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  amount: z.string(),
  byClass,
})

const chargedTenant = z
  .object({
    tenantId: z.string(),
    total: z.string(),
    lines: z.array(line),
    overflow: z.array(overflow),
    lentS: z.number(),
    cachedTokens: z.number().int(),
    hitTokens: z.number().int(),
  })
  .openapi('ChargedTenant') satisfies z.ZodType<contract.ChargedTenantView>

const chargeback = z
  .object({
    fromAt: time,
    toAt: time,
    rule: z.enum(idleRules),
    engines: z.array(
      z.object({
        engineId: z.string(),
        name: z.string(),
        registeredS: z.number(),
        uncostedS: z.number(),
        unexplainedS: z.number(),
        cost: z.string(),
      }),
    ),
    tenants: z.array(chargedTenant),
    unallocated: z.object({ total: z.string(), lines: z.array(line) }).nullable(),
    engineCost: z.string(),
    overflowCost: z.string(),
  })
  .openapi('Chargeback') satisfies z.ZodType<contract.ChargebackView>

const readChargeback = createRoute({
  ...needs('costs:read'),
  tags: ['costs'],
  method: 'get',
  path: '/api/chargeback',
  summary: 'What engines and rented services cost in a period, shared among tenants',
  request: {
    query: z.object({
      from: time.optional().openapi({ description: 'A day before `to` where absent.' }),
      to: time.optional().openapi({ description: 'Now where absent; whole minutes count.' }),
      rule: z.enum(idleRules).default('operator').openapi({
        description: "Who pays for what was nobody's.",
      }),
      format: z.enum(['json', 'csv']).default('json'),
    }),
  },
  responses: {
    200: {
      description: 'The chargeback, or its lines as CSV.',
      content: {
        'application/json': { schema: chargeback },
        'text/csv': { schema: z.string() },
      },
    },
  },
})

/** @param api where the route is added */
export function chargebackRoutes(api: Api, options: HttpOptions): void {
  const { database, engines, tenancy, clock } = options
  comparisonRoutes(api, options)
  api.openapi(readChargeback, async (c) => {
    const { from, to, rule, format } = c.req.valid('query')
    const toMs = wholeMinute(to === undefined ? clock.nowMs() : Date.parse(to))
    const fromMs = wholeMinute(from === undefined ? toMs - DAY_MS : Date.parse(from))
    if (fromMs >= toMs || toMs - fromMs > SPAN_MS_MAX) {
      const reason = 'it must be before `to`, and a year before it at most'
      throw new GristmillError('invalid_value', { param: 'from', reason })
    }
    const [costs, shares] = await Promise.all([
      periodCosts(database.sql, fromMs, toMs, rule, 'sums'),
      readClassShares(database.sql, fromMs, toMs),
    ])
    const names = new Map(engines.list().map(({ id, name }) => [id, name]))
    const view = await chargebackView(costs, shares, names, c.get('access').tenantIds)
    if (format === 'json') return c.json(view, 200)
    const headers = {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="chargeback.csv"',
    }
    return c.body(chargebackCsv(view, tenancy.labels()), 200, headers) as never
  })
}

const wholeMinute = (ms: number) => Math.floor(ms / MINUTE_MS) * MINUTE_MS
