/**
 * Costs of tenants by the class that their work was served as. Engines measure whose their time is,
 * not which class it was for, so a tenant's part of an engine is shared out by the service units of
 * what it settled there, by largest remainder: classes add up to the part.
 */
import { sharedOut } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { rowsOf, withParts } from './cost-sums.ts'

/** The class of work of which nothing is settled in the period. */
export const UNSETTLED = 'unsettled'

/** By key of `engineKey` or `rentedKey`: class → service units, or nanos. */
export type ClassShares = ReadonlyMap<string, ReadonlyMap<string, bigint>>

export const engineKey = (tenantId: string, engineId: string) => `${tenantId} engine ${engineId}`
export const rentedKey = (tenantId: string, target: string, model: string) =>
  `${tenantId} rented ${target} ${model}`

interface ShareRow {
  tenantId: string
  serviceClass: string
  engineId: string | null
  target: string | null
  model: string | null
  units: string
  nanos: string
}

/** Service units on own engines, and what rented targets cost, of what was settled in a period. */
export async function readClassShares(
  sql: Queries,
  fromMs: number,
  toMs: number,
): Promise<ClassShares> {
  const rows = await withParts(sql, fromMs, toMs, ({ parts, gaps }) => {
    const from: Fragment = sql`to_timestamp(gap.from_s)`
    const until: Fragment = sql`to_timestamp(gap.until_s)`
    const times = gaps.map(([fromGapMs, toGapMs]) => {
      return { from_s: fromGapMs / 1000, until_s: toGapMs / 1000 }
    })
    return sql<ShareRow[]>`
      select tenant_id as "tenantId", served_class as "serviceClass", rented_target as target,
        engine_id as "engineId", model, sum(units)::text as units, sum(nanos)::text as nanos
      from (
        select tenant_id, served_class, engine_id, rented_target, model, sum(units) as units,
          sum(nanos) as nanos
        from cost_sum_classes where ${rowsOf(sql, parts)} group by 1, 2, 3, 4, 5
        union all
        select tenant_id, served_class, engine_id, rented_target, model, units, nanos
        from json_to_recordset(${JSON.stringify(times)}::text::json) as gap (
          from_s float8, until_s float8), lateral (${settledByClass(sql, from, until)}) as late
      ) as settled
      group by 1, 2, 3, 4, 5`
  })
  const shares = new Map<string, Map<string, bigint>>()
  for (const { tenantId, serviceClass, engineId, target, model, units, nanos } of rows) {
    const isRented = target !== null
    const key = isRented
      ? rentedKey(tenantId, target, model ?? '')
      : engineKey(tenantId, engineId ?? '')
    const classes = shares.get(key) ?? new Map<string, bigint>()
    shares.set(key, classes)
    classes.set(serviceClass, BigInt(isRented ? nanos : units))
  }
  return shares
}

/** @returns nanos by class; all of it is `unsettled` where nothing is known of its work */
export function byClass(nanos: bigint, shares: ReadonlyMap<string, bigint> | undefined) {
  const parts = sharedOut(nanos, shares ?? new Map<string, bigint>())
  return parts.size === 0 ? new Map([[UNSETTLED, nanos]]) : parts
}

type Fragment = ReturnType<Queries>

/** Rows as of `cost_sum_classes`, each of a request. */
export const settledByClass = (sql: Queries, from: Fragment, until: Fragment): Fragment => sql`
  select tenant_id, served_class, case when rented_target is null then engine_id end as engine_id,
    rented_target, case when rented_target is not null then model end as model,
    (greatest(0, input_tokens - cached_tokens) + 2 * output_tokens)::int8 as units,
    coalesce(spend_nanos, 0) as nanos, settled_at
  from ledger_settlements
  where settled_at >= ${from} and settled_at < ${until}
    and (engine_id is not null or rented_target is not null)`
