/** Orders to compare the scheduler with in simulations; none of them is fair. */
import type {
  Arrival,
  CostWeights,
  Dispatch,
  EngineSlots,
  SimQueued,
  SimScheduler,
} from '../src/pool/index.ts'

interface Ticket {
  arrival: Arrival
  engineId: string | undefined
  inputTokens: number
  outputTokens: number
}

type Engine = EngineSlots & { inFlight: number }

/** Queues per tenant and counted engines; which ticket goes next is left to the order. */
abstract class PlainScheduler implements SimScheduler {
  protected readonly queues = new Map<string, Ticket[]>()
  protected readonly tickets = new Map<string, Ticket>()
  protected readonly engines = new Map<string, Engine>()
  readonly #cost: CostWeights

  constructor(cost: CostWeights) {
    this.#cost = cost
  }

  setEngine(slots: EngineSlots): void {
    const inFlight = this.engines.get(slots.id)?.inFlight ?? 0
    this.engines.set(slots.id, { ...slots, inFlight })
  }

  arrive(arrival: Arrival): SimQueued {
    const inputTokens = arrival.estimatedInputTokens
    const ticket = { arrival, engineId: undefined, inputTokens, outputTokens: 0 }
    this.tickets.set(arrival.id, ticket)
    const key = this.queueOf(arrival)
    const queue = this.queues.get(key)
    if (queue) queue.push(ticket)
    else this.queues.set(key, [ticket])
    return ticket
  }

  next(): Omit<Dispatch, 'ticket'> | undefined {
    let engine: Engine | undefined
    for (const one of this.engines.values()) {
      if (one.inFlight < one.cap && (!engine || one.inFlight < engine.inFlight)) engine = one
    }
    if (engine === undefined) return undefined
    const key = this.choose(engine)
    const queue = key === undefined ? undefined : this.queues.get(key)
    const ticket = queue?.shift()
    if (key === undefined || ticket === undefined) return undefined
    if (queue?.length === 0) this.queues.delete(key)
    ticket.engineId = engine.id
    engine.inFlight++
    this.charged(ticket, this.#cost.input * ticket.inputTokens)
    return { id: ticket.arrival.id, engineId: engine.id, rank: 0, express: false }
  }

  promptRead({ arrival }: SimQueued, uncachedInputTokens: number): void {
    const ticket = this.#ticket(arrival.id)
    this.charged(ticket, this.#cost.input * (uncachedInputTokens - ticket.inputTokens))
    ticket.inputTokens = uncachedInputTokens
  }

  progress({ arrival }: SimQueued, outputTokens: number): void {
    const ticket = this.#ticket(arrival.id)
    this.charged(ticket, this.#cost.output * (outputTokens - ticket.outputTokens))
    ticket.outputTokens = outputTokens
  }

  finish({ arrival }: SimQueued): void {
    const { engineId } = this.#ticket(arrival.id)
    const engine = this.engines.get(engineId ?? '')
    if (engine) engine.inFlight--
    this.tickets.delete(arrival.id)
  }

  cancel({ arrival }: SimQueued): boolean {
    const ticket = this.tickets.get(arrival.id)
    if (ticket === undefined || ticket.engineId !== undefined) return false
    const key = this.queueOf(ticket.arrival)
    const queue = (this.queues.get(key) ?? []).filter((one) => one !== ticket)
    if (queue.length > 0) this.queues.set(key, queue)
    else this.queues.delete(key)
    return this.tickets.delete(arrival.id)
  }

  protected queueOf(arrival: Arrival): string {
    return arrival.tenantId
  }

  /** The queue that an engine takes from next. */
  protected abstract choose(engine: Engine): string | undefined
  /** A ticket received so much more service. */
  protected charged(_ticket: Ticket, _units: number): void {}

  #ticket(id: string): Ticket {
    const ticket = this.tickets.get(id)
    if (ticket === undefined) throw new Error(`there is no ticket ${id}`)
    return ticket
  }
}

/** The tenant with the least service since the beginning of time; who was idle has credit. */
export class LeastCounter extends PlainScheduler {
  readonly #counters = new Map<string, number>()

  protected choose(): string | undefined {
    let best: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const tenant of this.queues.keys()) {
      const counter = this.#counters.get(tenant) ?? 0
      if (counter < least) best = tenant
      least = Math.min(least, counter)
    }
    return best
  }

  protected override charged({ arrival }: Ticket, units: number): void {
    const before = this.#counters.get(arrival.tenantId) ?? 0
    this.#counters.set(arrival.tenantId, before + units / arrival.tenantWeight)
  }
}

/** One request of each tenant in turn, however large. */
export class RoundRobin extends PlainScheduler {
  #last = ''

  protected choose(): string | undefined {
    const waiting = [...this.queues.keys()].sort()
    const next = waiting.find((tenant) => tenant > this.#last) ?? waiting[0]
    this.#last = next ?? this.#last
    return next
  }
}

/** Whatever begins like what an engine has just read goes there, as long as there is any. */
export class PureAffinity extends PlainScheduler {
  readonly #lastAt = new Map<string, string>()
  readonly #prefixOf: (arrival: Arrival) => string

  /** @param prefixOf what a request begins with */
  constructor(cost: CostWeights, prefixOf: (arrival: Arrival) => string) {
    super(cost)
    this.#prefixOf = prefixOf
  }

  protected override queueOf(arrival: Arrival): string {
    return this.#prefixOf(arrival)
  }

  protected choose(engine: Engine): string | undefined {
    const same = this.#lastAt.get(engine.id)
    if (same !== undefined && this.queues.has(same)) return same
    const taken = new Set(this.#lastAt.values())
    const waiting = [...this.queues.keys()]
    const next = waiting.find((prefix) => !taken.has(prefix)) ?? waiting[0]
    if (next !== undefined) this.#lastAt.set(engine.id, next)
    return next
  }
}
