/** What the page of requests begins with. */
import type { RequestView } from '../api/contract.ts'
import { duration, plural } from '../units.ts'

export function requestsSentence(
  rows: readonly RequestView[] | undefined,
  isFiltered: boolean,
): string {
  if (rows === undefined) return 'Looking up the requests.'
  const settled = rows.filter(({ settledAt }) => settledAt !== null)
  if (rows.length === 0) {
    return isFiltered ? 'The ledger has no such request.' : 'Nothing has been asked yet.'
  }
  const early = settled.filter(({ group }) => group !== 'finished').length
  const waits = settled.flatMap(({ queueMs }) => queueMs ?? []).sort((a, b) => a - b)
  const median = waits[Math.floor(waits.length / 2)]
  const wait = median === undefined ? '' : ` Half of them ${waitInWords(median)}.`
  const running = rows.length - settled.length
  const now = running === 0 ? '' : `, ${running} still running`
  const ends = early === 0 ? 'all were answered' : `${early} ended early`
  const verb = settled.length === 0 ? '' : `: ${ends}${now}`
  return `The latest ${plural(rows.length, 'request')}${verb}.${wait}`
}

const waitInWords = (ms: number) =>
  Math.round(ms) === 0 ? 'did not wait' : `waited less than ${duration(ms)}`
