/**
 * Costs of tenants by the class that their work was served as. Engines measure whose their time is,
 * not which class it was for, so a tenant's part of an engine is shared out by the service units of
 * what it settled there, by largest remainder: classes add up to the part.
 */
import { sharedOut } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'

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
  const rows = await sql<ShareRow[]>`
    select tenant_id as "tenantId", served_class as "serviceClass", rented_target as target,
      case when rented_target is null then engine_id end as "engineId",
      case when rented_target is not null then model end as model,
      sum(greatest(0, input_tokens - cached_tokens) + 2 * output_tokens)::text as units,
      coalesce(sum(spend_nanos), 0)::text as nanos
    from ledger_settlements
    where settled_at >= to_timestamp(${fromMs}::float8 / 1000)
      and settled_at < to_timestamp(${toMs}::float8 / 1000)
      and (engine_id is not null or rented_target is not null)
    group by 1, 2, 3, 4, 5`
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
