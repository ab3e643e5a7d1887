/**
 * Discrete-event simulation of a pool: the production scheduler in front of engine models, on a
 * clock that jumps from event to event. The same requests and the same seed give the same run.
 */
import { Heap, type HeapMember } from './heap.ts'
import { Scheduler } from './scheduler.ts'
import { type Arrival, type CostWeights, defaultSchedulerConfig } from './scheduler-types.ts'
import { SimEngine } from './sim-engine.ts'
import { SimLockstepEngine } from './sim-lockstep.ts'
import {
  DEFAULT_MODEL,
  type SimEngineModel,
  type SimEngineSetup,
  type SimFeed,
  type SimObserver,
  type SimOutcome,
  type SimRequest,
  type SimScheduler,
  type SimTicket,
} from './sim-types.ts'
import type { Beginning } from './warm-prefixes.ts'

/** Later than any deadline; a number that time buckets can hold. */
const NEVER_MS = 1e12
const TICK_MS = 1000

export interface SimulationOptions {
  engines: readonly SimEngineSetup[]
  /** In order of their time. */
  requests: Iterable<SimRequest>
  feeds?: readonly SimFeed[]
  /** The production scheduler with this cost unless another is given. */
  cost?: CostWeights
  scheduler?: SimScheduler
  /** Weights of tenants; 1 where none is given. */
  weights?: ReadonlyMap<string, number>
  observers?: readonly SimObserver[]
  /** Called every second of the simulation: reserves and caps are set here. */
  control?: (nowMs: number, simulation: Simulation) => void
  /** The simulation ends at this time, with whatever still runs; else when all is done. */
  untilMs?: number
}

/** Events of one moment need no order of their own. */
interface Leaving extends HeapMember {
  atMs: number
  ticket: SimTicket
}

/** Tenants share nothing, so whose a prompt is belongs to its beginning. */
function beginningsOf({ tenant, prefix }: SimRequest): Beginning[] {
  let key = tenant
  let tokens = 0
  return prefix.map((part) => {
    key = `${key}/${part.id}`
    tokens += part.tokens
    return { key, tokens }
  })
}

export class Simulation {
  readonly scheduler: SimScheduler
  readonly engines = new Map<string, SimEngineModel>()
  /** Requests that wait or run. */
  readonly open = new Map<string, SimTicket>()
  nowMs = 0
  readonly #options: SimulationOptions
  readonly #observers: readonly SimObserver[]
  readonly #busy = new Heap<SimEngineModel>()
  readonly #leaving = new Heap<Leaving>()
  readonly #feeds: readonly SimFeed[]
  readonly #feedOf = new Map<SimTicket, SimFeed>()
  readonly #placeOf = new Map<SimTicket, SimEngineModel>()
  /** Engines whose next segment is to be planned. */
  readonly #unplanned = new Set<SimEngineModel>()
  #order = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#observers = options.observers ?? []
    this.#feeds = options.feeds ?? []
    const cost = options.cost ?? defaultSchedulerConfig.cost
    this.scheduler = options.scheduler ?? new Scheduler({ ...defaultSchedulerConfig, cost })
    for (const { id, profile, models } of options.engines) {
      const Model = profile.lockstep ? SimLockstepEngine : SimEngine
      const engine = new Model(id, profile, this)
      this.engines.set(id, engine)
      this.setEngine(id, { models: models ?? [DEFAULT_MODEL] })
    }
  }

  /** Changes what the scheduler may use of an engine. */
  setEngine(
    id: string,
    change: { models?: readonly string[]; cap?: number; express?: number; reserve?: number } = {},
  ): void {
    const engine = this.engines.get(id)
    if (engine === undefined) throw new Error(`there is no engine ${id}`)
    const setup = this.#options.engines.find((one) => one.id === id)
    const { profile } = engine
    this.scheduler.setEngine({
      id,
      models: change.models ?? setup?.models ?? [DEFAULT_MODEL],
      cap: change.cap ?? profile.cap,
      express: change.express ?? profile.express,
      backgroundReserve: change.reserve ?? 0,
      spare: profile.yields === 'step' ? profile.spare : 0,
    })
  }

  /** Runs to the end; once per object. */
  run(): void {
    const { untilMs = Number.POSITIVE_INFINITY, control } = this.#options
    const requests = this.#options.requests[Symbol.iterator]()
    let arrival = requests.next()
    let tickMs = control || this.#feeds.length > 0 ? 0 : Number.POSITIVE_INFINITY
    for (;;) {
      const arrivalMs = arrival.done === true ? Number.POSITIVE_INFINITY : arrival.value.atMs
      const engineMs = this.#busy.peek()?.endMs ?? Number.POSITIVE_INFINITY
      const leavingMs = this.#leaving.peek()?.atMs ?? Number.POSITIVE_INFINITY
      const eventMs = Math.min(arrivalMs, engineMs, leavingMs)
      const nextMs = Math.min(eventMs, tickMs)
      if (nextMs > untilMs) break
      if (eventMs === Number.POSITIVE_INFINITY && this.#isOver(tickMs)) break
      this.nowMs = nextMs
      if (tickMs <= nextMs) {
        control?.(nextMs, this)
        for (const feed of this.#feeds) this.#draw(feed)
        tickMs += TICK_MS
      }
      while (arrival.done !== true && arrival.value.atMs <= nextMs) {
        this.#arrive(arrival.value)
        arrival = requests.next()
      }
      this.#leave()
      this.#completeEngines()
      this.#dispatch()
    }
    if (untilMs !== Number.POSITIVE_INFINITY) this.nowMs = untilMs
  }

  /** Without an event left: true unless there is a set end, or feeds have yet to be asked. */
  #isOver(tickMs: number): boolean {
    if (this.#options.untilMs !== undefined && tickMs < this.#options.untilMs) return false
    return this.#feeds.length === 0 || (tickMs > 0 && this.open.size === 0)
  }

  #arrive(request: SimRequest, feed?: SimFeed): void {
    const ticket: SimTicket = {
      id: `${this.#order}`,
      request: request.outputTokens > 0 ? request : { ...request, outputTokens: 1 },
      order: this.#order++,
      arrivedMs: this.nowMs,
      dispatchedMs: undefined,
      firstTokenMs: undefined,
      lastStepMs: 0,
      rank: 0,
      uncachedTokens: request.inputTokens,
      unread: 0,
      toRead: 0,
      passedTokens: 0,
      index: 0,
      paused: false,
      generated: 0,
      reported: 0,
      aborted: false,
      queued: undefined,
    }
    this.open.set(ticket.id, ticket)
    if (feed !== undefined) this.#feedOf.set(ticket, feed)
    for (const observer of this.#observers) observer.arrived?.(ticket, this.nowMs)
    const queued = this.scheduler.arrive(this.#arrivalOf(ticket))
    if (queued !== 'queue_full') ticket.queued = queued
    const { abortAfterMs } = request
    if (abortAfterMs === undefined) return
    const atMs = this.nowMs + abortAfterMs
    this.#leaving.push({ index: -1, order: 0, atMs, ticket }, atMs)
  }

  #arrivalOf({ id, request }: SimTicket): Arrival {
    const { tenant, keyId = tenant } = request
    return {
      id,
      model: request.model ?? DEFAULT_MODEL,
      tenantId: tenant,
      tenantWeight: this.#options.weights?.get(tenant) ?? 1,
      projectId: tenant,
      projectWeight: 1,
      keyId,
      userId: keyId,
      serviceClass: request.serviceClass,
      estimatedInputTokens: request.estimatedInputTokens ?? request.inputTokens,
      deadlineMs: request.deadlineMs ?? NEVER_MS,
      queueDepthMax: Number.MAX_SAFE_INTEGER,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
      ...(this.engines.size > 1 && { beginnings: beginningsOf(request) }),
    }
  }

  #draw(feed: SimFeed): void {
    for (const request of feed.draw(this.nowMs)) this.#arrive(request, feed)
  }

  /** Callers that leave: out of the queue at once, out of an engine after the step under way. */
  #leave(): void {
    for (let next = this.#leaving.peek(); next && next.atMs <= this.nowMs; ) {
      this.#leaving.remove(next)
      const { ticket } = next
      next = this.#leaving.peek()
      if (!this.open.has(ticket.id)) continue
      const engine = this.#placeOf.get(ticket)
      if (engine !== undefined) {
        this.#interrupt(engine, () => engine.abort(ticket, this.nowMs))
      } else {
        ticket.aborted = true
        if (ticket.queued) this.scheduler.cancel(ticket.queued)
        this.#close(ticket, 'aborted')
      }
    }
  }

  #completeEngines(): void {
    for (let engine = this.#busy.peek(); engine && engine.endMs <= this.nowMs; ) {
      this.#busy.remove(engine)
      engine.complete(this.nowMs)
      this.#unplanned.add(engine)
      engine = this.#busy.peek()
    }
    for (const engine of this.#unplanned) engine.dropAborted(this.nowMs)
  }

  #dispatch(): void {
    for (let next = this.scheduler.next(); next; next = this.scheduler.next()) {
      const ticket = this.open.get(next.id)
      const engine = this.engines.get(next.engineId)
      if (!ticket || !engine) throw new Error(`dispatched ${next.id}, which is not known`)
      ticket.dispatchedMs = this.nowMs
      ticket.rank = next.rank
      this.#placeOf.set(ticket, engine)
      for (const observer of this.#observers) observer.dispatched?.(ticket, this.nowMs)
      this.#interrupt(engine, () => engine.add(ticket, this.nowMs))
    }
    for (const engine of this.#unplanned) {
      engine.plan(this.nowMs)
      if (!engine.isIdle) this.#busy.push(engine, engine.endMs)
    }
    this.#unplanned.clear()
  }

  /** Does something to an engine that may end its segment earlier. */
  #interrupt(engine: SimEngineModel, work: () => void): void {
    work()
    if (engine.isIdle) {
      if (engine.index >= 0) this.#busy.remove(engine)
      this.#unplanned.add(engine)
    } else if (engine.index >= 0) this.#busy.update(engine, engine.endMs)
  }

  /** The prompt is read and the first token is there. Called by engines. */
  promptRead(ticket: SimTicket, nowMs: number): void {
    if (ticket.queued) this.scheduler.promptRead(ticket.queued, ticket.uncachedTokens)
    for (const observer of this.#observers) observer.promptRead?.(ticket, nowMs)
  }

  /** Called by engines in steps of at most 16 tokens. */
  progressed(ticket: SimTicket, nowMs: number): void {
    const tokens = ticket.generated - ticket.reported
    if (tokens <= 0) return
    ticket.reported = ticket.generated
    if (ticket.queued) this.scheduler.progress(ticket.queued, ticket.generated)
    for (const observer of this.#observers) observer.progressed?.(ticket, tokens, nowMs)
  }

  /** Called by engines that ran out of memory. */
  preempted(ticket: SimTicket, tokens: number, nowMs: number): void {
    for (const observer of this.#observers) observer.preempted?.(ticket, tokens, nowMs)
  }

  /** Called by engines, once per request. */
  ended(ticket: SimTicket, outcome: SimOutcome, nowMs: number): void {
    this.progressed(ticket, nowMs)
    if (ticket.queued) this.scheduler.finish(ticket.queued)
    this.#placeOf.delete(ticket)
    this.#close(ticket, outcome)
  }

  #close(ticket: SimTicket, outcome: SimOutcome): void {
    this.open.delete(ticket.id)
    for (const observer of this.#observers) observer.ended?.(ticket, outcome, this.nowMs)
    const feed = this.#feedOf.get(ticket)
    if (feed === undefined) return
    this.#feedOf.delete(ticket)
    feed.ended(ticket.request, outcome, this.nowMs)
    this.#draw(feed)
  }
}
