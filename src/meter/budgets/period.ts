/** Periods of budgets: hours, days, weeks and months as the clocks of a time zone have them. */

export const budgetPeriods = ['hour', 'day', 'week', 'month', 'total'] as const
export type BudgetPeriod = (typeof budgetPeriods)[number]

export interface PeriodBounds {
  /** Inclusive, milliseconds since the epoch. */
  startMs: number
  /** Exclusive; Infinity where it never renews. */
  endMs: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const formats = new Map<string, Intl.DateTimeFormat>()

/** The period that a moment is in; weeks begin on Monday. */
export function periodAt(period: BudgetPeriod, atMs: number, zone: string): PeriodBounds {
  if (period === 'total') return { startMs: 0, endMs: Number.POSITIVE_INFINITY }
  const localMs = localTime(atMs, zone)
  if (period === 'hour') {
    const startMs = atMs - modulo(localMs, HOUR_MS)
    return { startMs, endMs: startMs + HOUR_MS }
  }
  const day = Math.floor(localMs / DAY_MS)
  if (period === 'day') return between(day, day + 1, zone)
  if (period === 'week') {
    // The first of January 1970 was a Thursday.
    const monday = day - modulo(day + 3, 7)
    return between(monday, monday + 7, zone)
  }
  const date = new Date(day * DAY_MS)
  const month = (more: number) =>
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more, 1) / DAY_MS
  return between(month(0), month(1), zone)
}

/** Days are those of the local calendar, counted since 1970. */
function between(first: number, next: number, zone: string): PeriodBounds {
  return { startMs: beginOf(first, zone), endMs: beginOf(next, zone) }
}

/** The moment at which a local day begins; where its midnight is skipped, the one after that. */
function beginOf(day: number, zone: string): number {
  const wanted = day * DAY_MS
  // What the zone is ahead by differs by less than a day between these two.
  const candidates = [wanted - DAY_MS, wanted + DAY_MS].map(
    (nearMs) => wanted - (localTime(nearMs, zone) - nearMs),
  )
  const exact = candidates.filter((atMs) => localTime(atMs, zone) === wanted)
  return exact.length > 0 ? Math.min(...exact) : Math.max(...candidates)
}

/** What clocks show, as if that were a moment in UTC. */
function localTime(atMs: number, zone: string): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute) + modulo(atMs, MINUTE_MS)
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    })
    formats.set(zone, format)
  }
  return format
}

const modulo = (value: number, by: number) => ((value % by) + by) % by
