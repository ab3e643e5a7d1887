/**
 * What each tenant has spent on a route's rented targets today, so that an allowance is never
 * exceeded: the most that a request can cost is taken out of it before it is sent, and given back
 * less what it came to. Days are those of UTC. Behind `Allowances`, which budgets can fill too.
 */
import type { Clock } from '../base/index.ts'
import type { Allowances, Reservation } from './types.ts'

const DAY_MS = 86_400_000

/** What was spent since a moment, by tenant and route, from the ledger. */
export type SpendSince = (
  fromMs: number,
) => Promise<readonly { tenantId: string; model: string; spendNanos: number }[]>

export class DaySpend implements Allowances {
  readonly #clock: Clock
  #day = -1
  readonly #spent = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Learns what the ledger knows of today; what is known here already and not there yet stays.
   * @param routeOf the route that a name in the ledger stands for
   */
  async learn(since: SpendSince, routeOf: (model: string) => string): Promise<void> {
    this.#turn()
    const day = this.#day
    const booked = new Map<string, number>()
    for (const { tenantId, model, spendNanos } of await since(day * DAY_MS)) {
      const key = keyOf(tenantId, routeOf(model))
      booked.set(key, (booked.get(key) ?? 0) + spendNanos)
    }
    this.#turn()
    if (day !== this.#day) return
    for (const [key, nanos] of booked) this.#spent.set(key, Math.max(nanos, this.#at(key)))
  }

  reserve(tenantId: string, route: string, nanos: number, allowance: number): Reservation | null {
    this.#turn()
    const key = keyOf(tenantId, route)
    if (this.#at(key) + nanos > allowance) return null
    this.#add(key, nanos)
    return { key, nanos, day: this.#day }
  }

  settle({ key, nanos, day }: Reservation, spentNanos: number): void {
    this.#turn()
    if (day === this.#day) this.#add(key, spentNanos - nanos)
  }

  #add(key: string, nanos: number): void {
    this.#spent.set(key, Math.max(0, this.#at(key) + nanos))
  }

  #at(key: string): number {
    return this.#spent.get(key) ?? 0
  }

  #turn(): void {
    const day = Math.floor(this.#clock.nowMs() / DAY_MS)
    if (day === this.#day) return
    this.#day = day
    this.#spent.clear()
  }
}

const keyOf = (tenantId: string, route: string) => `${tenantId} ${route}`
