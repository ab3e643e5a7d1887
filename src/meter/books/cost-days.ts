/**
 * What engines and rented services cost by day, for trends. Each day is rounded for itself, so days
 * may differ from a period's chargeback by some nanos; for what is billed that one holds.
 */
import { dividedHalfEven } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { settledWithin } from '../usage-hours.ts'
import { costAt, type EngineCost, engineCosts, hourlyNanos } from './engine-costs.ts'

/** Nanos. */
export interface CostDay {
  /** Start of the day in UTC. */
  atMs: number
  /** Engines while they worked for somebody. */
  used: bigint
  /** Engines while nobody used them, or could not be used. */
  idle: bigint
  rented: bigint
}

interface EngineDay {
  engineId: string
  dayMs: number
  /** Before how many changes of a cost it was. */
  changes: number
  registered: number
  idle: number
}

const HOUR_US = 3_600_000_000n

/** Days on which anything was measured or rented, the oldest first. @param fromMs start of a day */
export async function costDays(sql: Queries, fromMs: number, toMs: number): Promise<CostDay[]> {
  const costs = await engineCosts(sql)
  const days = new Map<number, CostDay>()
  const dayOf = (atMs: number) => {
    const known = days.get(atMs) ?? { atMs, used: 0n, idle: 0n, rented: 0n }
    days.set(atMs, known)
    return known
  }
  const changesMs = [...new Set(costs.map((cost) => cost.fromMs))].sort((a, b) => a - b)
  for (const row of await readEngineDays(sql, fromMs, toMs, changesMs)) {
    const day = dayOf(row.dayMs)
    const cost = costIn(costs, row, changesMs)
    const hourly = cost === undefined ? 0n : hourlyNanos(cost)
    const registered = BigInt(Math.max(0, row.registered))
    const idle = BigInt(Math.min(Math.max(0, row.idle), row.registered))
    day.idle += dividedHalfEven(idle * hourly, HOUR_US)
    day.used += dividedHalfEven((registered - idle) * hourly, HOUR_US)
  }
  for (const { dayMs, nanos } of await readRentedDays(sql, fromMs, toMs)) {
    dayOf(dayMs).rented += BigInt(nanos)
  }
  return [...days.values()].sort((a, b) => a.atMs - b.atMs)
}

function costIn(costs: readonly EngineCost[], row: EngineDay, changesMs: readonly number[]) {
  const sinceMs = changesMs[row.changes - 1]
  return sinceMs === undefined ? undefined : costAt(costs, row.engineId, sinceMs)
}

/** Microseconds; a minute that several gateways watched is no longer for that. */
function readEngineDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  return sql<EngineDay[]>`
    with changes as (
      select array(select to_timestamp(value::float8 / 1000)
        from jsonb_array_elements_text(${JSON.stringify(changesMs)}::text::jsonb) as value
        order by 1) as at
    ), minutes as (
      select engine_id, minute_at, sum(registered_s) as registered,
        sum(case when free_s is null then registered_s
          else free_s + drained_s + loading_s + down_s end) as idle
      from engine_minutes
      where minute_at >= to_timestamp(${fromMs}::float8 / 1000)
        and minute_at < to_timestamp(${toMs}::float8 / 1000)
      group by engine_id, minute_at
    )
    select engine_id as "engineId",
      (extract(epoch from date_bin('1 day', minute_at, 'epoch')) * 1000)::float8 as "dayMs",
      width_bucket(minute_at, changes.at) as changes,
      round(sum(least(registered, 60)) * 1e6)::int8 as registered,
      round(sum(idle * least(1, 60 / nullif(registered, 0))) * 1e6)::int8 as idle
    from minutes, changes group by 1, 2, 3`
}

function readRentedDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
): Promise<{ dayMs: number; nanos: string }[]> {
  const rented: ReturnType<Queries> = sql`and rented_target is not null`
  return sql`
    select (extract(epoch from date_bin('1 day', hour, 'epoch')) * 1000)::float8 as "dayMs",
      sum(spend_nanos)::text as nanos
    from (${settledWithin(sql, fromMs, toMs, rented)}) as settled
    group by 1`
}
