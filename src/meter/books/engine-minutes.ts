/** Minutes of engines out of the capacity rows, part by part, so that a year fits in memory. */
import { setImmediate } from 'node:timers/promises'
import type { Queries } from '../../store/index.ts'
import type { EngineMinute, IdleCause, MinuteUse } from './chargeback-types.ts'

/** Whose work is a measurement of ours, in the name of nobody. */
const CALIBRATION = 'calibration'
const PART_MS = 6 * 3_600_000
/** Others have their turn after so many uses: hundreds of tenants make a part a second of work. */
const USES_AT_ONCE = 1000

interface Head extends Record<Exclude<IdleCause, 'calibration'>, number> {
  engineId: string
  atMs: number
  registered: number
}

interface UseRow {
  engineId: string
  atMs: number
  tenantId: string
  used: number
  units: number
}

interface WasteRow extends Omit<UseRow, 'used'> {
  cause: string
}

/** All minutes of a period, in the order of time. Rows of several gateways are summed up. */
export async function* readEngineMinutes(
  sql: Queries,
  fromMs: number,
  toMs: number,
): AsyncGenerator<EngineMinute> {
  for (let atMs = fromMs; atMs < toMs; atMs += PART_MS) {
    const part = [atMs, Math.min(toMs, atMs + PART_MS)] as const
    const [heads, uses, wastes] = await Promise.all([
      readHeads(sql, ...part),
      readUses(sql, ...part),
      readWastes(sql, ...part),
    ])
    const usesOf = grouped(uses)
    const wastesOf = grouped(wastes)
    let seen = 0
    for (const head of heads) {
      const key = keyOf(head)
      const used = usesOf.get(key) ?? []
      yield minuteOf(head, used, wastesOf.get(key) ?? [])
      seen += used.length
      if (seen < USES_AT_ONCE) continue
      seen = 0
      await setImmediate()
    }
  }
}

const keyOf = ({ engineId, atMs }: { engineId: string; atMs: number }) => `${engineId} ${atMs}`

function grouped<Row extends { engineId: string; atMs: number }>(rows: readonly Row[]) {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const known = groups.get(keyOf(row))
    if (known) known.push(row)
    else groups.set(keyOf(row), [row])
  }
  return groups
}

function minuteOf(head: Head, uses: UseRow[], wastes: WasteRow[]): EngineMinute {
  const { engineId, atMs, registered, ...causes } = head
  const idle = new Map<IdleCause, bigint>()
  const note = (cause: IdleCause, us: number) => us > 0 && idle.set(cause, BigInt(us))
  for (const cause of ['free', 'drained', 'loading', 'down', 'unmeasured'] as const) {
    note(cause, causes[cause])
  }
  const wasteOf = new Map<string, Map<string, bigint>>()
  for (const { tenantId, cause, units } of wastes) {
    const own = wasteOf.get(tenantId) ?? new Map<string, bigint>()
    wasteOf.set(tenantId, own.set(cause, BigInt(units)))
  }
  const tenants: MinuteUse[] = []
  for (const { tenantId, used, units } of uses) {
    if (tenantId === CALIBRATION) note(CALIBRATION, used)
    else {
      const waste = wasteOf.get(tenantId) ?? new Map<string, bigint>()
      tenants.push({ tenantId, usedUs: BigInt(used), microUnits: BigInt(units), waste })
    }
  }
  return { engineId, atMs, registeredUs: BigInt(registered), idle, tenants }
}

const key = (sql: Queries) => sql`
  engine_id as "engineId", (extract(epoch from minute_at) * 1000)::float8 as "atMs"`
const micro = (sql: Queries, value: ReturnType<Queries>) =>
  sql`coalesce(sum(round((${value}) * 1e6)), 0)::int8`
const within = (sql: Queries, fromMs: number, toMs: number) => sql`
  minute_at >= to_timestamp(${fromMs}::float8 / 1000)
  and minute_at < to_timestamp(${toMs}::float8 / 1000)`

function readHeads(sql: Queries, fromMs: number, toMs: number): Promise<Head[]> {
  const sum = (value: ReturnType<Queries>) => micro(sql, value)
  return sql<Head[]>`
    select ${key(sql)}, ${sum(sql`registered_s`)} as registered, ${sum(sql`free_s`)} as free,
      ${sum(sql`drained_s`)} as drained, ${sum(sql`loading_s`)} as loading,
      ${sum(sql`down_s`)} as down,
      ${sum(sql`case when free_s is null then registered_s end`)} as unmeasured
    from engine_minutes where ${within(sql, fromMs, toMs)}
    group by minute_at, engine_id order by minute_at, engine_id`
}

function readUses(sql: Queries, fromMs: number, toMs: number): Promise<UseRow[]> {
  return sql<UseRow[]>`
    select ${key(sql)}, tenant_id as "tenantId", ${micro(sql, sql`engine_s`)} as used,
      ${micro(sql, sql`interactive_units + background_units`)} as units
    from engine_minute_tenants where ${within(sql, fromMs, toMs)}
    group by minute_at, engine_id, tenant_id`
}

function readWastes(sql: Queries, fromMs: number, toMs: number): Promise<WasteRow[]> {
  return sql<WasteRow[]>`
    select ${key(sql)}, tenant_id as "tenantId", w.key as cause,
      ${micro(sql, sql`w.value::float8`)} as units
    from engine_minute_tenants, jsonb_each_text(waste) as w
    where waste <> '{}' and ${within(sql, fromMs, toMs)}
    group by minute_at, engine_id, tenant_id, w.key`
}
