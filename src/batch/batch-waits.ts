/** What lines of a batch have been told to wait for, as people are told it. Pure. */
import type { ErrorCode, GristmillError } from '../base/index.ts'

interface Told {
  reason: string
  toldAtMs: number
  untilMs: number
}

/** Past the next try, which may take a moment to be refused again. */
const OVERLAP_MS = 5000
/** Lines are told it in other figures; one of them is enough for so long. */
const REASON_KEPT_MS = 60_000

export class BatchWaits {
  readonly #told = new Map<ErrorCode, Told>()
  /** Models that are not there, since when. */
  readonly #missingSinceMs = new Map<string | null, number>()

  /** A line waits, and asks again after `afterMs`. */
  wait({ code, message }: GristmillError, nowMs: number, afterMs: number): void {
    const before = this.#told.get(code)
    const untilMs = nowMs + afterMs + OVERLAP_MS
    const isFresh = before !== undefined && nowMs - before.toldAtMs < REASON_KEPT_MS
    const { reason, toldAtMs } = isFresh ? before : { reason: message, toldAtMs: nowMs }
    this.#told.set(code, { reason, toldAtMs, untilMs: Math.max(untilMs, before?.untilMs ?? 0) })
  }

  /** What lines wait for; null where they do not. */
  reason(nowMs: number): string | null {
    for (const [code, { untilMs }] of this.#told) if (untilMs <= nowMs) this.#told.delete(code)
    const [first] = this.#told.values()
    return first?.reason ?? null
  }

  /** @returns how long a model has been missing, of which a line has just been told that it is */
  missingMs(model: string | null, nowMs: number): number {
    const sinceMs = this.#missingSinceMs.get(model) ?? nowMs
    this.#missingSinceMs.set(model, sinceMs)
    return nowMs - sinceMs
  }

  isThere(model: string | null): void {
    this.#missingSinceMs.delete(model)
  }
}
