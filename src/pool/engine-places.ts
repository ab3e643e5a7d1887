/**
 * How the pool's engines stand: their slots as the scheduler takes them, who waits for them, and
 * which models have lost all of theirs. Decides nothing about tickets.
 */
import { bandOf } from '../base/index.ts'
import type { EngineProfile } from '../engine/index.ts'
import type { EngineControl } from './engine-control.ts'
import type { PromptSlot } from './prompt-slots.ts'
import type { Scheduler } from './scheduler.ts'
import type { Dispatch, EngineSlots, PoolGroup } from './scheduler-types.ts'
import type { PoolTicket } from './ticket.ts'
import type { Grant, PoolEngine } from './types.ts'

/** Tickets looked at, oldest first, for one that waits: enough to see it, never a whole queue. */
const WAIT_SCAN_MAX = 2000
/** How long requests wait for an engine that has gone before they are told so. */
const ENGINE_RETURN_MS = 15_000

/** A model name that only this engine has; what is asked of it runs nowhere else. */
export const pinnedModel = (engineId: string) => `only ${engineId}`

/** Names under which requests queue that an engine takes. */
const queuesOf = (engineId: string, { models }: EngineProfile) => [
  ...models.map(({ name }) => name),
  pinnedModel(engineId),
]

/**
 * What the scheduler may use of an engine now; nothing while it is not up.
 * @param placesMax bound while it is tried again; null: none
 * @param held places that requests may have of which nobody tells
 */
export function slotsOf(
  { engine, profile, state, control }: PoolEngine,
  placesMax: number | null,
  held = 0,
): EngineSlots {
  const isUp = state === 'up'
  const isFree = placesMax === null
  const cap = Math.min(control.cap.cap, placesMax ?? control.cap.cap)
  const express = isFree ? profile.express : 0
  return {
    id: engine.id,
    models: queuesOf(engine.id, profile),
    cap: isUp ? Math.max(0, cap - held) : 0,
    express: isUp ? Math.max(0, express - Math.max(0, held - cap)) : 0,
    backgroundReserve: control.reserve.reserve,
    spare: profile.yieldsBySteps && isFree && held === 0 ? profile.spare : 0,
    // Tenants are kept apart there by keeping nothing, unless slots do.
    keepsPrefixes: !profile.takesCacheOff || profile.promptSlots !== undefined,
  }
}

/** Leave for a ticket to be sent to the engine. */
export function grantOf(
  { engine, profile, control }: PoolEngine,
  { rank, express }: Dispatch,
  slot: PromptSlot | undefined,
  queueMs: number,
): Grant {
  const { takesPriority, takesCacheSalt, takesCacheOff } = profile
  const taken = { takesPriority, takesCacheSalt, takesCacheOff, ...(slot && { slot }) }
  return { engine, ...taken, tokenGapMsMax: control.tokenGapMsMax, rank, queueMs, express }
}

/**
 * By model the longest wait of an interactive request that only a place could end.
 * @param arrivedAtMs when a waiting ticket arrived, on the same clock as `nowMs`
 */
function interactiveWaits(
  scheduler: Scheduler,
  arrivedAtMs: (id: string) => number | undefined,
  nowMs: number,
): Map<string, number> {
  const waits = new Map<string, number>()
  let looked = 0
  for (const ticket of scheduler.waitingTickets()) {
    const { arrival } = ticket
    if (++looked > WAIT_SCAN_MAX) break
    if (bandOf(arrival.serviceClass) !== 'interactive') continue
    if (waits.has(arrival.model) || scheduler.blocking(ticket) !== undefined) continue
    waits.set(arrival.model, nowMs - (arrivedAtMs(arrival.id) ?? nowMs))
  }
  return waits
}

/**
 * Lets every engine's cap and reserve follow what was seen of it.
 * @param arrivedAtMs when a waiting ticket arrived, on the same clock as `nowMs`
 * @returns engines whose cap or reserve has changed
 */
export function updateControls(
  scheduler: Scheduler,
  engines: ReadonlyMap<string, PoolEngine>,
  arrivedAtMs: (id: string) => number | undefined,
  nowMs: number,
): PoolEngine[] {
  const waits = interactiveWaits(scheduler, arrivedAtMs, nowMs)
  return scheduler.pools().flatMap((pool) => {
    const needed = pool.needed.places(nowMs)
    return pool.engines.flatMap(({ id, models, inFlight, background, cap }) => {
      const place = engines.get(id)
      if (place?.state !== 'up') return []
      const interactiveWaitMs = Math.max(0, ...models.map((model) => waits.get(model) ?? 0))
      const placesNeeded = partOf(needed, cap, pool)
      const seen = { inFlight, backgroundInFlight: background, placesNeeded, interactiveWaitMs }
      return place.control.update(nowMs, seen) ? [place] : []
    })
  })
}

/** The control of the engine that an interactive ticket runs on. */
export function controlOf(
  engines: ReadonlyMap<string, PoolEngine>,
  { engineId, request }: Pick<PoolTicket, 'engineId' | 'request'>,
): EngineControl | undefined {
  if (engineId === undefined || bandOf(request.serviceClass) !== 'interactive') return undefined
  return engines.get(engineId)?.control
}

/** An engine's part of the places that a pool needs, rounded up. */
export function partOf(places: number, cap: number, { engines }: PoolGroup): number {
  const caps = engines.reduce((sum, engine) => sum + engine.cap, 0)
  return caps === 0 ? 0 : Math.ceil((places * cap) / caps)
}

/** Models with the moment at which an engine last served each. */
export class ServedModels {
  readonly #scheduler: Scheduler
  readonly #health: { isAiling(model: string): boolean }
  readonly #servedAtMs = new Map<string, number>()

  constructor(scheduler: Scheduler, health: { isAiling(model: string): boolean }) {
    this.#scheduler = scheduler
    this.#health = health
  }

  /** An engine is up. */
  note(engineId: string, profile: EngineProfile, nowMs: number): void {
    for (const name of queuesOf(engineId, profile)) this.#servedAtMs.set(name, nowMs)
  }

  /** True where every engine of a model has been gone for longer than a restart takes. */
  isLost(model: string, nowMs: number): boolean {
    if (this.#isServed(model)) return false
    const servedAtMs = this.#servedAtMs.get(model) ?? Number.NEGATIVE_INFINITY
    return nowMs - servedAtMs > ENGINE_RETURN_MS
  }

  /** Those that are lost now; to be asked once a second, which keeps the moments fresh. */
  lost(nowMs: number): string[] {
    const models = [...this.#servedAtMs.keys()]
    for (const model of models) if (this.#isServed(model)) this.#servedAtMs.set(model, nowMs)
    return models.filter((model) => this.isLost(model, nowMs))
  }

  /** An engine that is spared for a while is tried again, and waited for. */
  #isServed(model: string): boolean {
    return this.#scheduler.serves(model) || this.#health.isAiling(model)
  }
}
