/** Periods of statements in words; they are of UTC. */
import type { StatementView } from '../api/contract.ts'
import { monthName } from '../costs/cost-view.ts'

/** A whole month by its name; else from when to when. */
export function periodInWords({ fromAt, toAt }: Pick<StatementView, 'fromAt' | 'toAt'>): string {
  const from = new Date(fromAt)
  const endMs = Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 1)
  const isWhole = fromAt.slice(8, 19) === '01T00:00:00' && Date.parse(toAt) === endMs
  if (isWhole) return monthName(fromAt)
  const words = (iso: string) => iso.slice(0, 16).replace('T', ' ')
  return `${words(fromAt)} to ${words(toAt)}`
}
