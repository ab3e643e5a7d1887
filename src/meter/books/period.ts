/** The chargeback of a period out of the ledger: engines, rented services, and what was saved. */
import type { Queries } from '../../store/index.ts'
import { settledWithin } from '../usage-hours.ts'
import { ChargebackSum } from './chargeback.ts'
import type { Chargeback, IdleRule } from './chargeback-types.ts'
import { engineCosts } from './engine-costs.ts'
import { readEngineMinutes } from './engine-minutes.ts'
import { readWeights, weightSpans } from './weights.ts'

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
): Promise<PeriodCosts> {
  const weights = weightSpans(await readWeights(sql, toMs))
  const sum = new ChargebackSum(await engineCosts(sql), weights)
  for await (const minute of readEngineMinutes(sql, fromMs, toMs)) sum.add(minute)
  const overflow = await readOverflow(sql, fromMs, toMs)
  const savings = await readSavings(sql, fromMs, toMs)
  return { fromMs, toMs, ...sum.finish(rule), overflow, savings }
}

async function readOverflow(sql: Queries, fromMs: number, toMs: number): Promise<Overflow[]> {
  const rented: ReturnType<Queries> = sql`and rented_target is not null`
  const rows = await sql<(Omit<Overflow, 'nanos'> & { nanos: string })[]>`
    select tenant_id as "tenantId", rented_target collate "default" as target,
      model collate "default" as model, sum(requests)::int8 as requests,
      sum(input_tokens)::int8 as "inputTokens", sum(output_tokens)::int8 as "outputTokens",
      sum(spend_nanos)::text as nanos
    from (${settledWithin(sql, fromMs, toMs, rented)}) as settled
    group by 1, 2, 3 order by 1, 2, 3`
  return rows.map((row) => ({ ...row, nanos: BigInt(row.nanos) }))
}

async function readSavings(sql: Queries, fromMs: number, toMs: number): Promise<Saving[]> {
  const rows = await sql<Saving[]>`
    select tenant_id as "tenantId", sum(cached_tokens)::int8 as "cachedTokens",
      sum(hit_input_tokens + hit_output_tokens)::int8 as "hitTokens"
    from (${settledWithin(sql, fromMs, toMs, sql``)}) as settled
    group by 1 having sum(cached_tokens) > 0 or sum(hits) > 0 order by 1`
  return [...rows]
}
