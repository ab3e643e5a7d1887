/**
 * Time as leases have it: as the database has it, it goes on while the machine sleeps, which the
 * monotonic clock may leave out. A wall clock that is set forward ends leases too early, which does
 * no harm; one that is set back changes nothing.
 */
import type { Clock } from './clock.ts'

/** Less may be a wall clock that is set right; leases count for less than they last. */
const SLEEP_MS_MIN = 500

export class LeaseTime {
  readonly #clock: Clock
  #wallMs: number
  #monotonicMs: number
  #sleptMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#wallMs = clock.nowMs()
    this.#monotonicMs = clock.monotonicMs()
  }

  /** Milliseconds from any moment on; to be asked twice a second at least. */
  nowMs(): number {
    const [wallMs, monotonicMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()]
    const leftOutMs = wallMs - this.#wallMs - (monotonicMs - this.#monotonicMs)
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
    if (leftOutMs >= SLEEP_MS_MIN) this.#sleptMs += leftOutMs
    return monotonicMs + this.#sleptMs
  }
}
