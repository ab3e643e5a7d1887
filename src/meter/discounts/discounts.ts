/** What tenants get off a period, worked out when it is closed, before that as an estimate. */
import type { Queries } from '../../store/index.ts'
import { settledWithin } from '../usage-hours.ts'
import { readTerms, termsFor } from './discount-terms.ts'
import type { DiscountLine, Discounts, HourUse } from './discount-types.ts'
import { grantedOf, linesOf } from './granted.ts'
import { monthParts } from './months.ts'

export interface DiscountQuestion {
  tenantId: string
  fromMs: number
  toMs: number
  plan: string | null
  /** Only terms up to this version; undefined: all there are. */
  book?: number | undefined
}

/** undefined where there never were any terms. */
export async function readDiscounts(
  sql: Queries,
  { tenantId, fromMs, toMs, plan, book }: DiscountQuestion,
): Promise<Discounts | undefined> {
  const terms = (await readTerms(sql)).filter(({ version }) => version <= (book ?? Infinity))
  const newest = terms.at(-1)
  if (newest === undefined) return undefined
  const lines: DiscountLine[] = []
  for (const part of monthParts(fromMs, toMs)) {
    const { month, startMs } = part
    const found = termsFor(terms, tenantId, plan, month)
    if (found === null) continue
    const granted = async (untilMs: number) =>
      grantedOf(found, await readHours(sql, tenantId, startMs, untilMs))
    lines.push(...linesOf(found, month, await granted(part.fromMs), await granted(part.toMs)))
  }
  return { plan, book: newest.version, lines }
}

async function readHours(
  sql: Queries,
  tenantId: string,
  fromMs: number,
  toMs: number,
): Promise<HourUse[]> {
  if (fromMs === toMs) return []
  const only: ReturnType<Queries> = sql`and tenant_id = ${tenantId}`
  const rows = await sql<Record<keyof HourUse, string>[]>`
    select sum(charge_nanos)::text as nanos,
      sum(input_tokens::int8 + output_tokens)::text as tokens
    from (${settledWithin(sql, fromMs, toMs, only)}) as settled group by hour order by hour`
  return rows.map(({ nanos, tokens }) => ({ nanos: BigInt(nanos), tokens: BigInt(tokens) }))
}

/** Price plans that tenants have now. */
export async function readPlans(sql: Queries): Promise<Map<string, string | null>> {
  const rows = await sql<{ id: string; plan: string | null }[]>`
    select id, price_plan as plan from tenants`
  return new Map(rows.map(({ id, plan }) => [id, plan]))
}
