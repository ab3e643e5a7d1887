/** What an engine's refusal or failure means for the client, and whether another try can help. */
import type { IncomingHttpHeaders } from 'node:http'
import { GristmillError } from '../base/index.ts'
import type { EngineFailure } from '../engine/index.ts'
import type { AttemptFailure } from '../meter/index.ts'
import type { OwnWords } from './messages/own-words.ts'
import { parsedObject } from './usage.ts'

/** Statuses that come and go with an engine's state rather than with the request. */
const PASSING = new Set([429, 500, 502, 503, 504, 529])
/** The request's own fault: the engine's words go to the client. */
const CLIENT_FAULTS = new Set([400, 404, 413, 415, 422, 501])

export function canRetryStatus(status: number): boolean {
  return PASSING.has(status)
}

/** A refusal as a failure of its engine; undefined where the request itself is at fault. */
export function failureOfStatus(status: number): AttemptFailure | undefined {
  return CLIENT_FAULTS.has(status) ? undefined : `status_${status}`
}

/** What another target of a route may answer, though a second try at the same one cannot. */
const OF_THE_TARGET = new Set([401, 403, 404, 408])

export function canAskAnother(status: number): boolean {
  return PASSING.has(status) || OF_THE_TARGET.has(status)
}

/** An engine's answer that is passed on, or our error in its place. */
export type Refusal = { status: number; body: Buffer } | GristmillError

/**
 * @param body the engine's answer; only its error object is passed on
 * @param own set where it can be passed on as it is
 */
export function refusalOf(
  status: number,
  headers: IncomingHttpHeaders,
  body: Buffer,
  requestId: string,
  own?: OwnWords,
): Refusal {
  if (CLIENT_FAULTS.has(status)) {
    if (own?.isPassing) return { status, body }
    return { status, body: Buffer.from(JSON.stringify(errorObject(status, body, requestId))) }
  }
  const retryAfterMs = Number(headers['retry-after']) * 1000
  return new GristmillError(
    'engine_rejected',
    { status },
    Number.isFinite(retryAfterMs) ? { retryAfterMs } : {},
  )
}

/** The engine's error in OpenAI's shape with our request id, whatever shape it has there. */
function errorObject(status: number, body: Buffer, requestId: string) {
  const found = findError(body)
  return {
    error: {
      message: wordsOf(body) ?? `The engine answered with status ${status}.`,
      type: word(found.type) ?? 'invalid_request_error',
      param: word(found.param),
      code: word(found.code),
      request_id: requestId,
    },
  }
}

/** A text or number; null for whatever else an engine has put there. */
const word = (value: unknown): string | number | null =>
  typeof value === 'string' || typeof value === 'number' ? value : null

/** What an engine says about its refusal; null where it says nothing. */
export function wordsOf(body: Buffer): string | null {
  const { detail, message = detail } = findError(body)
  return word(message)?.toString() ?? null
}

function findError(body: Buffer): Record<string, unknown> {
  const value = parsedObject(body.toString('utf8'))
  const error = value?.error ?? value
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
}

/** A failure of the connection or of time, as the client is told. */
export function failureError(failure: EngineFailure): GristmillError {
  const { timeoutMs } = failure
  if (timeoutMs !== undefined) {
    return new GristmillError('engine_timeout', { timeoutMs }, { cause: failure })
  }
  const reason = failure.words ?? failure.message
  return new GristmillError('engine_failed', { reason }, { cause: failure })
}

const TOO_LONG = ['context_length_exceeded', 'maximum context length', 'exceed_context_size']

/** True where the prompt and the allowed answer together do not fit into the context. */
export function isTooLong(status: number, body: Buffer): boolean {
  return status === 400 && TOO_LONG.some((words) => body.includes(words))
}
