/**
 * Engine minutes: what each engine could have done and did. Written once a minute, read by charts.
 */
import type { Database, Queries } from '../store/index.ts'
import { forgetEngineDays } from './books/engine-days.ts'
import type { CapacityMinute } from './types.ts'

/** Sums over all engines asked for, per step. */
export interface CapacityPoint {
  /** Start of the step, milliseconds since the epoch. */
  atMs: number
  registeredS: number
  upS: number
  idleS: number
  /**
   * Calibrated capacity over the seconds registered, service units; engines without are left out.
   */
  capacityUnits: number
  slotS: number
  capSlotS: number
}

/** What one tenant got of the engines asked for, per step; service units. */
export interface TenantCapacityPoint {
  atMs: number
  tenantId: string
  interactiveUnits: number
  backgroundUnits: number
  entitledUnits: number
  wasteUnits: number
}

export interface CapacityFilter {
  fromMs: number
  toMs: number
  /** Width of a step, seconds; a multiple of 60. */
  stepS: number
  engineId?: string | undefined
  tenantId?: string | undefined
}

/**
 * Writes minutes in one transaction. The same minute of the same recorder again replaces what is
 * there, so a call may be repeated.
 * @param recorder this run of the gateway; another one keeps rows of its own for a minute both saw
 */
export async function recordCapacity(
  database: Pick<Database, 'transaction'>,
  recorder: string,
  minutes: readonly CapacityMinute[],
): Promise<void> {
  if (minutes.length === 0) return
  const shares = minutes.flatMap(({ engineId, minuteAtMs, tenants }) =>
    tenants.map((tenant) => ({ engineId, minuteAtMs, ...tenant })),
  )
  const heads = minutes.map((minute) => ({ ...minute, tenants: undefined }))
  await database.transaction(async (sql) => {
    await sql`
      insert into engine_minutes (engine_id, minute_at, recorder, registered_s, up_s, idle_s,
        capacity_units_per_s, slot_s, cap_slot_s, degraded_s, draining_s, free_s, drained_s,
        loading_s, down_s, attempts, failures)
      select "engineId", to_timestamp("minuteAtMs" / 1000), ${recorder}, "registeredS", "upS",
        "idleS", "capacityUnitsPerS", "slotS", "capSlotS", "degradedS", "drainingS", "freeS",
        "drainedS", "loadingS", "downS", attempts, failures
      from json_to_recordset(${JSON.stringify(heads)}::text::json) as given (
        "engineId" text, "minuteAtMs" float8, "registeredS" float8, "upS" float8, "idleS" float8,
        "capacityUnitsPerS" float8, "slotS" float8, "capSlotS" float8, "degradedS" float8,
        "drainingS" float8, "freeS" float8, "drainedS" float8, "loadingS" float8, "downS" float8,
        attempts int, failures jsonb)
      on conflict (minute_at, engine_id, recorder) do update set
        registered_s = excluded.registered_s, up_s = excluded.up_s, idle_s = excluded.idle_s,
        capacity_units_per_s = excluded.capacity_units_per_s, slot_s = excluded.slot_s,
        cap_slot_s = excluded.cap_slot_s, degraded_s = excluded.degraded_s,
        draining_s = excluded.draining_s, free_s = excluded.free_s,
        drained_s = excluded.drained_s, loading_s = excluded.loading_s,
        down_s = excluded.down_s, attempts = excluded.attempts,
        failures = excluded.failures`
    await sql`
      delete from engine_minute_tenants t
      using json_to_recordset(${JSON.stringify(heads)}::text::json) as given (
        "engineId" text, "minuteAtMs" float8)
      where t.engine_id = "engineId" and t.minute_at = to_timestamp("minuteAtMs" / 1000)
        and t.recorder = ${recorder}`
    await sql`
      insert into engine_minute_tenants (engine_id, minute_at, recorder, tenant_id, engine_s,
        interactive_units, background_units, entitled_units, waste)
      select "engineId", to_timestamp("minuteAtMs" / 1000), ${recorder}, "tenantId",
        "engineS", "interactiveUnits", "backgroundUnits", "entitledUnits", waste
      from json_to_recordset(${JSON.stringify(shares)}::text::json) as given (
        "engineId" text, "minuteAtMs" float8, "tenantId" text, "engineS" float8,
        "interactiveUnits" float8,
        "backgroundUnits" float8, "entitledUnits" float8, waste jsonb)`
    await forgetEngineDays(
      sql,
      minutes.map(({ minuteAtMs }) => minuteAtMs),
    )
  })
}

/** Capacity per step, oldest first; steps without a row are left out. */
export async function queryCapacity(
  sql: Queries,
  filter: CapacityFilter,
): Promise<CapacityPoint[]> {
  const points = await sql<CapacityPoint[]>`
    select ${stepOf(sql, filter)} as "atMs", sum(registered_s) as "registeredS",
      sum(up_s) as "upS", sum(idle_s) as "idleS",
      coalesce(sum(capacity_units_per_s * registered_s), 0) as "capacityUnits",
      sum(slot_s) as "slotS", sum(cap_slot_s) as "capSlotS"
    from engine_minutes
    where ${period(sql, filter)}
    group by 1 order by 1`
  return [...points]
}

/** Service per tenant and step, oldest first. */
export async function queryTenantCapacity(
  sql: Queries,
  filter: CapacityFilter,
): Promise<TenantCapacityPoint[]> {
  const { tenantId } = filter
  const points = await sql<TenantCapacityPoint[]>`
    select ${stepOf(sql, filter)} as "atMs", tenant_id as "tenantId",
      sum(interactive_units) as "interactiveUnits", sum(background_units) as "backgroundUnits",
      sum(entitled_units) as "entitledUnits", sum(wasted) as "wasteUnits"
    from engine_minute_tenants, lateral (
      select coalesce(sum(value::float8), 0) as wasted from jsonb_each_text(waste)) as w
    where ${period(sql, filter)}
      ${tenantId === undefined ? sql`` : sql`and tenant_id = ${tenantId}`}
    group by 1, 2 order by 1, 2`
  return [...points]
}

function stepOf(sql: Queries, { stepS }: CapacityFilter) {
  return sql`(floor(extract(epoch from minute_at) / ${stepS}::int) * ${stepS}::int * 1000)::int8`
}

function period(sql: Queries, { fromMs, toMs, engineId }: CapacityFilter) {
  return sql`minute_at >= to_timestamp(${fromMs}::float8 / 1000)
    and minute_at < to_timestamp(${toMs}::float8 / 1000)
    ${engineId === undefined ? sql`` : sql`and engine_id = ${engineId}`}`
}
