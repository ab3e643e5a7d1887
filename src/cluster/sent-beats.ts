/**
 * How old a message can be at most, without clocks that agree: each side numbers its signs of life
 * and sends with each message the last number that it got. Whoever receives that knows when it
 * sent the number. Pure.
 */

/** Beats that are remembered; what answers an earlier one is older than anybody bears. */
const KEPT = 64

export class SentBeats {
  #last = 0
  readonly #sentAtMs = new Float64Array(KEPT)

  /** @returns the number of the beat that is sent now */
  next(nowMs: number): number {
    this.#last++
    this.#sentAtMs[this.#last % KEPT] = nowMs
    return this.#last
  }

  /** Upper bound of the age of a message, milliseconds. @param echo the last beat it knew of */
  ageMs(echo: number, nowMs: number): number {
    const isKnown = echo > 0 && echo <= this.#last && echo > this.#last - KEPT
    return isKnown ? nowMs - (this.#sentAtMs[echo % KEPT] as number) : Number.POSITIVE_INFINITY
  }
}
