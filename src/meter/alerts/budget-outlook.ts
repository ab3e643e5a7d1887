/** When a budget will be used up, from what was spent in hours before. Pure. */
import type { BudgetStanding } from '../budgets/budget-types.ts'
import { leftOf } from '../budgets/hold.ts'
import { periodAt } from '../budgets/period.ts'
import { emptyAt, type PastStep, paceOf } from '../forecast.ts'
import type { Outlook } from './alert-types.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WEEKDAYS = 7
const HOURS = 24
/** What is looked back on, and how far ahead for a budget that never renews. */
export const DAYS_BACK = 28
const DAYS_AHEAD = 60

export interface HourSpent {
  /** Start of the hour. */
  atMs: number
  amount: bigint
}

/**
 * Days with their weekdays, or, of a budget of a day, hours with their time of the day.
 * @param spent by whom the budget is for, since `DAYS_BACK` days; hours without any are missing
 * @param zone by whose days it renews
 */
export function outlookOf(
  { budget, endMs, spent: spentNow }: BudgetStanding,
  spent: readonly HourSpent[],
  zone: string,
  nowMs: number,
): Outlook {
  const { period, endUser, limit } = budget
  if (period === 'hour' || endUser !== null) return { kind: 'none' }
  const step = period === 'day' ? hourly : daily
  const left = leftOf({ limit, spent: spentNow })
  if (left === 0n) return { kind: 'none' }
  const past = step.past(spent, zone, nowMs)
  const pace = paceOf(past, step.cycle)
  if (pace === null) return { kind: 'few', steps: past.length }
  const untilMs = Math.min(endMs, nowMs + DAYS_AHEAD * DAY_MS)
  const found = emptyAt(pace, Number(left), step.coming(nowMs, untilMs, zone))
  const { expectedMs, latestMs } = found
  if (expectedMs === null) return { kind: 'lasts', steps: past.length }
  const earliestMs = found.earliestMs ?? expectedMs
  return { kind: 'empty', forecast: { expectedMs, earliestMs, latestMs, steps: past.length } }
}

interface Steps {
  cycle: number
  past(spent: readonly HourSpent[], zone: string, nowMs: number): PastStep[]
  coming(nowMs: number, untilMs: number, zone: string): ComingSpan[]
}

interface ComingSpan {
  place: number
  share: number
  startMs: number
  endMs: number
}

const dayAt = (atMs: number, zone: string) => periodAt('day', atMs, zone)
/** The noon of a day is in it, whatever clocks do. */
const weekday = (startMs: number) => new Date(startMs + DAY_MS / 2).getUTCDay()

const daily: Steps = {
  cycle: WEEKDAYS,
  past(spent, zone, nowMs) {
    const sums = new Map<number, number>()
    for (const { atMs, amount } of spent) {
      const { startMs } = dayAt(atMs, zone)
      sums.set(startMs, (sums.get(startMs) ?? 0) + Number(amount))
    }
    const todayMs = dayAt(nowMs, zone).startMs
    const firstMs = Math.min(...sums.keys(), todayMs)
    const steps: PastStep[] = []
    let startMs = dayAt(Math.max(firstMs, nowMs - DAYS_BACK * DAY_MS), zone).startMs
    while (startMs < todayMs) {
      const { endMs } = dayAt(startMs, zone)
      // The first day may be part of one.
      if (startMs > firstMs) {
        steps.push({ place: weekday(startMs), amount: sums.get(startMs) ?? 0 })
      }
      startMs = endMs
    }
    return steps
  },
  coming(nowMs, untilMs, zone) {
    const spans: ComingSpan[] = []
    for (let atMs = nowMs; atMs < untilMs; ) {
      const day = dayAt(atMs, zone)
      const endMs = Math.min(day.endMs, untilMs)
      const share = (endMs - atMs) / (day.endMs - day.startMs)
      spans.push({ place: weekday(day.startMs), share, startMs: atMs, endMs })
      atMs = endMs
    }
    return spans
  },
}

const hourOfDay = (atMs: number) => Math.floor(atMs / HOUR_MS) % HOURS

const hourly: Steps = {
  cycle: HOURS,
  past(spent, _zone, nowMs) {
    const sums = new Map(spent.map(({ atMs, amount }) => [atMs, Number(amount)]))
    const thisHourMs = nowMs - (nowMs % HOUR_MS)
    const firstMs = Math.min(...sums.keys(), thisHourMs)
    const count = Math.max(0, (thisHourMs - firstMs) / HOUR_MS - 1)
    return Array.from({ length: count }, (_, at) => {
      const atMs = firstMs + (at + 1) * HOUR_MS
      return { place: hourOfDay(atMs), amount: sums.get(atMs) ?? 0 }
    })
  },
  coming(nowMs, untilMs) {
    const spans: ComingSpan[] = []
    for (let atMs = nowMs; atMs < untilMs; ) {
      const endMs = Math.min(atMs - (atMs % HOUR_MS) + HOUR_MS, untilMs)
      spans.push({ place: hourOfDay(atMs), share: (endMs - atMs) / HOUR_MS, startMs: atMs, endMs })
      atMs = endMs
    }
    return spans
  },
}
