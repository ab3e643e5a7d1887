/**
 * What engines and rented services cost by day, for trends. Each day is rounded for itself, so days
 * may differ from a period's chargeback by some nanos; for what is billed that one holds.
 */
import { dividedHalfEven } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { rentedDays } from '../usage-hours.ts'
import { costAt, type EngineCost, engineCosts, hourlyNanos } from './engine-costs.ts'
import { type EngineDay, readEngineDays } from './engine-days.ts'

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

const HOUR_US = 3_600_000_000n

/**
 * Days on which anything was measured or rented, the oldest first.
 * @param fromMs start of a day; @param toMs as well, or now
 * @param tenantIds whose rented services; undefined: of all
 */
export async function costDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
  tenantIds?: readonly string[],
): Promise<CostDay[]> {
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
  for (const { dayMs, nanos } of await rentedDays(sql, fromMs, toMs, tenantIds)) {
    dayOf(dayMs).rented += BigInt(nanos)
  }
  return [...days.values()].sort((a, b) => a.atMs - b.atMs)
}

function costIn(costs: readonly EngineCost[], row: EngineDay, changesMs: readonly number[]) {
  const sinceMs = changesMs[row.changes - 1]
  return sinceMs === undefined ? undefined : costAt(costs, row.engineId, sinceMs)
}
