/** Engine minutes: what each engine could have done and did. Written once a minute. */
import type { Database } from '../store/index.ts'
import type { CapacityMinute } from './types.ts'

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
  })
}
