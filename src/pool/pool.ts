/**
 * The pool at work: it feeds the scheduler with arrivals, progress and ends, carries its decisions
 * to the waiting requests, and books what every tenant received. One object per gateway.
 */
import { bandOf, type Clock, type Logger, type Registry, ShortLivedMap } from '../base/index.ts'
import type { Engine, EngineLoad, EngineProfile, EngineState, Tokens } from '../engine/index.ts'
import type { AttemptFailure } from '../meter/index.ts'
import { arrivalOf } from './arrivals.ts'
import { EngineControl } from './engine-control.ts'
import { EngineHealth } from './engine-health.ts'
import { ServedModels, slotsOf, updateControls } from './engine-places.ts'
import { EngineRecord, type RecordSink } from './engine-record.ts'
import { entitle } from './entitlement.ts'
import { PoolMetrics } from './pool-metrics.ts'
import { PoolStats } from './pool-stats.ts'
import { Quotas } from './quotas.ts'
import { noEngine, queueFull, waitedTooLong } from './refusals.ts'
import { Scheduler } from './scheduler.ts'
import { type CostWeights, type Dispatch, defaultSchedulerConfig } from './scheduler-types.ts'
import { PoolTicket, placeOf, retryOf, type TicketOwner } from './ticket.ts'
import type { PoolEngine, RetryOptions, Ticket, TicketEnd, TicketRequest } from './types.ts'

const TICK_MS = 100
const SECOND_MS = 1000

export interface PoolOptions extends RecordSink {
  clock: Clock
  logger: Logger
  registry: Registry
  order: 'fair' | 'fcfs'
  /** Weights of the cost unit, for the whole run; the standard ones where absent. */
  cost?: CostWeights
}

export class Pool implements TicketOwner {
  readonly scheduler: Scheduler
  readonly stats = new PoolStats()
  readonly engines = new Map<string, PoolEngine>()
  readonly running = new ShortLivedMap<PoolTicket>()
  readonly quotas: Quotas
  readonly cost: CostWeights
  readonly health: EngineHealth = new EngineHealth(this)
  readonly #waiting = new ShortLivedMap<PoolTicket>()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: PoolMetrics
  readonly #record: EngineRecord
  readonly #models: ServedModels
  readonly #timers
  /** Service by engine since the last second was booked. */
  readonly #served = new Map<string, number>()
  #sinceSecondMs = 0

  constructor(options: PoolOptions) {
    this.#clock = options.clock
    this.#logger = options.logger
    const { order, cost = defaultSchedulerConfig.cost } = options
    this.cost = cost
    this.scheduler = new Scheduler({ ...defaultSchedulerConfig, order, cost })
    this.quotas = new Quotas(this.scheduler, options.clock)
    this.#models = new ServedModels(this.scheduler, this.health)
    this.#record = new EngineRecord(this, options.clock, options)
    this.#metrics = new PoolMetrics(options.registry, this, options.clock)
    this.#timers = [
      options.clock.every(TICK_MS, () => this.#expire()),
      options.clock.every(SECOND_MS, () => this.#everySecond()),
    ]
  }

  /** Asks for a slot; the ticket's `granted` tells when there is one, or what refused it. */
  submit(request: TicketRequest): Ticket {
    const nowMs = this.#clock.monotonicMs()
    const ticket = new PoolTicket(request, request.arrivedAtMs ?? nowMs, this)
    if (this.#models.isLost(request.model, nowMs)) {
      ticket.refuse(noEngine(request.model))
      return ticket
    }
    this.#queue(ticket)
    return ticket
  }

  /** True where engines of a model are to be chosen between, by what a prompt begins with. */
  hasChoice(model: string): boolean {
    return this.scheduler.hasChoice(model)
  }

  /** Adds an engine or tells its present state; capacity changes take effect at once. */
  setEngine(engine: Engine, profile: EngineProfile, state: EngineState, reason: string): void {
    const known = this.engines.get(engine.id)
    const sinceMs = known?.state === state ? known.sinceMs : this.#clock.nowMs()
    const registeredAtMs = known?.registeredAtMs ?? this.#clock.nowMs()
    const nowMs = this.#clock.monotonicMs()
    const control = known?.control.fits(profile) ? known.control : new EngineControl(profile, nowMs)
    const times = { sinceMs, registeredAtMs }
    this.engines.set(engine.id, { engine, profile, state, reason, ...times, control })
    this.#applySlots(engine.id)
    this.quotas.watch(engine.id, profile.service !== undefined)
    if (state === 'up') {
      for (const { name } of profile.models) this.#models.note(name, nowMs)
    }
    this.#record.look(engine.id)
    this.#pump()
    if (state === 'down') this.health.vacate(engine.id)
  }

  /** What an engine tells of its own load. */
  noteLoad(engineId: string, load: EngineLoad): void {
    this.engines.get(engineId)?.control.noteLoad(this.#clock.monotonicMs(), load)
  }

  /** Sets an engine's cap while it is calibrated; undefined ends that. */
  allow(engineId: string, concurrency: number | undefined): void {
    this.engines.get(engineId)?.control.allow(concurrency)
    this.#applySlots(engineId)
    this.#pump()
  }

  /** Forgets an engine; what runs there ends through its own errors. */
  removeEngine(id: string): void {
    if (!this.engines.delete(id)) return
    this.scheduler.removeEngine(id)
    this.quotas.forget(id)
    this.health.forget(id)
    this.#record.forget(id)
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
    this.#record.close()
  }

  // What tickets ask of their pool

  cancelled(ticket: PoolTicket): void {
    this.#waiting.delete(ticket.id)
    if (ticket.queued) this.scheduler.cancel(ticket.queued)
  }

  progressed(ticket: PoolTicket, outputTokens: number): void {
    const nowMs = this.#clock.monotonicMs()
    const tokens = outputTokens - ticket.outputTokens
    ticket.outputTokens = outputTokens
    ticket.lastTokenAtMs = nowMs
    if (ticket.firstTokenAtMs === undefined) {
      ticket.firstTokenAtMs = nowMs
      const ttftMs = nowMs - ticket.arrivedAtMs
      if (bandOf(ticket.request.serviceClass) === 'interactive') {
        this.stats.firstToken(nowMs, ticket.request.tenantId, ttftMs)
      }
      this.#controlOf(ticket)?.firstToken(nowMs, ttftMs, ticket.inputTokens - ticket.cachedTokens)
    }
    ticket.circuit?.heard(nowMs)
    this.scheduler.progress(placeOf(ticket), outputTokens)
    this.stats.outputTokens.add(nowMs, tokens)
    this.stats.tenant(ticket.request.tenantId, nowMs).outputTokens.add(nowMs, tokens)
    this.#tokensOf(ticket).output += tokens
    this.#book(ticket, nowMs, tokens * this.cost.output)
  }

  promptWasRead(ticket: PoolTicket, inputTokens: number, cachedTokens: number): void {
    const nowMs = this.#clock.monotonicMs()
    const before = ticket.inputTokens - ticket.cachedTokens
    ticket.inputTokens = inputTokens
    ticket.cachedTokens = cachedTokens
    const uncached = inputTokens - cachedTokens
    this.scheduler.promptRead(placeOf(ticket), uncached)
    this.stats.promptTokens.add(nowMs, inputTokens)
    this.stats.cachedTokens.add(nowMs, cachedTokens)
    this.#book(ticket, nowMs, (uncached - before) * this.cost.input)
    this.#tokensOf(ticket).input += uncached
    this.#tokensOf(ticket).cached += cachedTokens
  }

  finished(ticket: PoolTicket, end: TicketEnd): void {
    if (end.outputTokens > ticket.outputTokens) this.progressed(ticket, end.outputTokens)
    if (end.inputTokens > 0 && end.inputTokens !== ticket.inputTokens) {
      this.promptWasRead(ticket, end.inputTokens, end.cachedTokens)
    }
    const nowMs = this.#clock.monotonicMs()
    this.health.ended(ticket, nowMs, end)
    this.#release(ticket, end.failure)
    ticket.state = 'ended'
    const { firstTokenAtMs = nowMs, lastTokenAtMs, outputTokens } = ticket
    this.#controlOf(ticket)?.ended(nowMs, { firstTokenAtMs, lastTokenAtMs, outputTokens })
    const units =
      (ticket.inputTokens - ticket.cachedTokens) * this.cost.input +
      ticket.outputTokens * this.cost.output
    if (end.outcome === 'kept') this.stats.goodput.add(nowMs, units)
    else if (end.outcome !== 'late') this.#waste(ticket, end.outcome, units)
    this.#metrics.ended(ticket, end)
    this.#pump()
  }

  resubmit(ticket: PoolTicket, { model, failure }: RetryOptions): PoolTicket {
    const units = (ticket.inputTokens - ticket.cachedTokens) * this.cost.input
    const queued = placeOf(ticket)
    // The tenant is not charged for a prompt that an engine lost before it answered.
    this.scheduler.promptRead(queued, 0)
    this.#waste(ticket, 'engine_failed', units)
    const isLimit = failure === 'status_429' && this.quotas.isKept(ticket.engineId)
    if (!isLimit) ticket.circuit?.failed(this.#clock.monotonicMs())
    this.#release(ticket, failure)
    ticket.state = 'ended'
    const next = new PoolTicket(retryOf(ticket, model), ticket.arrivedAtMs, this)
    this.#queue(next, queued.order)
    return next
  }

  mayRetry(ticket: PoolTicket): boolean {
    return this.health.mayRetry(ticket, this.#clock.monotonicMs())
  }

  #queue(ticket: PoolTicket, order?: number): void {
    const { request } = ticket
    const queued = this.scheduler.arrive(arrivalOf(request, ticket.arrivedAtMs, order))
    if (queued === 'queue_full') {
      ticket.refuse(
        queueFull(request, this.stats.retryAfterMs(this.#clock.monotonicMs(), request.tenantId)),
      )
      return
    }
    ticket.queued = queued
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
    ticket.circuit = this.health.of(dispatch.engineId)
    ticket.circuit.began(nowMs)
    ticket.express = dispatch.express
    ticket.dispatchedAtMs = nowMs
    const { estimatedInputTokens, outputTokensMax } = ticket.request
    this.quotas.took(place.engine.id, ticket.id, estimatedInputTokens + outputTokensMax)
    this.stats.dispatches.add(nowMs, 1)
    this.stats.tenant(ticket.request.tenantId, nowMs).dispatches.add(nowMs, 1)
    this.stats.inputTokens.add(nowMs, estimatedInputTokens)
    this.#book(ticket, nowMs, estimatedInputTokens * this.cost.input)
    this.#record.meter.took(dispatch.engineId, ticket.request.tenantId, this.#clock.nowMs())
    const queueMs = nowMs - ticket.arrivedAtMs
    this.#metrics.started(ticket, queueMs)
    ticket.grant({
      engine: place.engine,
      takesPriority: place.profile.takesPriority,
      takesCacheSalt: place.profile.takesCacheSalt,
      takesCacheOff: place.profile.takesCacheOff,
      tokenGapMsMax: place.control.tokenGapMsMax,
      rank: dispatch.rank,
      queueMs,
      express: dispatch.express,
    })
  }

  #release(ticket: PoolTicket, failure: AttemptFailure | undefined): void {
    this.running.delete(ticket.id)
    this.scheduler.finish(placeOf(ticket))
    const { engineId, circuit } = ticket
    this.quotas.ended(engineId, ticket.id)
    circuit?.left()
    if (circuit?.isNews) this.#heed()
    if (engineId === undefined) return
    this.#record.meter.left(engineId, ticket.request.tenantId, this.#clock.nowMs(), failure)
  }

  #book(ticket: PoolTicket, nowMs: number, units: number): void {
    const { tenantId, serviceClass } = ticket.request
    this.stats.served(nowMs, tenantId, serviceClass, units)
    if (ticket.engineId === undefined) return
    this.#served.set(ticket.engineId, (this.#served.get(ticket.engineId) ?? 0) + units)
    this.engines.get(ticket.engineId)?.control.served(units)
    this.#record.meter.served(ticket.engineId, tenantId, bandOf(serviceClass), units)
  }

  #waste(ticket: PoolTicket, cause: string, units: number): void {
    const nowMs = this.#clock.monotonicMs()
    this.stats.wasted.add(nowMs, units)
    this.stats.history.waste.add(nowMs, units)
    if (ticket.engineId !== undefined) {
      this.#record.meter.wasted(ticket.engineId, ticket.request.tenantId, cause, units)
    }
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const { id, tenantId, model } of this.scheduler.expire(nowMs)) {
      const ticket = this.#waiting.get(id)
      this.#waiting.delete(id)
      const retryAfterMs = this.stats.retryAfterMs(nowMs, tenantId)
      ticket?.refuse(waitedTooLong(ticket.request, this.health.isAiling(model), retryAfterMs))
    }
  }

  #everySecond(): void {
    const nowMs = this.#clock.monotonicMs()
    const elapsedMs = this.#sinceSecondMs === 0 ? SECOND_MS : nowMs - this.#sinceSecondMs
    this.#sinceSecondMs = nowMs
    entitle(this, this.#record.meter, this.#served, nowMs, elapsedMs)
    this.#served.clear()
    for (const model of this.#models.lost(nowMs)) this.#refuseModel(model)
    this.#control(nowMs)
    if (this.quotas.refresh()) this.#pump()
    if (this.health.look(nowMs)) this.#heed()
    for (const id of this.engines.keys()) this.#record.look(id)
    if (this.#record.write()) this.stats.forget(nowMs)
  }

  #control(nowMs: number): void {
    const arrivedAtMs = (id: string) => this.#waiting.get(id)?.arrivedAtMs
    const changed = updateControls(this.scheduler, this.engines, arrivedAtMs, nowMs)
    for (const { engine, control } of changed) {
      const [engineId, cap, reserve] = [engine.id, control.cap, control.reserve]
      this.#applySlots(engineId)
      this.#logger.debug({ engineId, cap, reserve }, 'cap or reserve changed')
    }
    if (changed.length > 0) this.#pump()
  }

  /** Gives engines the places that circuits leave them, and takes work from those now open. */
  #heed(): void {
    this.health.heed((id) => {
      this.#applySlots(id)
      this.#record.look(id)
    }, this.#logger)
    this.#pump()
  }

  #applySlots(engineId: string): void {
    const place = this.engines.get(engineId)
    if (place) this.scheduler.setEngine(slotsOf(place, this.health.placesAt(engineId)))
  }

  #tokensOf({ engineId = '' }: PoolTicket): Tokens {
    return this.engines.get(engineId)?.control.tokens ?? { input: 0, cached: 0, output: 0 }
  }

  /** The control of the engine that an interactive ticket runs on. */
  #controlOf({ engineId, request }: PoolTicket): EngineControl | undefined {
    if (engineId === undefined || bandOf(request.serviceClass) !== 'interactive') return undefined
    return this.engines.get(engineId)?.control
  }

  #refuseModel(model: string): void {
    for (const ticket of this.#waiting.values()) {
      if (ticket.request.model === model) ticket.cancel(noEngine(model))
    }
    this.#logger.debug({ model }, 'no engine serves the model; waiting requests were told so')
  }
}
