/** Counts of running requests, and of ended ones for a minute, so that a ledger can settle them. */
import type { Clock } from '../base/index.ts'
import type { Progress } from './generation.ts'

export type RequestEnd = 'finished' | 'aborted' | 'error'

export interface RequestRecord {
  id: string
  progress: Progress
  /** Undefined while it runs. */
  end: RequestEnd | undefined
  /** Ends it early; `reason` is what its client is told. */
  abort(reason: Error): void
}

const KEPT_MS = 60_000
/** Ended requests kept at most, whatever their age. */
const KEPT_MAX = 100_000

export class RequestLog {
  readonly #clock: Clock
  readonly #records = new Map<string, RequestRecord>()
  /** By themselves, as clients may give two the same id. */
  readonly #running = new Set<RequestRecord>()
  /** Ended requests in order of their end. */
  readonly #ended: { record: RequestRecord; atMs: number }[] = []
  #forgotten = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Registers a request; of several with one id the last is found. */
  begin(id: string, progress: Progress, abort: (reason: Error) => void): RequestRecord {
    const record: RequestRecord = { id, progress, end: undefined, abort }
    this.#records.set(id, record)
    this.#running.add(record)
    return record
  }

  /** Notes how a request ended; only the first end counts. */
  finish(record: RequestRecord, end: RequestEnd): void {
    if (record.end !== undefined) return
    record.end = end
    this.#running.delete(record)
    this.#ended.push({ record, atMs: this.#clock.monotonicMs() })
    this.#forget()
  }

  /** The record in the form of the wire, or undefined if it is unknown or too old. */
  find(id: string): RequestRecord | undefined {
    this.#forget()
    return this.#records.get(id)
  }

  /** All that run at the moment. */
  running(): RequestRecord[] {
    return [...this.#running]
  }

  #forget(): void {
    const limitMs = this.#clock.monotonicMs() - KEPT_MS
    for (;;) {
      const oldest = this.#ended[this.#forgotten]
      const tooMany = this.#ended.length - this.#forgotten > KEPT_MAX
      if (!oldest || (oldest.atMs > limitMs && !tooMany)) break
      this.#forgotten++
      if (this.#records.get(oldest.record.id) === oldest.record)
        this.#records.delete(oldest.record.id)
    }
    if (this.#forgotten > 1000) {
      this.#ended.splice(0, this.#forgotten)
      this.#forgotten = 0
    }
  }
}

/** The answer of `GET /v1/requests/{id}`. */
export function requestView({ id, progress, end }: RequestRecord) {
  return {
    id,
    state: end === undefined ? 'running' : 'ended',
    end: end ?? null,
    prompt_tokens: progress.promptTokens,
    cached_tokens: progress.cachedTokens,
    completion_tokens: progress.completionTokens,
    prefill_ms: Math.round(progress.prefillMs),
    decode_ms: Math.round(progress.decodeMs),
  }
}
