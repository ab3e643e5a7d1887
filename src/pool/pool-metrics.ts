/** What the pool shows to Prometheus; no label without a bound. */
import {
  type Clock,
  Gauge,
  HotCounter,
  LabelHistogram,
  type Registry,
  serviceClasses,
} from '../base/index.ts'
import type { Pool } from './pool.ts'
import type { PoolTicket } from './ticket.ts'
import type { TicketEnd } from './types.ts'
import { utilisationOf } from './utilisation.ts'

export class PoolMetrics {
  readonly #started
  readonly #ended
  readonly #queueSeconds

  constructor(registry: Registry, pool: Pool, clock: Clock) {
    const registers = [registry]
    this.#started = new HotCounter({
      name: 'gristmill_dispatches_total',
      help: 'Requests sent to an engine',
      labelNames: ['class', 'express'],
      registers,
    })
    this.#ended = new HotCounter({
      name: 'gristmill_tickets_ended_total',
      help: 'Requests that gave their slot back, by outcome',
      labelNames: ['class', 'outcome'],
      registers,
    })
    this.#queueSeconds = new LabelHistogram({
      name: 'gristmill_queue_seconds',
      help: 'Time from arrival to dispatch',
      labelName: 'class',
      buckets: [0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    })
    new Gauge({
      name: 'gristmill_waiting',
      help: 'Requests waiting for an engine',
      labelNames: ['class'],
      registers,
      collect() {
        for (const name of serviceClasses) this.set({ class: name }, 0)
        for (const ticket of pool.scheduler.waitingTickets()) {
          this.inc({ class: ticket.arrival.serviceClass })
        }
      },
    })
    this.#utilisation(registers, pool, clock)
    new Gauge({
      name: 'gristmill_engine_slots',
      help: 'Sequences of an engine: in flight, cap, express and kept from background work',
      labelNames: ['engine', 'kind'],
      registers,
      collect() {
        this.reset()
        for (const engine of pool.scheduler.engines()) {
          this.set({ engine: engine.id, kind: 'in_flight' }, engine.inFlight)
          this.set({ engine: engine.id, kind: 'cap' }, engine.cap)
          this.set({ engine: engine.id, kind: 'express' }, engine.express)
          this.set({ engine: engine.id, kind: 'reserve' }, engine.backgroundReserve)
        }
      },
    })
  }

  /** As on the mill floor, over the last five minutes; without a sample where it is void. */
  #utilisation(registers: Registry[], pool: Pool, clock: Clock): void {
    const figures = {
      utilisation_ratio: 'Service that kept its promise over calibrated capacity',
      capacity_units_per_second: 'Calibrated capacity of all engines, service units per second',
      goodput_units_per_second: 'Service that kept its promise, units per second',
      slot_occupancy_ratio: 'Sequences in flight over the cap, now',
      waste_ratio: 'Service of aborted and repeated work over all that was computed',
    }
    const gauge = new Gauge({
      name: 'gristmill_pool',
      help: Object.entries(figures)
        .map(([name, meaning]) => `${name}: ${meaning}`)
        .join('; '),
      labelNames: ['figure'],
      registers,
      collect() {
        const { value, ...now } = utilisationOf(pool, clock)
        gauge.reset()
        if (value !== null) gauge.set({ figure: 'utilisation_ratio' }, value)
        if (now.capacityUnitsPerS !== null) {
          gauge.set({ figure: 'capacity_units_per_second' }, now.capacityUnitsPerS)
        }
        gauge.set({ figure: 'goodput_units_per_second' }, now.goodputUnitsPerS)
        gauge.set({ figure: 'slot_occupancy_ratio' }, now.slotOccupancy)
        gauge.set({ figure: 'waste_ratio' }, now.wasteShare)
      },
    })
  }

  started(ticket: PoolTicket, queueMs: number): void {
    const label = ticket.request.serviceClass
    this.#started.inc(label, ticket.express ? 'true' : 'false')
    this.#queueSeconds.observe(label, queueMs / 1000)
  }

  ended(ticket: PoolTicket, end: TicketEnd): void {
    this.#ended.inc(ticket.request.serviceClass, end.outcome)
  }
}
