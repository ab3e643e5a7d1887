/**
 * What this gateway may spend of each counter without asking, and what of it is set aside. A state
 * machine without I/O; the clock is handed in. What is set aside never passes what is leased, and
 * a lease that has expired is worth nothing, so the gateways together never pass a limit that the
 * leases together do not pass.
 */

/** An amount of one counter. */
export interface Claim {
  counterId: string
  amount: bigint
}

/** An amount of one of a counter's leases. */
export interface Leased extends Claim {
  /** Leases of one counter that were given up are told apart. */
  epoch: number
}

/** What was set aside, and out of which lease. */
export interface Taken extends Leased {
  /** How the counter stands here, so that it is not looked for again. */
  readonly held: Held
}

/** What the database last told of a counter, or what has come of it here since. */
export interface CounterState {
  spent: bigint
  /** By all gateways. */
  leased: bigint
  limit: bigint
}

/** What this gateway has of a counter; only the lease book changes it. */
export interface Held {
  lease: bigint
  reserved: bigint
  validUntilMs: number
  epoch: number
  usedAtMs: number
  state: CounterState | undefined
}

export class LeaseBook {
  readonly #held = new Map<string, Held>()
  #epochs = 0

  /** Which of its leases a counter is at. */
  epochOf(counterId: string): number {
    return this.#of(counterId).epoch
  }

  stateOf(counterId: string): CounterState | undefined {
    return this.#held.get(counterId)?.state
  }

  /** What can be set aside now. */
  room(counterId: string, nowMs: number): bigint {
    const held = this.#held.get(counterId)
    return held === undefined ? 0n : roomIn(held, nowMs)
  }

  /** Sets all of it aside or nothing. @returns what was, or the first counter without room */
  take(claims: readonly Claim[], nowMs: number): Taken[] | string {
    const taken: Taken[] = []
    for (const { counterId, amount } of claims) {
      const held = this.#of(counterId)
      held.usedAtMs = nowMs
      if (amount > 0n && roomIn(held, nowMs) < amount) return counterId
      taken.push({ counterId, amount, epoch: held.epoch, held })
    }
    for (const { held, amount } of taken) held.reserved += amount
    return taken
  }

  /** Gives back what was set aside, less what of it was spent, which leaves the lease. */
  settle({ held, amount, epoch }: Taken, spent: bigint): void {
    if (held.state) held.state.spent += spent
    if (held.epoch !== epoch) return
    held.reserved -= amount
    // As the database books it: what is not in the lease, as of a soft budget, leaves none.
    const taken = spent < held.lease ? spent : held.lease
    held.lease -= taken
    if (held.state) held.state.leased -= taken
  }

  /**
   * The database has leased more.
   * @param epoch the lease that it was asked for
   * @param validUntilMs by the clock here, counted from before it was asked
   */
  granted({ counterId, amount, epoch }: Leased, validUntilMs: number, state: CounterState): void {
    const held = this.#of(counterId)
    held.state = state
    if (amount === 0n || held.epoch !== epoch) return
    held.lease += amount
    held.validUntilMs = validUntilMs
  }

  /** True where a lease was not renewed in time. */
  hasRunOut(counterId: string, nowMs: number): boolean {
    const held = this.#held.get(counterId)
    if (held === undefined || nowMs < held.validUntilMs) return false
    return held.lease > 0n || held.reserved > 0n
  }

  renewed(counterId: string, validUntilMs: number): void {
    const held = this.#held.get(counterId)
    if (held !== undefined) held.validUntilMs = validUntilMs
  }

  /**
   * What is leased of a counter is not known any more, or gone: the next lease is another one. What
   * was set aside stays so in the database, by the requests that are open.
   */
  lost(counterId: string): void {
    const held = this.#of(counterId)
    Object.assign(held, { lease: 0n, reserved: 0n, validUntilMs: 0, epoch: this.#epochs++ })
  }

  /** Takes out of a lease what nothing is set aside of. @returns how much is to be given back */
  takeUnused(counterId: string): bigint {
    const held = this.#held.get(counterId)
    if (held === undefined || held.lease <= held.reserved) return 0n
    const unused = held.lease - held.reserved
    held.lease = held.reserved
    return unused
  }

  /** What was taken out of a lease is in it after all. */
  putBack({ counterId, amount, epoch }: Leased): void {
    const held = this.#held.get(counterId)
    if (held?.epoch === epoch) held.lease += amount
  }

  /** Counters with a lease, the ones whose lease has run out included. */
  leases(): { counterId: string; epoch: number; isIdle: boolean; usedAtMs: number }[] {
    return [...this.#held].flatMap(([counterId, { lease, reserved, epoch, usedAtMs }]) =>
      lease > 0n || reserved > 0n ? [{ counterId, epoch, isIdle: lease > reserved, usedAtMs }] : [],
    )
  }

  /** Forgets counters that nothing has asked for in a while and that hold nothing. */
  forget(beforeMs: number): void {
    for (const [counterId, { lease, reserved, usedAtMs }] of this.#held) {
      if (lease === 0n && reserved === 0n && usedAtMs < beforeMs) this.#held.delete(counterId)
    }
  }

  #of(counterId: string): Held {
    let held = this.#held.get(counterId)
    if (held === undefined) {
      held = {
        lease: 0n,
        reserved: 0n,
        validUntilMs: 0,
        epoch: this.#epochs++,
        usedAtMs: 0,
        state: undefined,
      }
      this.#held.set(counterId, held)
    }
    return held
  }
}

/** What can be set aside of it now. */
export const roomIn = ({ lease, reserved, validUntilMs }: Held, nowMs: number): bigint =>
  nowMs >= validUntilMs ? 0n : lease - reserved

/** Requests that a lease should be enough for, so that one in so many asks the database. */
const BLOCK_REQUESTS = 16n
/** Where nobody else wants any of it. */
const BLOCK_REQUESTS_ALONE = 1024n

/** How much to ask for where so much is missing. */
export function wanted(amount: bigint, isAlone: boolean): bigint {
  return amount * (isAlone ? BLOCK_REQUESTS_ALONE : BLOCK_REQUESTS)
}
