/**
 * The pool at work: it feeds the scheduler with arrivals, progress and ends, carries its decisions
 * to the waiting requests, and books what every tenant received. One object per gateway.
 */
import { bandOf, type Clock, type Logger, type Registry, ShortLivedMap } from '../base/index.ts'
import type { Engine, EngineLoad, EngineProfile, EngineState } from '../engine/index.ts'
import type { AttemptFailure } from '../meter/index.ts'
import { arrivalOf } from './arrivals.ts'
import { EngineControl } from './engine-control.ts'
import { EngineHealth } from './engine-health.ts'
import { controlOf, grantOf, ServedModels, slotsOf, updateControls } from './engine-places.ts'
import { EngineRecord, type RecordSink } from './engine-record.ts'
import { PoolMetrics } from './pool-metrics.ts'
import { PoolStats } from './pool-stats.ts'
import { Quotas } from './quotas.ts'
import { noEngine, queueFull, waitedTooLong } from './refusals.ts'
import { Scheduler } from './scheduler.ts'
import { type CostWeights, type Dispatch, defaultSchedulerConfig } from './scheduler-types.ts'
import { ServiceBooks } from './service-books.ts'
import { SlotBooks } from './slot-books.ts'
import { PoolTicket, placeOf, type Running, retryOf, type TicketOwner } from './ticket.ts'
import type { PoolEngine, RetryOptions, TicketEnd, TicketRequest } from './types.ts'

const TICK_MS = 100
const SECOND_MS = 1000

export interface PoolOptions extends RecordSink {
  clock: Clock
  logger: Logger
  registry: Registry
  order: 'fair' | 'fcfs'
  /** False while it may start nothing; always true where absent. */
  mayStart?: () => boolean
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
  readonly #mayStart: (() => boolean) | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: PoolMetrics
  readonly #record: EngineRecord
  readonly #books: ServiceBooks
  readonly #models: ServedModels
  readonly #slots = new SlotBooks(this.running)
  readonly #timers
  #sinceSecondMs = 0

  constructor(options: PoolOptions) {
    this.#clock = options.clock
    this.#logger = options.logger
    this.#mayStart = options.mayStart
    const { order } = options
    this.cost = options.cost ?? defaultSchedulerConfig.cost
    this.scheduler = new Scheduler({ ...defaultSchedulerConfig, order, cost: this.cost })
    this.quotas = new Quotas(this.scheduler, options.clock)
    this.#models = new ServedModels(this.scheduler, this.health)
    this.#record = new EngineRecord(this, options.clock, options)
    this.#books = new ServiceBooks(this, this.#record.meter)
    this.#metrics = new PoolMetrics(options.registry, this, options.clock)
    this.#timers = [
      options.clock.every(TICK_MS, () => this.#expire()),
      options.clock.every(SECOND_MS, () => this.#everySecond()),
    ]
  }

  /** Asks for a slot; the ticket's `granted` tells when there is one, or what refused it. */
  submit(request: TicketRequest): PoolTicket {
    const nowMs = this.#clock.monotonicMs()
    const ticket = new PoolTicket(request, request.arrivedAtMs ?? nowMs, this)
    this.#queue(ticket)
    return ticket
  }

  /** Takes over a request that runs already. */
  adopt(request: TicketRequest, { engineId, ...received }: Running): PoolTicket {
    const nowMs = this.#clock.monotonicMs()
    const ticket = new PoolTicket(request, request.arrivedAtMs ?? nowMs, this)
    const arrival = arrivalOf(request, ticket.arrivedAtMs, this.scheduler)
    ticket.queued = this.scheduler.adopt(arrival, engineId, received)
    Object.assign(ticket, received, { wasAdopted: true })
    ticket.state = 'running'
    if (received.outputTokens > 0) ticket.firstTokenAtMs = nowMs
    this.#enter(ticket, engineId, nowMs)
    this.#slots.adopt(ticket)
    return ticket
  }

  /** Forgets all that waits or runs: somebody else schedules it now. */
  clear(): void {
    for (const ticket of [...this.running.values(), ...this.#waiting.values()]) {
      if (ticket.state === 'running') this.#release(ticket, undefined)
      else this.cancelled(ticket)
      ticket.state = 'ended'
    }
    this.#slots.forget()
  }

  /** Leaves so many places of an engine empty, for requests of which nobody tells. */
  hold(engineId: string, places: number): void {
    this.#slots.hold(engineId, places)
    this.#applySlots(engineId)
    this.wake()
  }

  /** True where engines of a model are to be chosen between, by what a prompt begins with. */
  hasChoice(model: string): boolean {
    return this.scheduler.hasChoice(model)
  }

  /** True where it matters what a prompt begins with: to choose an engine, or a slot of one. */
  asksBeginnings(model: string): boolean {
    return this.hasChoice(model) || this.#slots.serve(model)
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
    this.#slots.set(engine.id, profile, state)
    this.health.of(engine.id).calibratedMs = profile.tokenGapMs ?? 0
    this.#applySlots(engine.id)
    this.quotas.watch(engine.id, profile.service !== undefined)
    if (state === 'up') this.#models.note(engine.id, profile, nowMs)
    this.#record.look(engine.id)
    this.wake()
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
    this.wake()
  }

  /** Forgets an engine; what runs there ends through its own errors. */
  removeEngine(id: string): void {
    if (!this.engines.delete(id)) return
    this.scheduler.removeEngine(id)
    this.#slots.remove(id)
    this.quotas.forget(id)
    this.health.forget(id)
    this.#record.forget(id)
    this.wake()
  }

  setOrder(order: 'fair' | 'fcfs'): void {
    this.scheduler.setOrder(order)
    this.wake()
  }

  /** See `Scheduler.setWeight`. Who weighs more may have an express sequence at once. */
  setWeight(...told: Parameters<Scheduler['setWeight']>): void {
    this.scheduler.setWeight(...told)
    this.wake()
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
      const readTokens = ticket.inputTokens - ticket.cachedTokens
      controlOf(this.engines, ticket)?.firstToken(nowMs, ttftMs, readTokens)
    }
    ticket.circuit?.heard(nowMs)
    this.scheduler.progress(placeOf(ticket), outputTokens)
    this.#books.generated(ticket, nowMs, tokens)
    this.#books.serve(ticket, nowMs, tokens * this.cost.output)
  }

  promptWasRead(ticket: PoolTicket, inputTokens: number, cachedTokens: number): void {
    const nowMs = this.#clock.monotonicMs()
    const before = ticket.inputTokens - ticket.cachedTokens
    ticket.inputTokens = inputTokens
    ticket.cachedTokens = cachedTokens
    ticket.wasRead = true
    const uncached = inputTokens - cachedTokens
    this.scheduler.promptRead(placeOf(ticket), uncached)
    this.#books.serve(ticket, nowMs, (uncached - before) * this.cost.input)
    this.#books.read(ticket, nowMs, uncached, cachedTokens)
  }

  finished(ticket: PoolTicket, end: TicketEnd): void {
    if (end.outputTokens > ticket.outputTokens) this.progressed(ticket, end.outputTokens)
    const isTold = ticket.wasRead && end.inputTokens === ticket.inputTokens
    if (end.inputTokens > 0 && !isTold) {
      this.promptWasRead(ticket, end.inputTokens, end.cachedTokens)
    }
    const nowMs = this.#clock.monotonicMs()
    this.health.ended(ticket, nowMs, end)
    this.#release(ticket, end.failure)
    ticket.state = 'ended'
    if (!ticket.wasAdopted) controlOf(this.engines, ticket)?.ended(nowMs, ticket)
    const units =
      (ticket.inputTokens - ticket.cachedTokens) * this.cost.input +
      ticket.outputTokens * this.cost.output
    if (end.outcome === 'kept') this.stats.goodput.add(nowMs, units)
    else if (end.outcome !== 'late') this.#books.waste(ticket, nowMs, end.outcome, units)
    this.#metrics.ended(ticket, end)
    this.wake()
  }

  resubmit(ticket: PoolTicket, { model, failure }: RetryOptions): PoolTicket {
    const units = (ticket.inputTokens - ticket.cachedTokens) * this.cost.input
    const queued = placeOf(ticket)
    // The tenant is not charged for a prompt that an engine lost before it answered.
    this.scheduler.promptRead(queued, 0)
    const nowMs = this.#clock.monotonicMs()
    this.#books.waste(ticket, nowMs, 'engine_failed', units)
    this.health.failed(ticket, nowMs, failure)
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
    const nowMs = this.#clock.monotonicMs()
    if (this.#models.isLost(request.model, nowMs)) {
      ticket.refuse(noEngine(request.model))
      return
    }
    const arrival = arrivalOf(request, ticket.arrivedAtMs, this.scheduler, order)
    const queued = this.scheduler.arrive(arrival)
    if (queued === 'queue_full') {
      const retryAfterMs = this.stats.retryAfterMs(nowMs, request.tenantId)
      ticket.refuse(queueFull(request, retryAfterMs))
      return
    }
    ticket.queued = queued
    this.#waiting.set(ticket.id, ticket)
    this.wake()
  }

  /** Starts what can be started; to be called where `mayStart` has become true. */
  wake(): void {
    if (this.#mayStart !== undefined && !this.#mayStart()) return
    for (let next = this.scheduler.next(); next; next = this.scheduler.next()) this.#start(next)
  }

  #start(dispatch: Dispatch): void {
    const ticket = this.#waiting.get(dispatch.id)
    const place = this.engines.get(dispatch.engineId)
    if (!ticket || !place)
      throw new Error(`dispatched ${dispatch.id}, which the pool does not know`)
    const nowMs = this.#clock.monotonicMs()
    this.#waiting.delete(ticket.id)
    this.#enter(ticket, dispatch.engineId, nowMs)
    ticket.express = dispatch.express
    this.#books.started(ticket, nowMs)
    this.#books.serve(ticket, nowMs, ticket.request.estimatedInputTokens * this.cost.input)
    const queueMs = nowMs - ticket.arrivedAtMs
    this.#metrics.started(ticket, queueMs)
    ticket.grant(grantOf(place, dispatch, this.#slots.take(ticket), queueMs))
  }

  /** It has a place at an engine from now on. */
  #enter(ticket: PoolTicket, engineId: string, nowMs: number): void {
    this.running.set(ticket.id, ticket)
    ticket.engineId = engineId
    ticket.circuit = this.health.of(engineId)
    ticket.runningAtBegin = ticket.circuit.began(nowMs)
    ticket.dispatchedAtMs = nowMs
    const { estimatedInputTokens, outputTokensMax } = ticket.request
    this.quotas.took(engineId, ticket.id, estimatedInputTokens + outputTokensMax)
    this.#record.meter.took(engineId, ticket.request.tenantId, this.#clock.nowMs())
  }

  #release(ticket: PoolTicket, failure: AttemptFailure | undefined): void {
    this.running.delete(ticket.id)
    this.scheduler.finish(placeOf(ticket))
    const { engineId, circuit } = ticket
    this.quotas.ended(engineId, ticket.id)
    this.#slots.give(ticket)
    // Before its circuit is heeded, which notes the engine as it is without this request.
    this.#record.left(ticket, failure)
    circuit?.left()
    if (circuit?.isNews) this.#heed()
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
    this.#books.entitle(nowMs, elapsedMs)
    this.#refuseLost(nowMs)
    this.#control(nowMs)
    if (this.quotas.refresh()) this.wake()
    if (this.health.look(nowMs)) this.#heed()
    for (const id of this.engines.keys()) this.#record.look(id)
    if (this.#record.write()) this.stats.forget(nowMs)
  }

  #control(nowMs: number): void {
    const arrivedAtMs = (id: string) => this.#waiting.get(id)?.arrivedAtMs
    const changed = updateControls(this.scheduler, this.engines, arrivedAtMs, nowMs)
    for (const { engine, control } of changed) {
      const { cap, reserve } = control
      this.#applySlots(engine.id)
      this.#logger.debug({ engineId: engine.id, cap, reserve }, 'cap or reserve changed')
    }
    if (changed.length > 0) this.wake()
  }

  /** Gives engines the places that circuits leave them, and takes work from those now open. */
  #heed(): void {
    this.health.heed((id) => {
      this.#applySlots(id)
      this.#record.look(id)
    }, this.#logger)
    this.wake()
  }

  #applySlots(id: string): void {
    const place = this.engines.get(id)
    if (place === undefined) return
    this.scheduler.setEngine(slotsOf(place, this.health.placesAt(id), this.#slots.heldAt(id)))
  }

  /** Tells those that wait where no engine is, and none has come back. */
  #refuseLost(nowMs: number): void {
    const lost = new Set(this.#models.lost(nowMs))
    if (lost.size === 0) return
    for (const ticket of this.#waiting.values()) {
      if (lost.has(ticket.request.model)) ticket.cancel(noEngine(ticket.request.model))
    }
  }
}
