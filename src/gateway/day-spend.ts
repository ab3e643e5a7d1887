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
   * Takes over what the ledger knows of today.
   * @param routeOf the route that a name in the ledger stands for
   */
  async open(since: SpendSince, routeOf: (model: string) => string): Promise<void> {
    this.#turn()
    for (const { tenantId, model, spendNanos } of await since(this.#day * DAY_MS)) {
      this.#add(keyOf(tenantId, routeOf(model)), spendNanos)
    }
  }

  reserve(tenantId: string, route: string, nanos: number, allowance: number): Reservation | null {
    this.#turn()
    const key = keyOf(tenantId, route)
    if ((this.#spent.get(key) ?? 0) + nanos > allowance) return null
    this.#add(key, nanos)
    return { key, nanos, day: this.#day }
  }

  settle({ key, nanos, day }: Reservation, spentNanos: number): void {
    this.#turn()
    if (day === this.#day) this.#add(key, spentNanos - nanos)
  }

  #add(key: string, nanos: number): void {
    this.#spent.set(key, Math.max(0, (this.#spent.get(key) ?? 0) + nanos))
  }

  #turn(): void {
    const day = Math.floor(this.#clock.nowMs() / DAY_MS)
    if (day === this.#day) return
    this.#day = day
    this.#spent.clear()
  }
}

const keyOf = (tenantId: string, route: string) => `${tenantId} ${route}`
