/**
 * How long background prompts may be read between two tokens of people: not at all, until people's
 * pace has cost background work its price, and longer and longer from then on. Pure.
 */
import type { StepCandidate } from './step-plan.ts'
import { isBackground } from './step-room.ts'

/** Part of an engine's time that people's pace may cost background work. */
const PRICE = 0.05
/** So long that people's bursts are paid for by the time between them, milliseconds. */
const SPAN_MS = 300_000
const DEBT_MS_MAX = PRICE * SPAN_MS

/** A step that has ended. */
export interface EndedStep<C extends StepCandidate> {
  /** All that hold a sequence, with the prompts that were unread during the step. */
  candidates: readonly C[]
  /** Those that got a token. */
  decode: readonly C[]
  durationMs: number
  /** What a stream takes of a full step, milliseconds. */
  streamMs: number
}

export class BackgroundTurn {
  /** What was lost beyond the price; credit where below 0. At first as if nobody had paid. */
  #debtMs = DEBT_MS_MAX

  /** Part of its longest turn that background work has now, 0 to 1. */
  get share(): number {
    return Math.max(0, this.#debtMs / DEBT_MS_MAX)
  }

  /**
   * Counts what a step for people takes beyond what its streams take of a full one, while
   * background prompts wait that could fill it. Time without background work counts for nothing.
   */
  note<C extends StepCandidate>({ candidates, decode, durationMs, streamMs }: EndedStep<C>): void {
    let [isThere, isUnread] = [false, false]
    for (const one of candidates) {
      if (!isBackground(one)) continue
      isThere = true
      isUnread ||= one.unread > 0
    }
    if (!isThere) return
    const isLost = isUnread && !decode.every(isBackground)
    const lostMs = isLost ? Math.max(0, durationMs - decode.length * streamMs) : 0
    const debtMs = this.#debtMs + lostMs - PRICE * durationMs
    this.#debtMs = Math.min(DEBT_MS_MAX, Math.max(-DEBT_MS_MAX, debtMs))
  }
}
