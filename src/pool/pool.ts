/**
 * The pool at work: it feeds the scheduler with arrivals, progress and ends, carries its decisions
 * to the waiting requests, and books what every tenant received. One object per gateway.
 */
import {
  bandOf,
  type Clock,
  GristmillError,
  type Logger,
  type Registry,
  ShortLivedMap,
} from '../base/index.ts'
import type { Engine, EngineProfile, EngineState } from '../engine/index.ts'
import type { CapacityMinute } from '../meter/index.ts'
import { CapacityMeter } from './capacity-meter.ts'
import { PoolMetrics } from './pool-metrics.ts'
import { PoolStats } from './pool-stats.ts'
import { Scheduler, shareOf } from './scheduler.ts'
import { type Arrival, type Dispatch, defaultSchedulerConfig } from './scheduler-types.ts'
import { PoolTicket, type TicketOwner } from './ticket.ts'
import type { PoolEngine, Ticket, TicketEnd, TicketRequest } from './types.ts'

const TICK_MS = 100
const SECOND_MS = 1000
/** How long requests wait for an engine that has gone before they are told so. */
const ENGINE_RETURN_MS = 15_000
const RETRY_AFTER_MS = { least: 1_000, most: 60_000, unknown: 5_000 }

export interface PoolOptions {
  clock: Clock
  logger: Logger
  registry: Registry
  order: 'fair' | 'fcfs'
  /** Receives the rows of every minute that ends. */
  recordCapacity: (rows: CapacityMinute[]) => void
}

export class Pool implements TicketOwner {
  readonly scheduler: Scheduler
  readonly stats = new PoolStats()
  readonly engines = new Map<string, PoolEngine>()
  readonly running = new ShortLivedMap<PoolTicket>()
  readonly cost = defaultSchedulerConfig.cost
  readonly #waiting = new ShortLivedMap<PoolTicket>()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: PoolMetrics
  readonly #meter: CapacityMeter
  readonly #recordCapacity: PoolOptions['recordCapacity']
  readonly #servedAtMs = new Map<string, number>()
  readonly #timers
  /** Service by engine since the last second was booked. */
  readonly #served = new Map<string, number>()
  #sinceSecondMs = 0

  constructor(options: PoolOptions) {
    this.#clock = options.clock
    this.#logger = options.logger
    this.#recordCapacity = options.recordCapacity
    this.scheduler = new Scheduler({ ...defaultSchedulerConfig, order: options.order })
    this.#meter = new CapacityMeter(options.clock.nowMs())
    this.#metrics = new PoolMetrics(options.registry, this)
    this.#timers = [
      options.clock.every(TICK_MS, () => this.#expire()),
      options.clock.every(SECOND_MS, () => this.#everySecond()),
    ]
  }

  /** Asks for a slot; the ticket's `granted` tells when there is one, or what refused it. */
  submit(request: TicketRequest): Ticket {
    const ticket = new PoolTicket(request, this.#clock.monotonicMs(), this)
    if (this.#isLost(request.model)) {
      ticket.refuse(noEngine(request.model))
      return ticket
    }
    this.#queue(ticket)
    return ticket
  }

  /** Adds an engine or tells its present state; capacity changes take effect at once. */
  setEngine(engine: Engine, profile: EngineProfile, state: EngineState, reason: string): void {
    const known = this.engines.get(engine.id)
    const sinceMs = known?.state === state ? known.sinceMs : this.#clock.nowMs()
    const registeredAtMs = known?.registeredAtMs ?? this.#clock.nowMs()
    this.engines.set(engine.id, { engine, profile, state, reason, sinceMs, registeredAtMs })
    const isUp = state === 'up'
    const models = profile.models.map((model) => model.name)
    this.scheduler.setEngine({
      id: engine.id,
      models,
      cap: isUp ? profile.cap : 0,
      express: isUp ? profile.express : 0,
      backgroundReserve: profile.express > 0 ? 0 : Math.min(1, profile.cap - 1),
    })
    if (isUp) for (const model of models) this.#servedAtMs.set(model, this.#clock.monotonicMs())
    this.#meterEngine(engine.id)
    this.#pump()
  }

  /** Forgets an engine; what runs there ends through its own errors. */
  removeEngine(id: string): void {
    if (!this.engines.delete(id)) return
    this.scheduler.removeEngine(id)
    const rows = this.#meter.take(this.#clock.nowMs(), [id])
    if (rows.length > 0) this.#recordCapacity(rows)
    this.#pump()
  }

  setOrder(order: 'fair' | 'fcfs'): void {
    this.scheduler.setOrder(order)
    this.#pump()
  }

  get waitingCount(): number {
    return this.scheduler.waiting
  }

  /** How many wait. @param tenantId undefined: of everybody */
  waitingOf(tenantId: string | undefined): number {
    if (tenantId === undefined) return this.scheduler.waiting
    const states = this.scheduler.pools().map((pool) => pool.tenants.get(tenantId))
    return states.reduce((sum, tenant) => sum + (tenant?.waiting ?? 0), 0)
  }

  /** The ticket of a request that waits or runs. */
  ticketOf(requestId: string): PoolTicket | undefined {
    return this.running.get(requestId) ?? this.#waiting.get(requestId)
  }

  /** Stops the timers and hands out the capacity rows of the minute in progress. */
  close(): void {
    for (const timer of this.#timers) timer.cancel()
    const rows = this.#meter.close(this.#clock.nowMs())
    if (rows.length > 0) this.#recordCapacity(rows)
  }

  // What tickets ask of their pool

  cancelled(ticket: PoolTicket): void {
    this.#waiting.delete(ticket.id)
    this.scheduler.cancel(ticket.id)
  }

  progressed(ticket: PoolTicket, outputTokens: number): void {
    const nowMs = this.#clock.monotonicMs()
    const tokens = outputTokens - ticket.outputTokens
    ticket.outputTokens = outputTokens
    ticket.lastTokenAtMs = nowMs
    if (ticket.firstTokenAtMs === undefined) {
      ticket.firstTokenAtMs = nowMs
      const ttftMs = nowMs - ticket.arrivedAtMs
      this.stats.firstToken(nowMs, ticket.request.tenantId, ttftMs)
    }
    this.scheduler.progress(ticket.id, outputTokens)
    this.stats.outputTokens.add(nowMs, tokens)
    this.stats.tenant(ticket.request.tenantId, nowMs).outputTokens.add(nowMs, tokens)
    this.#book(ticket, nowMs, tokens * this.cost.output)
  }

  promptWasRead(ticket: PoolTicket, inputTokens: number, cachedTokens: number): void {
    const nowMs = this.#clock.monotonicMs()
    const before = ticket.inputTokens - ticket.cachedTokens
    ticket.inputTokens = inputTokens
    ticket.cachedTokens = cachedTokens
    const uncached = inputTokens - cachedTokens
    this.scheduler.promptRead(ticket.id, uncached)
    this.stats.promptTokens.add(nowMs, inputTokens)
    this.stats.cachedTokens.add(nowMs, cachedTokens)
    this.#book(ticket, nowMs, (uncached - before) * this.cost.input)
  }

  finished(ticket: PoolTicket, end: TicketEnd): void {
    if (end.outputTokens > ticket.outputTokens) this.progressed(ticket, end.outputTokens)
    if (end.inputTokens > 0 && end.inputTokens !== ticket.inputTokens) {
      this.promptWasRead(ticket, end.inputTokens, end.cachedTokens)
    }
    this.#release(ticket)
    ticket.state = 'ended'
    const nowMs = this.#clock.monotonicMs()
    const units =
      (ticket.inputTokens - ticket.cachedTokens) * this.cost.input +
      ticket.outputTokens * this.cost.output
    if (end.outcome === 'kept') this.stats.goodput.add(nowMs, units)
    else if (end.outcome !== 'late') this.#waste(ticket, end.outcome, units)
    this.#metrics.ended(ticket, end)
    this.#pump()
  }

  resubmit(ticket: PoolTicket): PoolTicket {
    const units = (ticket.inputTokens - ticket.cachedTokens) * this.cost.input
    const { order } = this.scheduler.ticket(ticket.id) ?? {}
    // The tenant is not charged for a prompt that an engine lost before it answered.
    this.scheduler.promptRead(ticket.id, 0)
    this.#waste(ticket, 'engine_failed', units)
    this.#release(ticket)
    ticket.state = 'ended'
    const again = new PoolTicket(ticket.request, ticket.arrivedAtMs, this)
    this.#queue(again, order)
    this.#pump()
    return again
  }

  #queue(ticket: PoolTicket, order?: number): void {
    const { request } = ticket
    const { tenantConcurrencyMax, keyConcurrencyMax } = request
    const arrival: Arrival = {
      ...request,
      // A key with its own limit is a level of its own, so that its queue can be held back alone.
      userId: keyConcurrencyMax === null ? request.userId : `${request.keyId}/${request.userId}`,
      deadlineMs: ticket.arrivedAtMs + request.waitMsMax,
      tenantConcurrencyMax,
      keyConcurrencyMax,
      ...(order !== undefined && { order }),
    }
    if (this.scheduler.arrive(arrival) === 'queue_full') {
      ticket.refuse(
        new GristmillError(
          'queue_full',
          { tenant: request.tenantId, queueDepthMax: request.queueDepthMax },
          { retryAfterMs: this.#retryAfterMs(request.tenantId) },
        ),
      )
      return
    }
    this.#waiting.set(ticket.id, ticket)
    this.#pump()
  }

  #pump(): void {
    for (let next = this.scheduler.next(); next; next = this.scheduler.next()) this.#start(next)
  }

  #start(dispatch: Dispatch): void {
    const ticket = this.#waiting.get(dispatch.id)
    const place = this.engines.get(dispatch.engineId)
    if (!ticket || !place)
      throw new Error(`dispatched ${dispatch.id}, which the pool does not know`)
    const nowMs = this.#clock.monotonicMs()
    this.#waiting.delete(ticket.id)
    this.running.set(ticket.id, ticket)
    ticket.engineId = dispatch.engineId
    ticket.express = dispatch.express
    ticket.dispatchedAtMs = nowMs
    this.stats.dispatches.add(nowMs, 1)
    this.stats.tenant(ticket.request.tenantId, nowMs).dispatches.add(nowMs, 1)
    this.stats.inputTokens.add(nowMs, ticket.request.estimatedInputTokens)
    this.#book(ticket, nowMs, ticket.request.estimatedInputTokens * this.cost.input)
    this.#meterEngine(dispatch.engineId)
    const queueMs = nowMs - ticket.arrivedAtMs
    this.#metrics.started(ticket, queueMs)
    ticket.grant({
      engine: place.engine,
      takesPriority: place.profile.takesPriority,
      takesCacheSalt: place.profile.takesCacheSalt,
      rank: dispatch.rank,
      queueMs,
      express: dispatch.express,
    })
  }

  #release(ticket: PoolTicket): void {
    this.running.delete(ticket.id)
    this.scheduler.finish(ticket.id)
    if (ticket.engineId !== undefined) this.#meterEngine(ticket.engineId)
  }

  #book(ticket: PoolTicket, nowMs: number, units: number): void {
    const { tenantId, serviceClass } = ticket.request
    this.stats.served(nowMs, tenantId, serviceClass, units)
    if (ticket.engineId === undefined) return
    this.#served.set(ticket.engineId, (this.#served.get(ticket.engineId) ?? 0) + units)
    this.#meter.served(ticket.engineId, tenantId, bandOf(serviceClass), units)
  }

  #waste(ticket: PoolTicket, cause: string, units: number): void {
    const nowMs = this.#clock.monotonicMs()
    this.stats.wasted.add(nowMs, units)
    this.stats.history.waste.add(nowMs, units)
    if (ticket.engineId !== undefined) {
      this.#meter.wasted(ticket.engineId, ticket.request.tenantId, cause, units)
    }
  }

  #expire(): void {
    for (const arrival of this.scheduler.expire(this.#clock.monotonicMs())) {
      const ticket = this.#waiting.get(arrival.id)
      this.#waiting.delete(arrival.id)
      ticket?.refuse(
        new GristmillError(
          'wait_limit_exceeded',
          { waitedMs: ticket.request.waitMsMax },
          { retryAfterMs: this.#retryAfterMs(arrival.tenantId) },
        ),
      )
    }
  }

  #everySecond(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#entitle(nowMs)
    this.#refuseLost(nowMs)
    for (const id of this.engines.keys()) this.#meterEngine(id)
    const rows = this.#meter.take(this.#clock.nowMs())
    if (rows.length > 0) {
      this.#recordCapacity(rows)
      this.stats.forget(nowMs)
    }
  }

  /**
   * Books what each tenant was entitled to in the second that passed, while it ran or waited: for
   * people a part of what was served, for the ledger a part of what could have been.
   */
  #entitle(nowMs: number): void {
    const seconds = this.#sinceSecondMs === 0 ? 1 : (nowMs - this.#sinceSecondMs) / 1000
    this.#sinceSecondMs = nowMs
    for (const pool of this.scheduler.pools()) {
      const slots = pool.engines.reduce((sum, engine) => sum + engine.cap, 0)
      if (slots === 0) continue
      const served = pool.engines.reduce((sum, { id }) => sum + (this.#served.get(id) ?? 0), 0)
      for (const tenant of pool.tenants.values()) {
        const part = shareOf(pool, tenant) / slots
        this.stats.tenant(tenant.id, nowMs).entitled.add(nowMs, Math.max(0, part * served))
        if (tenant.waiting === 0) continue
        for (const { id } of pool.engines) {
          const capacity = this.engines.get(id)?.profile.capacityUnitsPerS ?? 0
          this.#meter.entitled(id, tenant.id, part * capacity * seconds)
        }
      }
    }
    this.#served.clear()
  }

  #meterEngine(id: string): void {
    const place = this.engines.get(id)
    if (!place) return
    const slots = this.scheduler.engines().find((engine) => engine.id === id)
    this.#meter.set(id, this.#clock.nowMs(), {
      isUp: place.state === 'up',
      inFlight: slots?.inFlight ?? 0,
      cap: place.profile.cap,
      capacityUnitsPerS: place.profile.capacityUnitsPerS,
    })
  }

  #isServed(model: string): boolean {
    return this.scheduler.engines().some((e) => e.cap > 0 && e.models.includes(model))
  }

  /** True where every engine of a model has been gone for longer than a restart takes. */
  #isLost(model: string): boolean {
    if (this.#isServed(model)) return false
    const servedAtMs = this.#servedAtMs.get(model)
    const goneMs = this.#clock.monotonicMs() - (servedAtMs ?? Number.NEGATIVE_INFINITY)
    return goneMs > ENGINE_RETURN_MS
  }

  #refuseLost(nowMs: number): void {
    for (const model of this.#servedAtMs.keys()) {
      if (this.#isServed(model)) this.#servedAtMs.set(model, nowMs)
      else if (this.#isLost(model)) this.#refuseModel(model)
    }
  }

  #refuseModel(model: string): void {
    for (const ticket of this.#waiting.values()) {
      if (ticket.request.model === model) ticket.cancel(noEngine(model))
    }
    this.#logger.debug({ model }, 'no engine serves the model; waiting requests were told so')
  }

  /** From the rate at which the tenant's queue was served lately. */
  #retryAfterMs(tenantId: string): number {
    const perS = this.stats.dispatchRate(this.#clock.monotonicMs(), tenantId)
    if (perS === 0) return RETRY_AFTER_MS.unknown
    return Math.min(RETRY_AFTER_MS.most, Math.max(RETRY_AFTER_MS.least, 1000 / perS))
  }
}

function noEngine(model: string): GristmillError {
  return new GristmillError('no_healthy_engine', { model }, { retryAfterMs: 5_000 })
}
