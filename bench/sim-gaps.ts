/**
 * Measures fairness in a simulation from outside: what tenants received while both of two had work
 * waiting, by what engines computed, not by what the scheduler thinks it has given.
 */
import type { CostWeights, SimObserver, SimTicket } from '../src/pool/index.ts'

interface Tenant {
  weight: number
  waiting: number
  /** Service received ÷ weight. */
  received: number
  /** Asks for the same models as those with the same text. */
  models: string
}

interface Pair {
  a: Tenant
  b: Tenant
  isOpen: boolean
  start: number
  low: number
  high: number
  /** Largest gap within any interval in which both had work waiting. */
  gap: number
}

export class GapMeter implements SimObserver {
  readonly #tenants = new Map<string, Tenant>()
  readonly #pairs = new Map<Tenant, Pair[]>()
  readonly #cost: CostWeights
  #sum = 0
  #samples = 0
  /** Service of all. */
  total = 0

  /** @param tenants weight of each and the models it asks for */
  constructor(
    tenants: readonly { name: string; weight: number; models?: string }[],
    cost: CostWeights,
  ) {
    this.#cost = cost
    for (const { name, weight, models = '' } of tenants) {
      this.#tenants.set(name, { weight, waiting: 0, received: 0, models })
    }
    const all = [...this.#tenants.values()]
    for (const tenant of all) this.#pairs.set(tenant, [])
    all.forEach((a, i) => {
      for (const b of all.slice(i + 1)) {
        if (a.models !== b.models) continue
        const pair = { a, b, isOpen: false, start: 0, low: 0, high: 0, gap: 0 }
        this.#pairs.get(a)?.push(pair)
        this.#pairs.get(b)?.push(pair)
      }
    })
  }

  arrived(ticket: SimTicket): void {
    const tenant = this.#tenant(ticket)
    if (tenant.waiting++ === 0) this.#turn(tenant)
  }

  dispatched(ticket: SimTicket): void {
    const tenant = this.#tenant(ticket)
    if (--tenant.waiting === 0) this.#turn(tenant)
  }

  promptRead(ticket: SimTicket): void {
    this.#receive(ticket, this.#cost.input * ticket.uncachedTokens)
  }

  progressed(ticket: SimTicket, tokens: number): void {
    this.#receive(ticket, this.#cost.output * tokens)
  }

  ended(ticket: SimTicket): void {
    if (ticket.dispatchedMs === undefined) this.dispatched(ticket)
  }

  /** Service of a tenant, units. */
  received(name: string): number {
    const tenant = this.#tenants.get(name)
    return tenant ? tenant.received * tenant.weight : 0
  }

  /** Notes where pairs stand; to be called at even intervals, the mean is over these moments. */
  sample(): void {
    for (const pair of this.#all()) {
      if (!pair.isOpen) continue
      this.#sum += Math.abs(difference(pair) - pair.start)
      this.#samples++
    }
  }

  get meanGap(): number {
    return this.#samples === 0 ? 0 : this.#sum / this.#samples
  }

  /** @returns the largest gap as a part of its bound 2U ÷ the smaller weight, and the gap itself */
  worst(u: number): { gap: number; over2U: number } {
    let worst = { gap: 0, over2U: 0 }
    for (const { a, b, gap } of this.#all()) {
      const over2U = (gap * Math.min(a.weight, b.weight)) / (2 * u)
      if (over2U > worst.over2U) worst = { gap, over2U }
    }
    return worst
  }

  #all(): Set<Pair> {
    return new Set([...this.#pairs.values()].flat())
  }

  #tenant({ request }: SimTicket): Tenant {
    const tenant = this.#tenants.get(request.tenant)
    if (tenant === undefined) throw new Error(`nobody named ${request.tenant} was announced`)
    return tenant
  }

  /** A tenant began or ceased to have work waiting. */
  #turn(tenant: Tenant): void {
    for (const pair of this.#pairs.get(tenant) ?? []) {
      const isOpen = pair.a.waiting > 0 && pair.b.waiting > 0
      if (isOpen && !pair.isOpen) pair.start = pair.low = pair.high = difference(pair)
      pair.isOpen = isOpen
    }
  }

  #receive(ticket: SimTicket, units: number): void {
    const tenant = this.#tenant(ticket)
    tenant.received += units / tenant.weight
    this.total += units
    for (const pair of this.#pairs.get(tenant) ?? []) {
      if (!pair.isOpen) continue
      const now = difference(pair)
      if (now < pair.low) pair.low = now
      if (now > pair.high) pair.high = now
      if (pair.high - pair.low > pair.gap) pair.gap = pair.high - pair.low
    }
  }
}

const difference = ({ a, b }: Pair) => a.received - b.received
