/** The chargeback of a period out of the ledger: engines, rented services, and what was saved. */
import { setImmediate } from 'node:timers/promises'
import type { Queries } from '../../store/index.ts'
import { settledWithin, usedWithin } from '../usage-hours.ts'
import type { ChargebackSum } from './chargeback.ts'
import type { Chargeback, IdleRule } from './chargeback-types.ts'
import type { CostBasis } from './cost-sums.ts'
import { sumOfPeriod } from './period-sum.ts'

/** Work that rented targets of routes did for a tenant, at the price of the service. */
export interface Overflow {
  tenantId: string
  target: string
  model: string
  requests: number
  inputTokens: number
  outputTokens: number
  nanos: bigint
}

/** Tokens that no engine had to work for again. */
export interface Saving {
  tenantId: string
  /** Prompt tokens out of prefix caches. */
  cachedTokens: number
  /** Tokens of answers out of the response cache, read and written. */
  hitTokens: number
}

export interface PeriodCosts extends Chargeback {
  fromMs: number
  toMs: number
  overflow: Overflow[]
  savings: Saving[]
}

/**
 * @param fromMs a whole minute, inclusive
 * @param toMs a whole minute, exclusive
 */
export async function periodCosts(
  sql: Queries,
  fromMs: number,
  toMs: number,
  rule: IdleRule,
  basis: CostBasis,
): Promise<PeriodCosts> {
  const settled = basis === 'sums' ? usedWithin : settledWithin
  const [sum, overflow, savings] = await Promise.all([
    sumOfPeriod(sql, fromMs, toMs, basis),
    readOverflow(sql, settled(sql, fromMs, toMs, rented(sql))),
    readSavings(sql, settled(sql, fromMs, toMs, sql``)),
  ])
  return { fromMs, toMs, ...(await finishInSteps(sum, rule)), overflow, savings }
}

/** With hundreds of tenants it takes a while, in which others have their turn. */
async function finishInSteps(sum: ChargebackSum, rule: IdleRule): Promise<Chargeback> {
  const steps = sum.finishing(rule)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await setImmediate()
  }
}

type Fragment = ReturnType<Queries>

const rented = (sql: Queries): Fragment => sql`and rented_target is not null`

async function readOverflow(sql: Queries, settled: Fragment): Promise<Overflow[]> {
  const rows = await sql<(Omit<Overflow, 'nanos'> & { nanos: string })[]>`
    select tenant_id as "tenantId", rented_target collate "default" as target,
      model collate "default" as model, sum(requests)::int8 as requests,
      sum(input_tokens)::int8 as "inputTokens", sum(output_tokens)::int8 as "outputTokens",
      sum(spend_nanos)::text as nanos
    from (${settled}) as settled
    group by 1, 2, 3 order by 1, 2, 3`
  return rows.map((row) => ({ ...row, nanos: BigInt(row.nanos) }))
}

async function readSavings(sql: Queries, settled: Fragment): Promise<Saving[]> {
  const rows = await sql<Saving[]>`
    select tenant_id as "tenantId", sum(cached_tokens)::int8 as "cachedTokens",
      sum(hit_input_tokens + hit_output_tokens)::int8 as "hitTokens"
    from (${settled}) as settled
    group by 1 having sum(cached_tokens) > 0 or sum(hits) > 0 order by 1`
  return [...rows]
}
