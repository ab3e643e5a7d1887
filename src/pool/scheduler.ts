/**
 * The scheduler: a pure state machine. Events go in (`arrive`, `progress`, `finish`, `setEngine`),
 * decisions come out (`next`, `expire`). It reads no clock and does no I/O, so production, the
 * simulator and the property tests run the same code.
 *
 * What must stay true: never fewer than an engine's cap in flight while an eligible ticket waits,
 * never more than cap + express, nor more than its spare of background work that stands aside
 * beside them; every ticket leaves exactly once; tenants that wait for the same
 * engines in the same band receive service by weight, within 2U of each other.
 */
import { Gates } from './gates.ts'
import { Lanes } from './lanes.ts'
import { bestEngine, type Room, uncachedTokens } from './placement.ts'
import { PoolGroups } from './pool-groups.ts'
import { countInteractive, forgetIdle, reweigh, tenantOf } from './pool-tenants.ts'
import { rankOf } from './ranks.ts'
import type {
  Arrival,
  Dispatch,
  EngineSlots,
  EngineState,
  PoolGroup,
  SchedulerConfig,
} from './scheduler-types.ts'
import {
  hasBackgroundCap,
  hasCap,
  hasExpress,
  interactiveLoad,
  selectBackground,
  selectExpress,
  selectInteractive,
} from './selection.ts'
import { TicketState } from './ticket-state.ts'
import type { Service } from './types.ts'
import { WaitingLine } from './waiting-line.ts'
import { Weights } from './weights.ts'

export class Scheduler {
  #config: SchedulerConfig
  readonly #waiting = new WaitingLine<TicketState>()
  /** In no particular order; each knows its index. */
  readonly #running: TicketState[] = []
  readonly #groups = new PoolGroups(this.#waiting)
  readonly #gates = new Gates()
  readonly #weights = new Weights()
  readonly #lanes = new Lanes(this.#groups, this.#gates, this.#weights)
  #order = 0

  /** Parks a ticket that a concurrency limit holds back; true where it did. */
  readonly #isClosed = (ticket: TicketState) => this.#config.order === 'fair' && this.#park(ticket)

  constructor(config: SchedulerConfig) {
    this.#config = config
  }

  /** Adds an engine or changes its models, cap, express or reserve. Tickets in flight stay. */
  setEngine(slots: EngineSlots): void {
    this.#requeue(this.#groups.setEngine(slots))
  }

  /** Forgets an engine; tickets still running on it must be finished by the caller. */
  removeEngine(id: string): void {
    this.#requeue(this.#groups.removeEngine(id))
  }

  /** Changes the order for what waits and what comes. */
  setOrder(order: SchedulerConfig['order']): void {
    const waiting = [...this.#waiting.items()]
    this.#config = { ...this.#config, order }
    this.#requeue(waiting)
  }

  /**
   * A tenant weighs so much from now on, or a project of it where one is named: for all that waits
   * or runs, and for what comes, which may have been admitted before.
   */
  setWeight(weight: number, tenantId: string, projectId?: string): void {
    this.#weights.tell(weight, tenantId, projectId)
    for (const pool of this.#groups.all()) reweigh(pool, weight, tenantId, projectId)
  }

  /**
   * Queues a request, or refuses it where its tenant's queue is full; one that comes back to its
   * old place was accepted before and is never refused.
   * @returns the ticket, with which it can be asked about and leave while it waits
   */
  arrive(arrival: Arrival): TicketState | 'queue_full' {
    const pool = this.#groups.of(arrival.model)
    const tenant = tenantOf(pool, arrival, this.#weights)
    const isNew = arrival.order === undefined && arrival.wasAccepted !== true
    if (isNew && tenant.queued >= arrival.queueDepthMax) {
      forgetIdle(pool, tenant)
      return 'queue_full'
    }
    const lane = this.#lanes.of(arrival, pool, tenant, this.#config.order)
    const ticket = new TicketState(arrival, lane, arrival.order ?? this.#order++)
    this.#waiting.push(ticket)
    this.#enqueue(ticket)
    return ticket
  }

  /** Takes over a ticket that runs; what it has received so far is not charged. */
  adopt(arrival: Arrival, engineId: string, received: Service): TicketState {
    const pool = this.#groups.of(arrival.model)
    const tenant = tenantOf(pool, arrival, this.#weights)
    const lane = this.#lanes.of(arrival, pool, tenant, this.#config.order)
    const ticket = new TicketState(arrival, lane, this.#order++)
    countInteractive(ticket, 1)
    this.#gates.enter(lane, arrival)
    this.#occupy(ticket, this.#groups.engine(engineId))
    ticket.chargedInputTokens = received.inputTokens - received.cachedTokens
    ticket.outputTokens = received.outputTokens
    ticket.accounts.charge(lane.row, 0, 1)
    return ticket
  }

  /**
   * The next ticket to run and where, or undefined when nothing can run now. Called again until
   * it returns undefined, after every arrival, finish and change of capacity.
   */
  next(): Dispatch | undefined {
    if (this.#waiting.size === 0) return undefined
    for (const pool of this.#groups.all()) {
      const dispatch = this.#nextOf(pool)
      if (dispatch !== undefined) return dispatch
    }
    return undefined
  }

  /** Tickets whose wait limit has passed; they have left the queue. */
  expire(nowMs: number): Arrival[] {
    const due = this.#groups.all().flatMap(({ limits }) => limits.due(nowMs))
    for (const ticket of due) this.#giveUp(ticket)
    return due.map((ticket) => ticket.arrival)
  }

  /** The caller left the queue. False when the ticket does not wait (any more). */
  cancel(ticket: TicketState): boolean {
    if (ticket.state !== 'waiting') return false
    this.#giveUp(ticket)
    return true
  }

  /** Background work that waits goes before other background work from now on, in its old order. */
  raise(ticket: TicketState): void {
    if (ticket.state !== 'waiting' || ticket.arrival.urgent === true) return
    ticket.arrival.urgent = true
    this.#requeue([ticket])
  }

  /** The engine told the real length of the prompt; corrects what dispatch charged. */
  promptRead(ticket: TicketState, uncachedInputTokens: number): void {
    mustRun(ticket)
    forgetUnread(ticket)
    learnKept(ticket, uncachedInputTokens)
    const units = (uncachedInputTokens - ticket.chargedInputTokens) * this.#config.cost.input
    ticket.chargedInputTokens = uncachedInputTokens
    if (units !== 0) ticket.account.charge(units)
  }

  /** @param outputTokens output tokens of this ticket so far, in all */
  progress(ticket: TicketState, outputTokens: number): void {
    mustRun(ticket)
    const units = (outputTokens - ticket.outputTokens) * this.#config.cost.output
    if (units <= 0) return
    forgetUnread(ticket)
    ticket.outputTokens = outputTokens
    ticket.accounts.charge(ticket.lane.row, units)
  }

  /** The ticket gives its sequence back. @throws when it does not run, a programming error */
  finish(ticket: TicketState): void {
    mustRun(ticket)
    const last = this.#running.pop() as TicketState
    if (last !== ticket) {
      this.#running[ticket.index] = last
      last.index = ticket.index
    }
    ticket.state = 'gone'
    forgetUnread(ticket)
    if (ticket.engine) {
      ticket.engine.inFlight--
      if (isBackground(ticket)) ticket.engine.background--
    }
    ticket.accounts.charge(ticket.lane.row, 0, -1)
    ticket.tenant.inFlight--
    countInteractive(ticket, -1)
    this.#gates.release(ticket)
    this.#gates.leave(ticket)
    forgetIdle(ticket.pool, ticket.tenant)
  }

  /** Those that run; a read-only view, like those below. */
  runningTickets(): readonly TicketState[] {
    return this.#running
  }

  /** Those that wait, oldest first. */
  waitingTickets(): IterableIterator<TicketState> {
    return this.#waiting.items()
  }

  /** Which concurrency limit holds a waiting ticket back, if one does. */
  blocking(ticket: TicketState): 'tenant' | 'key' | undefined {
    return this.#gates.blocking(ticket)
  }

  engines(): readonly EngineState[] {
    return this.#groups.engines()
  }

  engine(id: string): EngineState | undefined {
    return this.#groups.engine(id)
  }

  /** Bounds what an engine has in flight beside its cap, where a service limits its rate. */
  setOpen(engineId: string, open: number): void {
    const engine = this.#groups.engine(engineId)
    if (engine) engine.open = open
  }

  /** True while some engine that is up serves the model. */
  serves(model: string): boolean {
    return this.#groups.serves(model)
  }

  /** True while more than one does. */
  hasChoice(model: string): boolean {
    return this.#groups.hasChoice(model)
  }

  pools(): readonly PoolGroup[] {
    return this.#groups.all()
  }

  get order(): SchedulerConfig['order'] {
    return this.#config.order
  }

  get waiting(): number {
    return this.#waiting.size
  }

  #nextOf(pool: PoolGroup): Dispatch | undefined {
    const config = this.#config
    if (pool.engines.some(hasCap)) {
      const ticket = selectInteractive(pool, config, this.#isClosed)
      if (ticket) return this.#dispatch(ticket, 'cap')
    }
    if (pool.engines.some(hasBackgroundCap)) {
      const ticket = selectBackground(pool, config, this.#isClosed)
      if (ticket) return this.#dispatch(ticket, 'reserve')
    }
    if (config.order === 'fair' && pool.engines.some(hasExpress)) {
      const ticket = selectExpress(pool, config, this.#isClosed)
      if (ticket) return this.#dispatch(ticket, 'express')
    }
    return undefined
  }

  #dispatch(ticket: TicketState, room: Room): Dispatch {
    const config = this.#config
    const engine = bestEngine(ticket.pool, ticket, room, config.cost)
    if (engine === undefined) throw new Error('selected a ticket that no engine has room for')
    const rank = config.order === 'fair' ? rankOf(ticket) : 0
    const express = interactiveLoad(engine) >= engine.cap
    this.#unqueue(ticket)
    this.#waiting.remove(ticket)
    this.#occupy(ticket, engine)
    ticket.chargedInputTokens = uncachedTokens(engine, ticket.arrival)
    const { beginnings } = ticket.arrival
    if (beginnings && engine.keepsPrefixes !== false) engine.prefixes.note(beginnings)
    addUnread(ticket, ticket.chargedInputTokens)
    const units = ticket.chargedInputTokens * config.cost.input
    ticket.accounts.charge(ticket.lane.row, units, 1)
    return { id: ticket.arrival.id, ticket, engineId: engine.id, rank, express }
  }

  #occupy(ticket: TicketState, engine: EngineState | undefined): void {
    ticket.tenant.inFlight++
    ticket.index = this.#running.push(ticket) - 1
    ticket.state = 'running'
    ticket.engine = engine
    if (engine !== undefined) {
      engine.inFlight++
      if (isBackground(ticket)) engine.background++
    }
    this.#gates.take(ticket)
    needPlace(ticket)
  }

  /** Puts a ticket in line where its lane says. */
  #enqueue(ticket: TicketState): void {
    const { arrival, lane } = ticket
    lane.tenant.waiting++
    if (isBounded(arrival)) lane.tenant.queued++
    countInteractive(ticket, 1)
    this.#gates.enter(lane, arrival)
    const { pool, queue } = lane
    if (this.#gates.blocking(ticket) === undefined) needPlace(ticket)
    if (pool.queues.push(queue, ticket)) pool.limits.note(queue, arrival.deadlineMs)
    if (pool.queues.size(queue) === 1) lane.place.activate()
  }

  #unqueue(ticket: TicketState): void {
    const { pool, queue, place, tenant } = ticket.lane
    pool.queues.remove(queue, ticket)
    if (pool.queues.size(queue) === 0) place.deactivate()
    tenant.waiting--
    if (isBounded(ticket.arrival)) tenant.queued--
  }

  #leave(ticket: TicketState): void {
    this.#unqueue(ticket)
    countInteractive(ticket, -1)
    forgetIdle(ticket.pool, ticket.tenant)
  }

  /** Puts tickets whose pool has been redrawn, or whose order has changed, back in line. */
  #requeue(tickets: readonly TicketState[]): void {
    for (const ticket of tickets) this.#leave(ticket)
    for (const ticket of tickets) {
      this.#gates.leave(ticket)
      const { arrival } = ticket
      const pool = this.#groups.of(arrival.model)
      const tenant = tenantOf(pool, arrival, this.#weights)
      ticket.lane = this.#lanes.of(arrival, pool, tenant, this.#config.order)
      this.#enqueue(ticket)
    }
  }

  /** Whoever waits for a limit needs no place. */
  #park(ticket: TicketState): boolean {
    if (!this.#gates.park(ticket)) return false
    ticket.pool.needed.leave(ticket)
    return true
  }

  #giveUp(ticket: TicketState): void {
    this.#leave(ticket)
    this.#gates.leave(ticket)
    this.#waiting.remove(ticket)
    ticket.state = 'gone'
  }
}

function mustRun({ state, arrival }: TicketState): void {
  if (state !== 'running') throw new Error(`ticket ${arrival.id} is not running`)
}

/** What has no bound of its own, such as a batch, takes nothing of the tenant's. */
const isBounded = ({ queueDepthMax }: Arrival) => queueDepthMax !== Number.POSITIVE_INFINITY

const isBackground = ({ lane }: TicketState) => lane.isBackground

function needPlace(ticket: TicketState): void {
  if (!isBackground(ticket)) ticket.pool.needed.enter(ticket)
}

/** The prompt of a ticket is among what its engine has to read. */
function addUnread(ticket: TicketState, tokens: number): void {
  ticket.unreadTokens += tokens
  if (!ticket.engine) return
  ticket.engine.unread += tokens
  if (isBackground(ticket)) ticket.engine.unreadBackground += tokens
}

/** Whether the engine kept as much of the prompt as it was believed to. */
function learnKept({ arrival, engine, chargedInputTokens }: TicketState, uncached: number): void {
  const expected = arrival.estimatedInputTokens - chargedInputTokens
  if (expected <= 0 || arrival.beginnings === undefined) return
  engine?.prefixes.learn(uncached <= chargedInputTokens + expected / 2)
}

/** Its first token is there, or it is over. */
const forgetUnread = (ticket: TicketState) => {
  if (ticket.unreadTokens > 0) addUnread(ticket, -ticket.unreadTokens)
}
