/**
 * How long a gateway may believe that it schedules. A state machine: it is told what the database
 * answered and what time it is; no I/O, no clock.
 *
 * The database ends a lease `LEASE_MS` after it wrote it. The holder counts from the moment at
 * which it sent the statement, which is earlier, and stops a margin before; so it has stopped when
 * the lease ends there, whatever clocks of the two say and however long either was paused. Its time
 * is a `LeaseTime`, which goes on while the machine sleeps.
 *
 * Source: C. Gray, D. Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed
 * File Cache Consistency", 1989; the token after M. Kleppmann, "How to do distributed locking".
 */

/** Term of the lease in the database, milliseconds. */
export const LEASE_MS = 3000
/** For clocks that run at different speeds, and for what lies between a look and a deed. */
const MARGIN_MS = 500

export class LeaseTerm {
  /** Of the lease that was ours last; 0 before the first. */
  token = 0
  #untilMs = Number.NEGATIVE_INFINITY

  /**
   * The database gave us the lease or renewed it.
   * @param sentAtMs when it was asked
   */
  granted(token: number, sentAtMs: number): void {
    if (token < this.token) return
    const untilMs = sentAtMs + LEASE_MS - MARGIN_MS
    this.#untilMs = token === this.token ? Math.max(this.#untilMs, untilMs) : untilMs
    this.token = token
  }

  /** Somebody else has it, or we gave it back. */
  ended(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY
  }

  isValid(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }
}
