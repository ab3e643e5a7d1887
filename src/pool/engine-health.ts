/**
 * Which engines are sent work by how they have answered: joins their circuits with what runs and
 * with each other, since an engine is only passed over while another can take its place.
 */
import type { Logger } from '../base/index.ts'
import type { AttemptFailure } from '../meter/index.ts'
import { EngineCircuit, type Pace } from './engine-circuit.ts'
import { pinnedModel } from './engine-places.ts'
import { RetryBudgets } from './retry-budget.ts'
import type { PoolTicket } from './ticket.ts'
import type { PoolEngine, TicketEnd } from './types.ts'

const MINUTE_MS = 60_000
/** What an engine reads in a second where nothing is known of it, service units. */
const READS_PER_S = 500
/** Means over fewer tokens say nothing of the pace. */
const PACE_TOKENS_LEAST = 4
const PACE_MS_LEAST = 500
/** A client that leaves sooner has changed its mind; one that leaves later has given up. */
const PATIENCE_MS_LEAST = 10_000
/** Part of its time from which an answer counts as streamed. */
const STREAMED_SHARE_LEAST = 0.1

interface Engines {
  readonly engines: ReadonlyMap<string, PoolEngine>
  readonly running: { values(): Iterable<PoolTicket> }
  readonly scheduler: { engine(id: string): { unread: number } | undefined }
  readonly quotas: { isKept(engineId: string | undefined): boolean }
}

export class EngineHealth {
  readonly #pool: Engines
  readonly #circuits = new Map<string, EngineCircuit>()
  readonly #retries = new RetryBudgets()

  constructor(pool: Engines) {
    this.#pool = pool
  }

  of(engineId: string): EngineCircuit {
    let circuit = this.#circuits.get(engineId)
    if (circuit === undefined) {
      circuit = new EngineCircuit()
      this.#circuits.set(engineId, circuit)
    }
    return circuit
  }

  forget(engineId: string): void {
    this.#circuits.delete(engineId)
  }

  /** Requests that may be in flight there; null: as many as it has places. */
  placesAt(engineId: string): number | null {
    const circuit = this.of(engineId)
    if (circuit.state === 'closed' || !this.hasPeer(engineId)) return null
    return circuit.state === 'open' ? 0 : circuit.places
  }

  /** True where another engine that is well serves a model of this one. */
  hasPeer(engineId: string): boolean {
    return this.#peersOf(engineId).some(({ engine }) => this.of(engine.id).state === 'closed')
  }

  /** True while every engine behind a queue is being spared; another target is asked rather. */
  isAiling(queue: string): boolean {
    let isAny = false
    for (const { engine, profile, state } of this.#pool.engines.values()) {
      if (state !== 'up') continue
      const serves = profile.models.some(({ name }) => name === queue)
      if (!serves && queue !== pinnedModel(engine.id)) continue
      if (this.of(engine.id).takesMore) return false
      isAny = true
    }
    return isAny
  }

  /** A request has ended there. What its engine had no part in says nothing of it. */
  ended(ticket: PoolTicket, nowMs: number, end: TicketEnd): void {
    const { circuit } = ticket
    if (circuit === undefined) return
    const { outcome, failure, inputTokens, outputTokens } = end
    if (failure !== undefined || outcome === 'engine_failed' || outcome === 'timeout') {
      circuit.heard(nowMs)
      this.failed(ticket, nowMs, failure)
    } else if (outcome === 'kept' || (outcome === 'late' && inputTokens + outputTokens > 0)) {
      circuit.heard(nowMs)
      circuit.succeeded(nowMs, paceOf(ticket, nowMs, outputTokens), ticket.runningAtBegin)
    } else if (outcome === 'client_gone' && isGivenUp(ticket, nowMs, outputTokens)) {
      circuit.owes(dueAt(ticket, circuit))
    }
  }

  /** It has failed a request, which may go on elsewhere. */
  failed({ circuit, engineId }: PoolTicket, nowMs: number, failure?: AttemptFailure): void {
    // A service that keeps to the rate it has told of is well.
    const isLimit = failure === 'status_429' && this.#pool.quotas.isKept(engineId)
    if (!isLimit) circuit?.failed(nowMs)
  }

  /** Takes a retry out of the budget of the ticket's model; false where none is left. */
  mayRetry({ request }: PoolTicket, nowMs: number): boolean {
    let attempts = 0
    let places = 0
    for (const { engine, profile, control } of this.#pool.engines.values()) {
      const serves = profile.models.some(({ name }) => name === request.model)
      if (!serves && request.model !== pinnedModel(engine.id)) continue
      attempts += this.of(engine.id).attempts(nowMs, MINUTE_MS)
      places += control.cap.cap + profile.express
    }
    return this.#retries.take(request.model, nowMs, attempts, places)
  }

  /** Looks at every engine. @returns true where one is not sent work as usual, or is again */
  look(nowMs: number): boolean {
    const paces = this.#runningPaces(nowMs)
    const due = this.#signsDue()
    let isAny = false
    for (const { engine, profile, state } of this.#pool.engines.values()) {
      if (state !== 'up') continue
      const circuit = this.of(engine.id)
      const unread = this.#pool.scheduler.engine(engine.id)?.unread ?? 0
      circuit.look(nowMs, {
        dueAtMs: due.get(engine.id) ?? 0,
        readMs: (1000 * unread) / (profile.capacityUnitsPerS ?? READS_PER_S),
        runningPaceMs: paces.get(engine.id) ?? null,
        peer: this.#bestPaceBeside(engine.id),
      })
      isAny ||= circuit.isNews || circuit.state !== 'closed'
    }
    return isAny
  }

  /**
   * Carries out what circuits have decided: places first, then work is taken from those now open.
   * @param apply gives an engine the places that it has now
   */
  heed(apply: (engineId: string) => void, logger: Logger): void {
    const opened: string[] = []
    for (const [id, circuit] of this.#circuits) {
      if (circuit.isNews && circuit.state === 'open') opened.push(id)
      circuit.isNews = false
    }
    for (const id of this.#pool.engines.keys()) apply(id)
    for (const id of opened) {
      const { reason } = this.of(id)
      logger.warn({ engineId: id, reason }, 'engine does not answer as it should')
      this.vacate(id)
    }
  }

  /** Tells the requests there that no byte of theirs will come soon. */
  vacate(engineId: string): void {
    const hasPeer = this.hasPeer(engineId)
    for (const ticket of [...this.#pool.running.values()]) {
      if (ticket.engineId !== engineId || ticket.state !== 'running') continue
      ticket.holder?.engineLost(hasPeer)
    }
  }

  #peersOf(engineId: string): PoolEngine[] {
    const own = this.#pool.engines.get(engineId)
    if (own === undefined) return []
    const names = new Set(own.profile.models.map(({ name }) => name))
    return [...this.#pool.engines.values()].filter(
      ({ engine, profile, state }) =>
        engine.id !== engineId && state === 'up' && profile.models.some((m) => names.has(m.name)),
    )
  }

  #bestPaceBeside(engineId: string): Pace | null {
    const paces = this.#peersOf(engineId).flatMap(({ engine }) => this.of(engine.id).pace ?? [])
    if (paces.length === 0) return null
    const least = (of: (pace: Pace) => number) => Math.min(...paces.map(of))
    return { ms: least(({ ms }) => ms), slowdown: least(({ slowdown }) => slowdown) }
  }

  /** By engine when the first of its requests has to give a sign of life, were there no prompts. */
  #signsDue(): Map<string, number> {
    const due = new Map<string, number>()
    for (const ticket of this.#pool.running.values()) {
      const { engineId, circuit } = ticket
      if (engineId === undefined || circuit === undefined) continue
      const earliest = due.get(engineId) ?? Number.POSITIVE_INFINITY
      due.set(engineId, Math.min(earliest, dueAt(ticket, circuit)))
    }
    return due
  }

  /** By engine the mean time per token of what streams there. */
  #runningPaces(nowMs: number): Map<string, number> {
    const sums = new Map<string, { ms: number; tokens: number }>()
    for (const ticket of this.#pool.running.values()) {
      const { engineId, firstTokenAtMs = nowMs, outputTokens } = ticket
      const ms = nowMs - firstTokenAtMs
      if (engineId === undefined || outputTokens < 2 || ms < PACE_MS_LEAST) continue
      if (ticket.wasAdopted) continue
      const sum = sums.get(engineId) ?? { ms: 0, tokens: 0 }
      sums.set(engineId, { ms: sum.ms + ms, tokens: sum.tokens + outputTokens })
    }
    return new Map([...sums].map(([id, { ms, tokens }]) => [id, ms / tokens]))
  }
}

/** When a request has to give a sign of life, were there no prompt to read. */
function dueAt({ request, dispatchedAtMs }: PoolTicket, circuit: EngineCircuit): number {
  const { comesWhole, outputTokensMax } = request
  return dispatchedAtMs + (comesWhole === true ? circuit.wholeMsMax(outputTokensMax) : 0)
}

/** True where a client has waited in vain for an answer that was to come whole. */
function isGivenUp({ request, dispatchedAtMs }: PoolTicket, nowMs: number, outputTokens: number) {
  const isWhole = request.comesWhole === true && outputTokens === 0
  return isWhole && nowMs - dispatchedAtMs >= PATIENCE_MS_LEAST
}

/**
 * Time per token of an answer: between its first and last, or where it came whole, in all. Null
 * where that says nothing: of a few tokens, of many that came at once after a long wait, or of an
 * answer that was begun under another scheduler.
 */
function paceOf(ticket: PoolTicket, nowMs: number, tokens: number): number | null {
  if (tokens < PACE_TOKENS_LEAST || ticket.wasAdopted) return null
  const { firstTokenAtMs = nowMs, lastTokenAtMs, dispatchedAtMs } = ticket
  if (lastTokenAtMs <= firstTokenAtMs) return (nowMs - dispatchedAtMs) / tokens
  const streamedMs = lastTokenAtMs - firstTokenAtMs
  if (streamedMs < STREAMED_SHARE_LEAST * (lastTokenAtMs - dispatchedAtMs)) return null
  return streamedMs / (tokens - 1)
}
