/** What the costs page shows, as it stands in the address: a month in UTC, and who pays for idle. */
import type { ChargebackView } from '../api/contract.ts'

export type Rule = ChargebackView['rule']

export const rules: Record<Rule, string> = {
  operator: 'Idle: the operator keeps it',
  weight: 'Idle: shared by weight',
  use: 'Idle: shared by use',
}

export interface CostSpan {
  /** `2026-11` */
  month: string
  from: string
  /** Its end, or a little before now of the running one. */
  to: string
  isRunning: boolean
  rule: Rule
  tenant: string | undefined
}

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/
/** Minutes of engines are written when they have ended. */
const STEP_MS = 60_000

export function costSpanOf(search: URLSearchParams, nowMs: number): CostSpan {
  const running = new Date(nowMs).toISOString().slice(0, 7)
  const asked = search.get('month') ?? ''
  const month = MONTH.test(asked) && asked < running ? asked : running
  const fromMs = Date.parse(`${month}-01T00:00:00Z`)
  const start = new Date(fromMs)
  const endMs = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)
  const toMs = Math.min(endMs, Math.max(fromMs + STEP_MS, nowMs - (nowMs % STEP_MS)))
  const rule = search.get('rule')
  return {
    month,
    from: start.toISOString(),
    to: new Date(toMs).toISOString(),
    isRunning: month === running,
    rule: rule === 'weight' || rule === 'use' ? rule : 'operator',
    tenant: search.get('tenant') ?? undefined,
  }
}

const monthForm = new Intl.DateTimeFormat('en-GB', {
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})
const shortForm = new Intl.DateTimeFormat('en-GB', { month: 'short', timeZone: 'UTC' })
const dayForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' })

/** November 2026 */
export const monthName = (month: string) => monthForm.format(new Date(`${month.slice(0, 7)}-01`))
export const shortMonth = (month: string) => shortForm.format(new Date(`${month.slice(0, 7)}-01`))
export const dayName = (at: string) => dayForm.format(new Date(at))
