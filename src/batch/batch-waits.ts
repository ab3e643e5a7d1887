/** What lines of a batch have been told to wait for, as people are told it. Pure. */
import type { GristmillError } from '../base/index.ts'

/** A line as far as it waits. */
export interface WaitingLine {
  /** What it was told to wait for when it asked last; null: nothing. */
  told: GristmillError | null
  askedAtMs: number
  /** Set until it asks again. */
  retry: unknown
}

/** One that asks again may take a moment to be refused again. */
const ASKING_MS = 5000
/** Lines are told it in other figures; one of them is enough for so long. */
const REASON_KEPT_MS = 60_000

export class BatchWaits {
  #shown: { error: GristmillError; atMs: number } | undefined
  /** Models that are not there, since when. */
  readonly #missingSinceMs = new Map<string | null, number>()

  /** What the first of the lines that wait does so for; null where none does. */
  reason(lines: Iterable<WaitingLine>, nowMs: number): string | null {
    const error = firstTold(lines, nowMs)
    const shown = this.#shown
    if (error === undefined) this.#shown = undefined
    else if (shown?.error.code !== error.code || nowMs - shown.atMs >= REASON_KEPT_MS) {
      this.#shown = { error, atMs: nowMs }
    }
    return this.#shown?.error.message ?? null
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

function firstTold(lines: Iterable<WaitingLine>, nowMs: number): GristmillError | undefined {
  for (const { told, askedAtMs, retry } of lines) {
    if (told !== null && (retry !== null || nowMs - askedAtMs < ASKING_MS)) return told
  }
  return undefined
}
