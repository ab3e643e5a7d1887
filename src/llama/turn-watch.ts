/** Notices a turn of the driver that does not end, as where the library hangs. */
import type { Clock } from '../base/index.ts'

/** Longer than this no turn takes that is under way in good order, milliseconds. */
const HUNG_MS = 60_000
/** Unless the model is so large that this machine has taken nearly as long before. */
const HUNG_OVER_LONGEST = 10

export class TurnWatch {
  readonly #clock: Clock
  #beganMs: number | undefined
  #longestMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins a turn; the one before it is over. */
  begin(): void {
    this.end()
    this.#beganMs = this.#clock.monotonicMs()
  }

  end(): void {
    this.#longestMs = Math.max(this.#longestMs, this.#sinceMs)
    this.#beganMs = undefined
  }

  /** Milliseconds since the turn began that hangs; undefined where none does. */
  get hungMs(): number | undefined {
    const limitMs = Math.max(HUNG_MS, HUNG_OVER_LONGEST * this.#longestMs)
    return this.#sinceMs > limitMs ? this.#sinceMs : undefined
  }

  get #sinceMs(): number {
    return this.#beganMs === undefined ? 0 : this.#clock.monotonicMs() - this.#beganMs
  }
}
