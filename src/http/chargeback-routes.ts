/** The route of chargeback: what a period cost, and who pays for it. */
import { createRoute, z } from '@hono/zod-openapi'
import { decimalOf, GristmillError } from '../base/index.ts'
import { type ChargeLine, idleRules, type PeriodCosts, periodCosts } from '../meter/index.ts'
import { type Api, answer, needs } from './api.ts'
import type * as contract from './contract.ts'
import type { HttpOptions } from './services.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Longer ones are closed month by month. */
const SPAN_MS_MAX = 370 * DAY_MS

const time = z.iso.datetime({ offset: true })

const line = z
  .object({
    engineId: z.string(),
    kind: z.enum(['entitled', 'borrowed', 'wasted', 'shared']),
    cause: z.string(),
    engineS: z.number(),
    amount: z.string(),
  })
  .openapi('ChargeLine') satisfies z.ZodType<contract.ChargeLineView>

const overflow = z.object({
  target: z.string(),
  model: z.string(),
  requests: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  amount: z.string(),
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
    }),
  },
  responses: { 200: answer('The chargeback.', chargeback) },
})

/** @param api where the route is added */
export function chargebackRoutes(api: Api, { database, engines, clock }: HttpOptions): void {
  api.openapi(readChargeback, async (c) => {
    const { from, to, rule } = c.req.valid('query')
    const toMs = wholeMinute(to === undefined ? clock.nowMs() : Date.parse(to))
    const fromMs = wholeMinute(from === undefined ? toMs - DAY_MS : Date.parse(from))
    if (fromMs >= toMs || toMs - fromMs > SPAN_MS_MAX) {
      const reason = 'it must be before `to`, and a year before it at most'
      throw new GristmillError('invalid_value', { param: 'from', reason })
    }
    const costs = await periodCosts(database.sql, fromMs, toMs, rule)
    const names = new Map(engines.list().map(({ id, name }) => [id, name]))
    return c.json(chargebackView(costs, names, c.get('access').tenantIds), 200)
  })
}

const wholeMinute = (ms: number) => Math.floor(ms / MINUTE_MS) * MINUTE_MS
const inSeconds = (us: bigint) => Number(us) / 1e6
const sumOf = (rows: readonly { nanos: bigint }[]) =>
  rows.reduce((sum, { nanos }) => sum + nanos, 0n)

/** @param reach only these tenants; null means all */
function chargebackView(
  costs: PeriodCosts,
  names: ReadonlyMap<string, string>,
  reach: readonly string[] | null,
): contract.ChargebackView {
  const { fromMs, toMs, rule, engines, lines } = costs
  const unallocated = lines.filter(({ tenantId }) => tenantId === null)
  return {
    fromAt: new Date(fromMs).toISOString(),
    toAt: new Date(toMs).toISOString(),
    rule,
    engines: engines.map(({ engineId, registeredUs, nanos, uncostedUs, unexplainedUs }) => ({
      engineId,
      name: names.get(engineId) ?? engineId,
      registeredS: inSeconds(registeredUs),
      uncostedS: inSeconds(uncostedUs),
      unexplainedS: inSeconds(unexplainedUs),
      cost: decimalOf(nanos),
    })),
    tenants: tenantsIn(costs)
      .filter((tenantId) => reach === null || reach.includes(tenantId))
      .map((tenantId) => tenantView(costs, tenantId)),
    unallocated:
      reach === null
        ? { total: decimalOf(sumOf(unallocated)), lines: unallocated.map(lineView) }
        : null,
    engineCost: decimalOf(sumOf(engines)),
    overflowCost: decimalOf(sumOf(costs.overflow)),
  }
}

function tenantsIn({ lines, overflow: rented, savings, lentUs }: PeriodCosts): string[] {
  const ids = [...lines, ...rented, ...savings].map(({ tenantId }) => tenantId)
  const known = new Set([...ids, ...lentUs.keys()].filter((id) => id !== null))
  return [...known].sort((a, b) => (a < b ? -1 : 1))
}

function tenantView(costs: PeriodCosts, tenantId: string): contract.ChargedTenantView {
  const isOf = (row: { tenantId: string | null }) => row.tenantId === tenantId
  const lines = costs.lines.filter(isOf)
  const rented = costs.overflow.filter(isOf)
  const { cachedTokens = 0, hitTokens = 0 } = costs.savings.find(isOf) ?? {}
  return {
    tenantId,
    total: decimalOf(sumOf(lines) + sumOf(rented)),
    lines: lines.map(lineView),
    overflow: rented.map(({ target, model, requests, inputTokens, outputTokens, nanos }) => {
      return { target, model, requests, inputTokens, outputTokens, amount: decimalOf(nanos) }
    }),
    lentS: inSeconds(costs.lentUs.get(tenantId) ?? 0n),
    cachedTokens,
    hitTokens,
  }
}

function lineView({ engineId, kind, cause, engineUs, nanos }: ChargeLine): contract.ChargeLineView {
  return { engineId, kind, cause, engineS: inSeconds(engineUs), amount: decimalOf(nanos) }
}
