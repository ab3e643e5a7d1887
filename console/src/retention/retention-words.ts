/** Words for months of requests and for how long things are kept. */
import type { KeptKindView, KeptMonthView, RetentionView } from '../api/contract.ts'
import { count, plural } from '../units.ts'

const monthForm = new Intl.DateTimeFormat('en-GB', {
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})

/** `November 2026`; a month ends with the first moment of the next one. */
export function lastMonthOf(untilAt: string): string {
  return monthForm.format(Date.parse(untilAt) - 1)
}

export function monthInWords({ fromAt, untilAt }: KeptMonthView): string {
  return fromAt === null ? `all until ${lastMonthOf(untilAt)}` : lastMonthOf(untilAt)
}

/** Those that something came in, the oldest first. */
export function filledMonths({ requests }: RetentionView): KeptMonthView[] {
  return requests.kept.filter((month) => month.requests > 0)
}

/** `about 1,240,000 requests`; PostgreSQL's estimates are told apart and rounded. */
export function requestsOf(
  months: readonly KeptMonthView[],
  unit: 'request' | '' = 'request',
): string {
  const isEstimate = months.some((month) => month.isEstimate)
  return aboutRows(sumOf(months), isEstimate, unit)
}

export const sumOf = (months: readonly KeptMonthView[]) =>
  months.reduce((all, month) => all + month.requests, 0)

export function aboutRows(rows: number, isEstimate: boolean, unit = ''): string {
  const number = isEstimate ? Number(rows.toPrecision(3)) : rows
  const words = unit === '' ? count(number) : plural(number, unit)
  return isEstimate ? `about ${words}` : words
}

/** ` (100 years)` where months alone say little. */
export function inTimeOf(months: number): string {
  return months >= 36 ? ` (${plural(Math.floor(months / 12), 'year')})` : ''
}

export function keptInWords({ keptFor, byTenant, size }: KeptKindView): string {
  if (byTenant !== null) {
    const { tenants, daysMin, daysMax } = byTenant
    if (tenants === 0) return 'no tenant wants it'
    const days = daysMin === daysMax ? plural(daysMin, 'day') : `${daysMin} to ${daysMax} days`
    return `${days}, for ${plural(tenants, 'tenant')}`
  }
  if (keptFor === null) return size === null ? 'in memory' : 'for ever'
  const { amount, unit, after } = keptFor
  return `${plural(amount, unit.slice(0, -1))} after ${after}`
}
