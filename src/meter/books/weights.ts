/** The weights that tenants had, span by span in which none of them changed. */
import type { Queries } from '../../store/index.ts'
import type { Weights } from './chargeback-types.ts'

export interface WeightChange {
  tenantId: string
  fromMs: number
  /** 0: archived. */
  weight: number
}

const MICRO = 1e6
const MINUTE_MS = 60_000

/**
 * A weight holds from the beginning of the minute in which it was set, so that a new tenant has its
 * share from its first request on.
 * @param changes in any order; of two of a tenant at the same time the later in the list holds
 */
export function weightSpans(changes: readonly WeightChange[]): Weights[] {
  const sorted = [...changes]
    .sort((a, b) => a.fromMs - b.fromMs)
    .map((change) => ({ ...change, fromMs: wholeMinute(change.fromMs) }))
  const spans: Weights[] = [{ fromMs: Number.NEGATIVE_INFINITY, of: new Map(), total: 0n }]
  const now = new Map<string, bigint>()
  for (const [at, { tenantId, fromMs, weight }] of sorted.entries()) {
    if (weight === 0) now.delete(tenantId)
    else now.set(tenantId, BigInt(Math.round(weight * MICRO)))
    if (sorted[at + 1]?.fromMs === fromMs) continue
    const total = [...now.values()].reduce((sum, one) => sum + one, 0n)
    spans.push({ fromMs, of: new Map(now), total })
  }
  return spans
}

type Fragment = ReturnType<Queries>

const wholeMinute = (ms: number) => Math.floor(ms / MINUTE_MS) * MINUTE_MS

/** What holds in the minute that begins then. @param spans as `weightSpans` makes them */
export function weightsAt(spans: readonly Weights[], atMs: number): Weights {
  let [low, high] = [0, spans.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((spans[middle] as Weights).fromMs <= atMs) low = middle
    else high = middle - 1
  }
  return spans[low] as Weights
}

/**
 * Changes that matter from one moment to another: those of before it as if all were made then.
 * @param untilMs exclusive
 */
export async function readWeights(
  sql: Queries,
  fromMs: number,
  untilMs: number,
): Promise<WeightChange[]> {
  const from: Fragment = sql`to_timestamp(${fromMs}::float8 / 1000)`
  const rows = await sql<WeightChange[]>`
    select tenant_id as "tenantId", (extract(epoch from at) * 1000)::float8 as "fromMs", weight
    from (
      (select distinct on (tenant_id) tenant_id, weight, ${from} as at, 0::int8 as id
        from tenant_weights where from_at <= ${from} order by tenant_id, from_at desc, id desc)
      union all
      select tenant_id, weight, from_at, id from tenant_weights
      where from_at > ${from} and from_at < to_timestamp(${untilMs}::float8 / 1000)
    ) as changes
    order by at, id`
  return [...rows]
}
