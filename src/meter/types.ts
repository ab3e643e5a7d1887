/** The ledger's rows as plain data: what is promised before a call and what is booked after it. */
import type { ServiceClass } from '../base/index.ts'
import type { GuardResult } from '../guard/index.ts'

/** Written before the first byte of an answer leaves; closed by exactly one settlement. */
export interface Intent {
  requestId: string
  tenantId: string
  projectId: string
  keyId: string
  /** Name of the end user, trusted only from keys with scope `end_users`. */
  endUser: string | null
  /** The conversation that it belongs to, as its client says; null where it says nothing. */
  sessionId: string | null
  model: string
  /** `/v1/chat/completions`, … */
  endpoint: string
  serviceClass: ServiceClass
  /** Batch whose line it answers; absent where somebody waits for it. */
  batchId?: string | undefined
  /** Estimates at admission, tokens. */
  estimatedInputTokens: number
  outputTokensMax: number
  arrivedAtMs: number
  /** What is set aside for it in budgets; absent where none applies. */
  reserved?: Reserved | undefined
}

/** Amounts by counter, and the lease that each is out of. */
export type Reserved = readonly (readonly [counterId: string, holder: string, amount: string])[]

export interface TokenCounts {
  /** Prompt tokens, cached ones included. */
  inputTokens: number
  /** Prompt tokens that came out of a prefix cache. */
  cachedTokens: number
  outputTokens: number
  /** Prompt tokens that a service was paid to keep; absent where it does not say. */
  cacheWriteTokens?: number
  /** Output tokens that are reasoning; absent where nobody says. */
  reasoningTokens?: number
}

/** What a running request has used so far; enough to settle it should the gateway be killed. */
export interface Progress extends TokenCounts {
  engineId: string
  servedClass: ServiceClass
  queueMs: number
  /** Time since dispatch, milliseconds. */
  engineMs: number
  /** Time from arrival to the first content, milliseconds; null until there is some. */
  ttftMs: number | null
}

/**
 * `finished`: the engine's own usage; `cut`: ended early while we lived; `recovered`: after a
 * crash.
 */
export type SettlementGroup = 'finished' | 'cut' | 'recovered'

/** How a request ended, in the caller's view. */
export type EndReason =
  | 'done'
  | 'client_gone'
  | 'engine_failed'
  | 'timeout'
  | 'refused'
  | 'key_revoked'
  /** The time at an engine was used up that was set aside for it in budgets. */
  | 'budget'
  | 'shutdown'
  | 'gateway_crash'

export interface Settlement extends TokenCounts {
  requestId: string
  group: SettlementGroup
  end: EndReason
  /** True where tokens were counted from frames because nobody could tell the exact number. */
  estimated: boolean
  /** Class actually served. */
  servedClass: ServiceClass
  /** Engine that served it; null when it never reached one. */
  engineId: string | null
  queueMs: number
  /** Time from dispatch to the end, milliseconds; 0 when it never reached an engine. */
  engineMs: number
  /** Time from arrival to the first content, milliseconds; null when there was none. */
  ttftMs: number | null
  /** Mean time between output tokens, milliseconds; null below two tokens. */
  tokenGapMs: number | null
  settledAtMs: number
  /** The rented target of a route that served it; absent where own engines did. */
  rentedTarget?: string | null
  /** What that cost, nanos. */
  spendNanos?: number | null
  /** What it is charged, nanos, and by which price; absent where none held when it came. */
  chargeNanos?: bigint
  /** True where something is set aside for it in budgets, which are booked with it. */
  isBudgeted?: boolean
  priceVersion?: number
  /** Tokens of an answer out of the response cache; its own are 0. Absent where it is none. */
  hit?: { inputTokens: number; outputTokens: number }
  /** The guards that looked at it; absent where none did. */
  guards?: readonly GuardResult[]
}

/** How an engine is; `degraded`: it answers, but requests fail there, it is silent or slow. */
export type EngineHealthState = 'up' | 'degraded' | 'draining' | 'down'

/** An engine's health became another one. */
export interface EngineChange {
  engineId: string
  atMs: number
  state: EngineHealthState
  /** Why, a sentence. */
  reason: string
}

/**
 * How an engine failed a request: no connection, a connection that died, silence, a status;
 * `withdrawn`: taken from it before its first byte, since it was passed over or down.
 */
export type AttemptFailure = 'unreachable' | 'broken' | 'timeout' | 'withdrawn' | `status_${number}`

/**
 * One engine in one minute; chargeback needs it and it cannot be rebuilt. `freeS`, `drainedS`,
 * `loadingS`, `downS` and the `engineS` of all tenants are measured each for itself, and together
 * are `registeredS`.
 */
export interface CapacityMinute {
  engineId: string
  /** Start of the minute, milliseconds since the epoch. */
  minuteAtMs: number
  registeredS: number
  upS: number
  /** Seconds up with nothing in flight. */
  idleS: number
  /** Seconds up in which its circuit was not closed. */
  degradedS: number
  drainingS: number
  /** Engine-seconds of places that nobody had, while it was up and while it drained. */
  freeS: number
  drainedS: number
  /** Seconds before it answered for the first time, and those in which it could not be used. */
  loadingS: number
  downS: number
  /** Requests that left it, however they ended. */
  attempts: number
  /** Those that it failed, by cause. */
  failures: Partial<Record<AttemptFailure, number>>
  /** Calibrated capacity, service units per second; null before calibration. */
  capacityUnitsPerS: number | null
  /** Integral of requests in flight, slot-seconds, and of the cap. */
  slotS: number
  capSlotS: number
  tenants: {
    tenantId: string
    /** Engine-seconds: a cap-th of the engine for each place while it was had. */
    engineS: number
    /** Service received, units, by band. */
    interactiveUnits: number
    backgroundUnits: number
    /** Units it was entitled to by weight while it was backlogged. */
    entitledUnits: number
    /** Wasted units by cause, e.g. `{client_gone: 12}`. */
    waste: Record<string, number>
  }[]
}
