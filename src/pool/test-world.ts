/**
 * A small world around the scheduler for property tests: random arrivals, and engines that give
 * every running ticket a token a step. Never used by the program.
 */
import { bandOf, seededRandom, serviceClasses } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { type Arrival, defaultSchedulerConfig, type SchedulerConfig } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'

export const INPUT_MAX = 60
export const OUTPUT_MAX = 40

interface Running {
  id: string
  ticket: TicketState
  left: number
  done: number
}

let serial = 0

/** A small request of a tenant, with whatever is to be other about it. */
export function arrival(tenantId: string, change: Partial<Arrival> = {}): Arrival {
  return {
    id: `t${serial++}`,
    model: 'm',
    tenantId,
    tenantWeight: 1,
    projectId: 'p',
    projectWeight: 1,
    keyId: `key-${tenantId}`,
    userId: 'u',
    serviceClass: 'standard',
    estimatedInputTokens: 10,
    deadlineMs: 1_000_000,
    queueDepthMax: 1000,
    tenantConcurrencyMax: null,
    keyConcurrencyMax: null,
    ...change,
  }
}

export class World {
  readonly scheduler: Scheduler
  readonly running = new Map<string, Running>()
  readonly queued = new Map<string, TicketState>()
  readonly ends = new Map<string, number>()
  readonly decisions: string[] = []
  readonly service = new Map<string, number>()
  readonly random
  nowMs = 0
  serial = 0

  constructor(seed: number, config: SchedulerConfig = defaultSchedulerConfig) {
    this.random = seededRandom(seed)
    this.scheduler = new Scheduler(config)
  }

  pick(count: number): number {
    return Math.floor(this.random.next() * count)
  }

  arrive(change: Partial<Arrival>): void {
    const tenant = this.pick(4)
    const arrival: Arrival = {
      id: `t${this.serial++}`,
      model: 'm',
      tenantId: `t${tenant}`,
      tenantWeight: 1 + tenant,
      projectId: `p${this.pick(2)}`,
      projectWeight: 1,
      keyId: `k${tenant}-${this.pick(2)}`,
      userId: `u${this.pick(2)}`,
      serviceClass: serviceClasses[this.pick(4)] ?? 'standard',
      estimatedInputTokens: 1 + this.pick(INPUT_MAX),
      deadlineMs: this.nowMs + 1 + this.pick(100_000),
      queueDepthMax: 200,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
      ...change,
    }
    const queued = this.scheduler.arrive(arrival)
    if (queued === 'queue_full') this.end(arrival.id)
    else this.queued.set(arrival.id, queued)
  }

  /** Lets requests arrive until so many of a tenant, project and user wait. */
  fill(member: Partial<Arrival>, count: number, change = (): Partial<Arrival> => ({})): void {
    const waiting = [...this.scheduler.waitingTickets()].filter(
      ({ state, arrival }) =>
        state === 'waiting' &&
        arrival.tenantId === member.tenantId &&
        arrival.projectId === member.projectId &&
        arrival.userId === member.userId,
    ).length
    for (let i = waiting; i < count; i++) {
      this.arrive({ ...member, deadlineMs: 1e12, ...change() })
    }
  }

  end(id: string): void {
    this.ends.set(id, (this.ends.get(id) ?? 0) + 1)
  }

  charge({ arrival }: TicketState, units: number): void {
    const band = bandOf(arrival.serviceClass)
    for (const key of [
      `${band}/${arrival.tenantId}`,
      `${band}/${arrival.tenantId}/${arrival.projectId}`,
      `${band}/${arrival.tenantId}/${arrival.projectId}/${arrival.userId}`,
    ]) {
      this.service.set(key, (this.service.get(key) ?? 0) + units)
    }
  }

  pump(): void {
    for (let d = this.scheduler.next(); d; d = this.scheduler.next()) {
      this.decisions.push(`${d.id}@${d.engineId}:${d.rank}`)
      const { id, ticket } = d
      this.running.set(id, { id, ticket, left: 1 + this.pick(OUTPUT_MAX), done: 0 })
      this.charge(ticket, ticket.chargedInputTokens)
    }
  }

  /** An engine tells what it had to read: now and then all, though it was thought to know some. */
  read(ticket: TicketState): void {
    if (ticket.arrival.beginnings === undefined) return
    const before = ticket.chargedInputTokens
    const uncached = this.pick(4) === 0 ? ticket.arrival.estimatedInputTokens : before
    this.scheduler.promptRead(ticket, uncached)
    this.charge(ticket, uncached - before)
  }

  step(): void {
    this.nowMs += 50
    for (const run of [...this.running.values()]) {
      run.done++
      if (run.done === 1) this.read(run.ticket)
      this.charge(run.ticket, 2)
      this.scheduler.progress(run.ticket, run.done)
      if (--run.left > 0) continue
      this.running.delete(run.id)
      this.scheduler.finish(run.ticket)
      this.end(run.id)
    }
    for (const expired of this.scheduler.expire(this.nowMs)) this.end(expired.id)
    this.pump()
  }

  inFlight(): number {
    return this.scheduler.engines().reduce((sum, engine) => sum + engine.inFlight, 0)
  }
}

export const engine = (id: string, cap: number, express = 1, models = ['m']) => ({
  id,
  models,
  cap,
  express,
  backgroundReserve: 0,
})
