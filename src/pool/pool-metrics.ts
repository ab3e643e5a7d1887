/** What the pool shows to Prometheus; no label without a bound. */
import { Counter, Gauge, Histogram, type Registry, serviceClasses } from '../base/index.ts'
import type { Pool } from './pool.ts'
import type { PoolTicket } from './ticket.ts'
import type { TicketEnd } from './types.ts'

export class PoolMetrics {
  readonly #started
  readonly #ended
  readonly #queueSeconds

  constructor(registry: Registry, pool: Pool) {
    const registers = [registry]
    this.#started = new Counter({
      name: 'gristmill_dispatches_total',
      help: 'Requests sent to an engine',
      labelNames: ['class', 'express'],
      registers,
    })
    this.#ended = new Counter({
      name: 'gristmill_tickets_ended_total',
      help: 'Requests that gave their slot back, by outcome',
      labelNames: ['class', 'outcome'],
      registers,
    })
    this.#queueSeconds = new Histogram({
      name: 'gristmill_queue_seconds',
      help: 'Time from arrival to dispatch',
      labelNames: ['class'],
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
        for (const ticket of pool.scheduler.tickets()) {
          if (ticket.state === 'waiting') this.inc({ class: ticket.arrival.serviceClass })
        }
      },
    })
    new Gauge({
      name: 'gristmill_engine_slots',
      help: 'Sequences of an engine: in flight, cap and express',
      labelNames: ['engine', 'kind'],
      registers,
      collect() {
        this.reset()
        for (const engine of pool.scheduler.engines()) {
          this.set({ engine: engine.id, kind: 'in_flight' }, engine.inFlight)
          this.set({ engine: engine.id, kind: 'cap' }, engine.cap)
          this.set({ engine: engine.id, kind: 'express' }, engine.express)
        }
      },
    })
  }

  started(ticket: PoolTicket, queueMs: number): void {
    const label = ticket.request.serviceClass
    this.#started.inc({ class: label, express: String(ticket.express) })
    this.#queueSeconds.observe({ class: label }, queueMs / 1000)
  }

  ended(ticket: PoolTicket, end: TicketEnd): void {
    this.#ended.inc({ class: ticket.request.serviceClass, outcome: end.outcome })
  }
}
