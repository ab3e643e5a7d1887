/** What the usage page shows, as it stands in the address. */

export const spans = {
  day: { words: 'last 24 hours', hours: 24 },
  week: { words: 'last 7 days', hours: 24 * 7 },
  month: { words: 'last 30 days', hours: 24 * 30 },
} as const
export type Span = keyof typeof spans

export const groupings = ['tenant', 'project', 'key', 'model', 'class'] as const
export type Grouping = (typeof groupings)[number]

export interface UsageView {
  span: Span
  by: Grouping
  tenant: string | undefined
  key: string | undefined
  model: string | undefined
}

export function usageViewOf(search: URLSearchParams): UsageView {
  const span = search.get('span')
  const by = search.get('by')
  return {
    span: span === 'week' || span === 'month' ? span : 'day',
    by: groupings.find((one) => one === by) ?? 'tenant',
    tenant: search.get('tenant') ?? undefined,
    key: search.get('key') ?? undefined,
    model: search.get('model') ?? undefined,
  }
}

const HOUR_MS = 3_600_000

/** The span up to now, from the start of its first hour, so that every bar is a whole hour. */
export function boundsOf(span: Span, nowMs: number): { from: string; to: string } {
  const toMs = Math.ceil(nowMs / HOUR_MS) * HOUR_MS
  const fromMs = toMs - spans[span].hours * HOUR_MS
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }
}

/** What a chart reads at most; a picture of more rows takes long and can be told apart by nobody. */
const CHART_ROWS_MAX = 2400

/**
 * What the chart groups by: hours where it can, else days, and tenants unless they are too many.
 * @param tenants how many have used something in this span
 */
export function chartGroupsOf(span: Span, tenants: number): string {
  const { hours } = spans[span]
  const days = hours / 24 + 1
  if (span !== 'month' && hours * tenants <= CHART_ROWS_MAX) return 'hour,tenant'
  if (span === 'day') return 'hour'
  return days * tenants <= CHART_ROWS_MAX ? 'day,tenant' : 'day'
}
