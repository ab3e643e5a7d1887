/** What the gateway asks of the pool and what it gets back. */
import type { Band, GristmillError, ServiceClass } from '../base/index.ts'
import type { Engine, EngineProfile, EngineState } from '../engine/index.ts'
import type { AttemptFailure } from '../meter/index.ts'
import type { EngineControl } from './engine-control.ts'
import type { PromptSlot } from './prompt-slots.ts'
import type { Beginning } from './warm-prefixes.ts'

/** Why a request waits, in one word; `explain` puts each into a sentence. */
export type WaitReason =
  | 'engine_full'
  | 'tenant_share'
  | 'own_queue'
  | 'concurrency_limit'
  | 'key_concurrency_limit'
  | 'background_reserve'
  | 'no_healthy_engine'

/** A limit of tokens per minute. */
export interface RateLimit {
  /** Of the key or tenant. */
  id: string
  scope: string
  tokensPerMinute: number
}

/** What a request is to be charged to such limits, where another gateway schedules it. */
export interface RateAsk {
  id: number
  limits: RateLimit[]
  inputTokens: number
  tokens: number
  /** True once somebody who schedules was asked. */
  wasAsked: boolean
}

/** A request as it asks for a slot. */
export interface TicketRequest {
  id: string
  model: string
  tenantId: string
  tenantWeight: number
  projectId: string
  projectWeight: number
  keyId: string
  /** Last level of fairness: the end user where one is named, else the key. */
  userId: string
  serviceClass: ServiceClass
  estimatedInputTokens: number
  outputTokensMax: number
  /** True where the engine says nothing before the whole answer is there. */
  comesWhole?: boolean
  /** Longest wait, milliseconds from now. */
  waitMsMax: number
  /** Waiting requests of this tenant at most. */
  queueDepthMax: number
  /** Running requests at most; null means no limit of its own. */
  tenantConcurrencyMax: number | null
  keyConcurrencyMax: number | null
  /** What its prompt begins with, where that can decide between engines. */
  beginnings?: readonly Beginning[]
  /** True where an engine may use several sequences for it, or others than it is told. */
  spreads?: boolean
  /** True where its batch's window is at risk, so that it goes before other background work. */
  urgent?: boolean
  /** Where it failed last: another engine is better. */
  avoidEngineId?: string
  /** Absent where it was charged at its own gateway, or is charged nowhere. */
  rates?: RateAsk
  /** True where it was accepted before, by whoever scheduled then. */
  wasAccepted?: boolean
  /** When it came, on the monotonic clock, though it may have waited elsewhere since; else now. */
  arrivedAtMs?: number
}

/** Whoever waits for what runs on an engine. */
export interface TicketHolder {
  /**
   * The engine has fallen silent or far behind.
   * @param hasPeer true where another engine of the pool can take its place
   */
  engineLost(hasPeer: boolean): void
}

/** Leave to send a request to an engine now. */
export interface Grant {
  engine: Engine
  /** True where the engine takes `priority` and `cache_salt`. */
  takesPriority: boolean
  takesCacheSalt: boolean
  /** True where it takes `cache_prompt`, which keeps tenants apart at the price of the cache. */
  takesCacheOff: boolean
  /** Where it is to run there, and whether what was read there is its tenant's; else absent. */
  slot?: PromptSlot | undefined
  /** Mean time between tokens that is promised there, milliseconds. */
  tokenGapMsMax: number
  /** Right of way inside the engine: lower goes first. */
  rank: number
  queueMs: number
  /** True where it runs on an express sequence. */
  express: boolean
}

/** Service a request has received so far, tokens. */
export interface Service {
  inputTokens: number
  cachedTokens: number
  outputTokens: number
}

/** How the pool books a request's end for goodput, waste and rates. */
export interface TicketEnd extends Service {
  /** `kept`: done within its promise; `late`: done outside it; otherwise waste with its cause. */
  outcome: 'kept' | 'late' | 'client_gone' | 'engine_failed' | 'timeout' | 'preempted' | 'shutdown'
  /** How its engine failed it; undefined where it did not. */
  failure?: AttemptFailure | undefined
}

/** One request in the pool. `finish` must be called exactly once after a grant, on every path. */
export interface Ticket {
  readonly id: string
  /** Resolves when a slot is granted; rejects with what refused it. */
  readonly granted: Promise<Grant>
  /** Told of what becomes of its engine. */
  holder: TicketHolder | undefined
  /** Takes one of the retries that its model has left; false where there is none. */
  mayRetry(): boolean
  /** Leaves the queue; `granted` rejects with `error`. Nothing happens after a grant. */
  cancel(error: GristmillError): void
  /** Its batch's window is at risk: goes before other background work from now on. */
  hurry(): void
  /**
   * Gives the slot back and asks for another (failed before the first byte, retried elsewhere).
   */
  retry(again: RetryOptions): Ticket
  /** Output tokens received so far in all; charged as they stream. */
  progress(outputTokens: number): void
  /** Corrects the estimate of the prompt once the engine tells it. */
  promptRead(inputTokens: number, cachedTokens: number): void
  /** Gives the slot back. @throws when called twice, which is a programming error */
  finish(end: TicketEnd): void
}

export interface RetryOptions {
  /** What to queue for from now on; the same as before where absent. */
  model?: string | undefined
  /** How its engine failed it; `status_429`: it did not take it because of a rate limit. */
  failure: AttemptFailure
}

export interface QueueEntry {
  requestId: string
  tenantId: string
  projectId: string
  keyId: string
  model: string
  serviceClass: ServiceClass
  band: Band
  waitedMs: number
  /** Own requests that go first. */
  aheadOwn: number
  /** Requests of others expected to go first, as one total. */
  aheadOthers: number
  reason: WaitReason
  /** The reason in a sentence for the tenant. */
  why: string
  /** Expected wait from now, milliseconds; null where nothing can be said. */
  expectedWaitMs: number | null
  /** What the expectation rests on. */
  basis: string
}

/** An engine as the pool knows it. */
export interface PoolEngine {
  engine: Engine
  profile: EngineProfile
  state: EngineState
  /** Why it is in that state, a sentence. */
  reason: string
  /** Wall-clock time of the last change of state. */
  sinceMs: number
  /** Wall-clock time at which it joined the pool. */
  registeredAtMs: number
  /** Keeps its cap and reserve. */
  control: EngineControl
}

/** The live picture without names, which only tenancy knows. */
export interface PoolFloor {
  atMs: number
  engines: {
    id: string
    name: string
    model: string
    state: EngineState
    stateReason: string
    cap: number
    express: number
    capReason: string
    /** Sequences of the cap that background work leaves free, and why. */
    reserve: number
    reserveReason: string
    /** Why cap or reserve changed last, whichever was later. */
    lastChange: string
    slots: {
      requestId: string
      tenantId: string
      serviceClass: ServiceClass
      outputTokens: number
      outputTokensMax: number
      express: boolean
      state: 'prompt' | 'streaming'
    }[]
  }[]
  tenants: {
    id: string
    inFlight: number
    waiting: number
    serviceUnits: number
    entitledUnits: number
    borrowedUnits: number
    ttftP50Ms: number | null
    ttftP99Ms: number | null
    ttftSamples: number
    tokensPerS: number
  }[]
  waitingByClass: Record<ServiceClass, number>
  queue: QueueEntry[]
  oldestWaitMs: number | null
  tokens: { outPerS: number; inPerS: number; cachedShare: number | null }
  utilisation: {
    value: number | null
    /** Why there is no value although there is a capacity, a sentence; else null. */
    voidReason: string | null
    spanS: number
    capacityUnitsPerS: number | null
    goodputUnitsPerS: number
    slotOccupancy: number
    wasteShare: number
  }
  ttft: { p50Ms: number | null; p99Ms: number | null; samples: number; spanS: number }
  history: {
    stepS: number
    endAtMs: number
    interactive: number[]
    flex: number[]
    batch: number[]
    waste: number[]
  }
}
