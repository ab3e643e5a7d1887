/**
 * What each tenant has spent on a route's rented targets today, so that an allowance is never
 * exceeded: the most that a request can cost is taken out of it before it is sent, and given back
 * less what it came to. Days are those of UTC. Behind `Allowances`, which budgets can fill too.
 */
import type { Clock } from '../base/index.ts'
import type { Allowances, Reservation } from './types.ts'

const DAY_MS = 86_400_000

interface Day {
  day: number
  spent: Map<string, number>
}

/** What was spent since a moment, by tenant and route, from the ledger. */
export type SpendSince = (
  fromMs: number,
) => Promise<readonly { tenantId: string; model: string; spendNanos: number }[]>

export class DaySpend implements Allowances {
  readonly #clock: Clock
  #now: Day = { day: -1, spent: new Map() }
  /** The day before it, which a clock that is set back may go back to. */
  #before: Day = this.#now

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Learns what the ledger knows of today; what is known here already and not there yet stays.
   * @param routeOf the route that a name in the ledger stands for
   */
  async learn(since: SpendSince, routeOf: (model: string) => string): Promise<void> {
    const { day } = this.#turn()
    const booked = new Map<string, number>()
    for (const { tenantId, model, spendNanos } of await since(day * DAY_MS)) {
      const key = keyOf(tenantId, routeOf(model))
      booked.set(key, (booked.get(key) ?? 0) + spendNanos)
    }
    const today = this.#turn()
    if (day !== today.day) return
    for (const [key, nanos] of booked) today.spent.set(key, Math.max(nanos, at(today, key)))
  }

  reserve(tenantId: string, route: string, nanos: number, allowance: number): Reservation | null {
    const today = this.#turn()
    const key = keyOf(tenantId, route)
    if (at(today, key) + nanos > allowance) return null
    add(today, key, nanos)
    return { key, nanos, day: today.day }
  }

  settle({ key, nanos, day }: Reservation, spentNanos: number): void {
    this.#turn()
    const its = [this.#now, this.#before].find((one) => one.day === day)
    if (its) add(its, key, spentNanos - nanos)
  }

  #turn(): Day {
    const day = Math.floor(this.#clock.nowMs() / DAY_MS)
    if (day !== this.#now.day) {
      const next = this.#before.day === day ? this.#before : { day, spent: new Map() }
      this.#before = this.#now
      this.#now = next
    }
    return this.#now
  }
}

const at = ({ spent }: Day, key: string) => spent.get(key) ?? 0

const add = (day: Day, key: string, nanos: number) =>
  day.spent.set(key, Math.max(0, at(day, key) + nanos))

const keyOf = (tenantId: string, route: string) => `${tenantId} ${route}`
