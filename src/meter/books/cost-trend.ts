/** Costs by month, and what the running month will come to. Pure. */
import { type Estimate, paceOf, sumOf } from '../forecast.ts'
import type { CostDay } from './cost-days.ts'

export interface CostMonth extends Omit<CostDay, 'atMs'> {
  /** Start of the month in UTC. */
  fromMs: number
}

export interface CostForecast {
  /** The running month. */
  fromMs: number
  toMs: number
  /** What it cost until now, nanos. */
  soFar: bigint
  /** Whole days that it is made of. */
  days: number
  /** Of the whole month, nanos; null: too few days to tell. */
  month: Estimate | null
}

const DAY_MS = 86_400_000
const WEEKDAYS = 7
/** What was before says little of how things are. */
const DAYS_MAX = 56

export const monthOf = (atMs: number, more = 0) => {
  const date = new Date(atMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more, 1)
}

/** Months with anything in them, the oldest first. */
export function costMonths(days: readonly CostDay[]): CostMonth[] {
  const months = new Map<number, CostMonth>()
  for (const { atMs, used, idle, rented } of days) {
    const fromMs = monthOf(atMs)
    const sum = months.get(fromMs) ?? { fromMs, used: 0n, idle: 0n, rented: 0n }
    months.set(fromMs, {
      fromMs,
      used: sum.used + used,
      idle: sum.idle + idle,
      rented: sum.rented + rented,
    })
  }
  return [...months.values()]
}

/**
 * From whole days, at most eight weeks of them, with weekdays; days without any cost since the
 * first one count as 0.
 * @param days as `costDays` gives them
 */
export function costForecast(days: readonly CostDay[], nowMs: number): CostForecast {
  const [fromMs, toMs] = [monthOf(nowMs), monthOf(nowMs, 1)]
  const todayMs = Math.floor(nowMs / DAY_MS) * DAY_MS
  const amounts = new Map(days.map((day) => [day.atMs, day.used + day.idle + day.rented]))
  const soFar = days
    .filter(({ atMs }) => atMs >= fromMs && atMs <= todayMs)
    .reduce((sum, { atMs }) => sum + (amounts.get(atMs) ?? 0n), 0n)
  // The first day may be part of one.
  const firstMs = Math.max((days[0]?.atMs ?? todayMs) + DAY_MS, todayMs - DAYS_MAX * DAY_MS)
  const past = span(firstMs, todayMs).map((atMs) => {
    return { place: weekday(atMs), amount: Number(amounts.get(atMs) ?? 0n) }
  })
  const pace = paceOf(past, WEEKDAYS)
  const head = { fromMs, toMs, soFar, days: past.length }
  if (pace === null) return { ...head, month: null }
  const coming = span(todayMs, toMs).map((atMs) => {
    return { place: weekday(atMs), share: atMs === todayMs ? 1 - (nowMs - atMs) / DAY_MS : 1 }
  })
  const rest = sumOf(pace, coming)
  const plus = (more: number) => Number(soFar) + more
  const month = { expected: plus(rest.expected), low: plus(rest.low), high: plus(rest.high) }
  return { ...head, month }
}

const weekday = (atMs: number) => new Date(atMs).getUTCDay()

function span(fromMs: number, toMs: number): number[] {
  const days = Math.max(0, Math.ceil((toMs - fromMs) / DAY_MS))
  return Array.from({ length: days }, (_, at) => fromMs + at * DAY_MS)
}
