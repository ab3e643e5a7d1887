/** Who asked for what, and which engine or rented target answered, in a short time. */
import { type Queries, textArray } from '../store/index.ts'

export interface FlowFilter {
  /** Settled from here (inclusive) to there (exclusive), milliseconds since the epoch. */
  fromMs: number
  toMs: number
  /** Only these tenants; undefined means all, an empty list none. */
  tenantIds?: readonly string[] | undefined
}

export interface FlowRow {
  tenantId: string
  /** The name that was asked for. */
  model: string
  /** null: no engine was reached. */
  engineId: string | null
  /** null: own engines. */
  rentedTarget: string | null
  requests: number
  /** Of these, ended otherwise than with a whole answer. */
  cut: number
}

/** @returns the largest flows first, and how many requests there were in all */
export async function queryFlow(
  sql: Queries,
  { fromMs, toMs, tenantIds }: FlowFilter,
  limit: number,
): Promise<{ rows: FlowRow[]; requests: number }> {
  const mine = tenantIds ? sql`and tenant_id = any (${textArray(tenantIds)}::text[])` : sql``
  const found = await sql<(FlowRow & { total: number })[]>`
    select tenant_id as "tenantId", model, engine_id as "engineId",
      rented_target as "rentedTarget", count(*)::int as requests,
      (count(*) filter (where settlement_group <> 'finished'))::int as cut,
      (sum(count(*)) over ())::int as total
    from ledger_settlements
    where settled_at >= to_timestamp(${fromMs}::float8 / 1000)
      and settled_at < to_timestamp(${toMs}::float8 / 1000) ${mine}
    group by 1, 2, 3, 4
    order by requests desc, 1, 2, 3, 4 limit ${limit}`
  const rows = found.map(({ tenantId, model, engineId, rentedTarget, requests, cut }) => {
    return { tenantId, model, engineId, rentedTarget, requests, cut }
  })
  return { rows, requests: found[0]?.total ?? 0 }
}
