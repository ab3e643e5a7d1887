/** What becomes of a line whose request has ended: an answer, a failure, or another try. Pure. */
import { GristmillError } from '../base/index.ts'
import { type DoorPath, type LineEnd, refusedAnswer } from '../gateway/index.ts'
import type { EndedLine } from './batch-types.ts'
import { answerLine } from './line-format.ts'

export interface Again {
  afterMs: number
  /** Tries that count are bounded; those that were not the line's turn are not. */
  counts: boolean
  /** True where it waits for what others may need less of, so that they may go before it. */
  isAside: boolean
}

export type LineVerdict = { kind: 'ended'; end: EndedLine } | ({ kind: 'again' } & Again)

export interface LinePlace {
  batchId: string
  line: number
  customId: string
  /** Whose words its errors are told in. */
  endpoint: DoorPath
}

/** Times that engines may fail with one line before it is given up. */
export const ATTEMPTS_MAX = 6
const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 30_000

/** Before it is asked again whether there is a budget: it may be raised at any time. */
const BUDGET_AGAIN_MS_MAX = 60_000
/** Before it is asked again whether a model that nobody has is back. */
const MODEL_AGAIN_MS = 2000

/** Ends of an engine rather than of the line; the next try may find a better one. */
const COUNTED = new Set(['engine_failed', 'engine_timeout', 'engine_rejected', 'internal_error'])

/**
 * @param attempt which try it was, from 1; tries that do not count are not numbered
 * @param isModelGone where its model is not there: whether it has been missing for too long
 */
export function verdictOn(
  place: LinePlace,
  requestId: string,
  attempt: number,
  end: LineEnd,
  isModelGone = false,
): LineVerdict {
  const { answer, error, usage } = end
  if (answer?.status === 404 && attempt < ATTEMPTS_MAX) {
    // An engine that was just started with another model, which its next probe will find.
    return { kind: 'again', afterMs: backOffMs(attempt), counts: true, isAside: false }
  }
  if (answer !== null) {
    const outcome = answer.status < 300 ? 'completed' : 'failed'
    const text = answerLine(place, requestId, answer)
    return { kind: 'ended', end: { line: place.line, outcome, requestId, ...usage, text } }
  }
  const failure = error ?? new GristmillError('internal_error')
  const again = againOf(failure, attempt, isModelGone)
  if (again !== null) return { kind: 'again', ...again }
  const refusal = refusedAnswer(failure, requestId, place.endpoint)
  const text = answerLine(place, requestId, refusal)
  const none = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
  return { kind: 'ended', end: { line: place.line, outcome: 'failed', requestId, ...none, text } }
}

/**
 * When work that nobody waits for is tried again; null where it is given up.
 * @param attempt, isModelGone as above
 */
export function againOf(
  failure: GristmillError,
  attempt: number,
  isModelGone: boolean,
): Again | null {
  const waitMs = waitMsOf(failure, isModelGone)
  if (waitMs !== null) return { afterMs: waitMs, counts: false, isAside: true }
  const counts = COUNTED.has(failure.code)
  if (counts ? attempt >= ATTEMPTS_MAX : !isPassing(failure)) return null
  const afterMs = Math.max(backOffMs(attempt), failure.retryAfterMs ?? 0)
  return { afterMs, counts, isAside: false }
}

/** What a client would be refused for, and a line has a window to wait out. */
function waitMsOf(
  { code, retryAfterMs = BUDGET_AGAIN_MS_MAX }: GristmillError,
  isModelGone: boolean,
): number | null {
  if (code === 'budget_exceeded' || code === 'budget_used_up') {
    return Math.max(RETRY_MS_MIN, Math.min(BUDGET_AGAIN_MS_MAX, retryAfterMs))
  }
  return code === 'model_not_found' && !isModelGone ? MODEL_AGAIN_MS : null
}

const backOffMs = (attempt: number) => Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (attempt - 1))

/**
 * Refusals that say "not now": the pool, the ledger or a rate, never the line itself. That a key
 * was revoked ends the whole batch, which sees to its lines.
 */
function isPassing({ retryable, status, code }: GristmillError): boolean {
  return retryable || status >= 500 || code === 'key_revoked'
}
