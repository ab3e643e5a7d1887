/** What the ledger has of a request's way, moment by moment; nothing is guessed between them. */
import type { RequestView } from '../api/contract.ts'
import { money } from '../parts/money.ts'
import { count, duration } from '../units.ts'
import { endInWords, isFailure } from './ends.ts'

export interface Moment {
  name: string
  /** Since its arrival, milliseconds; null: not known. */
  afterMs: number | null
  note: string
  /** Empty: an open ring. */
  look: string
}

/**
 * In order of time.
 * @param engine name of an engine by id
 * @param route name of the route that has what was asked for; undefined: none has it now
 */
export function momentsOf(
  request: RequestView,
  engine: (id: string) => string,
  route: string | undefined,
): Moment[] {
  const { settledAt, end, ttftMs } = request
  const first =
    ttftMs === null
      ? []
      : [{ name: 'First token', afterMs: ttftMs, note: firstNote(request), look: 'bg-(--grain-1)' }]
  const arrival = {
    name: 'Arrived',
    afterMs: 0,
    note: arrivalNote(request, route),
    look: 'bg-edge',
  }
  const sent = sentMoment(request, engine)
  if (settledAt === null) {
    return [arrival, sent, ...first, { name: 'Not ended yet', afterMs: null, note: '', look: '' }]
  }
  const look = isFailure(request) ? 'bg-bad' : end === 'done' ? 'bg-good' : 'bg-warn'
  const ended = { name: 'Ended', afterMs: endedAfter(request), note: endNote(request), look }
  return [arrival, sent, ...first, ended]
}

/**
 * From its arrival until it was sent to what answered. The queue time on the ledger is that of the
 * last queue; a request that went to a rented target had waited in another one before.
 */
export function sentAfter(request: RequestView): number | null {
  const { queueMs, engineMs, rentedTarget, arrivedAt, settledAt } = request
  if (rentedTarget === null || settledAt === null || engineMs === null) return queueMs
  return Math.max(0, Date.parse(settledAt) - Date.parse(arrivedAt) - engineMs)
}

function endedAfter(request: RequestView): number | null {
  const [sentMs, { engineMs }] = [sentAfter(request), request]
  return sentMs === null || engineMs === null ? null : sentMs + engineMs
}

function arrivalNote(request: RequestView, route: string | undefined): string {
  const { endpoint, model, serviceClass } = request
  const kind =
    route === undefined ? '' : route === model ? ', a route' : `, an alias of the route ${route}`
  return `at ${endpoint}, asking for ${model}${kind}, as ${serviceClass}`
}

function sentMoment(request: RequestView, engine: (id: string) => string): Moment {
  const { engineId, rentedTarget, servedClass, serviceClass, hitInputTokens } = request
  const sentMs = sentAfter(request)
  if (engineId === null && hitInputTokens !== null) {
    return {
      name: 'Found in the response cache',
      afterMs: sentMs,
      note: 'no engine was asked',
      look: '',
    }
  }
  if (engineId === null) {
    return request.settledAt === null
      ? { name: 'Waits', afterMs: null, note: 'or was sent less than a second ago', look: '' }
      : { name: 'No engine was reached', afterMs: null, note: '', look: '' }
  }
  const other = servedClass === null || servedClass === serviceClass ? '' : `, as ${servedClass}`
  const waited = sentMs === null ? '' : ` after ${duration(sentMs)} in the queue`
  const overflow =
    rentedTarget === null ? '' : ` to the rented target ${rentedTarget}, so as not to be late`
  const place = overflow === '' ? ` to ${engine(engineId)}` : overflow
  return {
    name: `Sent${place}`,
    afterMs: sentMs,
    note: `${waited.trim()}${other}`,
    look: 'bg-(--grain-2)',
  }
}

function firstNote(request: RequestView): string {
  const [sentMs, { ttftMs }] = [sentAfter(request), request]
  if (ttftMs === null || sentMs === null || ttftMs < sentMs) return ''
  return `${duration(ttftMs - sentMs)} after it was sent: prompt read, first token made`
}

function endNote(request: RequestView): string {
  const { inputTokens, cachedTokens, outputTokens, spendNanos } = request
  const tokens = `${count(inputTokens)} tokens in (${count(cachedTokens)} cached), ${count(outputTokens)} out`
  const spend = spendNanos === null ? '' : `; it cost ${money(BigInt(spendNanos))}`
  return `${endInWords(request)}: ${tokens}${spend}`
}
