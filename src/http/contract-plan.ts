/** What a plan tells: how many engines a trace of traffic needs, alone and together. Types only. */

// GET /api/engines/:id/profile
/** A calibrated engine as the simulator sees it; what `gristmill plan --engine FILE` reads. */
export interface EngineProfileView {
  name: string
  /** Where the figures come from, a sentence. */
  basis: string
  cap: number
  express: number
  readTokensPerS: number
  /** Prompt tokens between two tokens of running streams, and of a step without any. */
  chunkTokens: number
  chunkTokensAlone: number
  /** Length of a step by the streams in it. */
  decode: { streams: number; stepMs: number }[]
  /** Tokens that its memory holds. */
  kvTokens: number
  contextTokens: number
  prefixCache: boolean
  yields: 'step' | 'prompts' | 'none'
  spare: number
  /** Of our own engine: a pass over neighbouring sequences is what `decode` tells of. */
  lockstep?: { enough: number } | undefined
}

/** The same trace under different arrangements of the same engines, each at equal promise. */
export interface PlanReport {
  trace: { requests: number; tenants: number; hours: number; backgroundShare: number }
  engine: {
    name: string
    /** Where its figures come from, a sentence. */
    basis: string
    /** Sequences kept in flight: the knee for this mix of lengths. */
    cap: number
    capacityUnitsPerS: number
    /** Service units of a prompt token and of an output token. */
    cost: { input: number; output: number }
  }
  promise: { ttftP99Ms: number; tokenGapMs: number }
  /** Of an engine, in the currency of whoever asks; null where it was not given. */
  costPerEngineHour: number | null
  arrangements: PlanArrangement[]
  sensitivity: PlanSensitivity[]
  verdict: {
    pays: boolean
    sentence: string
  }
  /** Why the promise cannot be kept with these engines, where that is so. */
  cannot: string | null
  seed: number
}

export interface PlanArrangement {
  kind: 'dedicated' | 'pooled' | 'pooled_with_batch'
  engines: number
  /** Service that kept its promise as a part of capacity. */
  utilisation: number
  /** Tokens in and out; null without a cost per engine and hour. */
  costPerMillionTokens: number | null
  millionTokens: number
  /** Batch work that was filled in, as a part of all work done. */
  batchShare: number
  /** Lines of batch work that missed their window of 24 hours. */
  batchPastWindow: number
  tenants: PlanTenant[]
}

/** A tenant in its worst hour, judged by p99 of the time to first token. */
export interface PlanTenant {
  tenant: string
  /** Engines of its own; null in a pool. */
  engines: number | null
  requests: number
  ttftP50Ms: number
  ttftP99Ms: number
  waitP50Ms: number
  waitP99Ms: number
}

/** Engines that so many times the traffic needs; null where the promise cannot be kept. */
export interface PlanSensitivity {
  load: number
  dedicatedEngines: number | null
  pooledEngines: number | null
}

// GET /api/plan/engines → PlanEngineView[]: engines that a plan can be made for.
export interface PlanEngineView {
  name: string
  /** Where its figures come from, a sentence. */
  basis: string
}

// POST /api/plan?source=trace|ledger|example&hours&engine&ttftP99Ms&costPerEngineHour&tenants&seed
// begins one and answers PlanView (409 `plan_running` while one of the same person runs); for
// `source=trace` the body is the trace itself, as text. GET /api/plan tells how it goes, null where
// none was begun; DELETE /api/plan stops it. Plans are kept in memory, the newest of a person only.
export interface PlanView {
  id: string
  /** `running` while a plan or the answer to a question is being worked out. */
  state: 'running' | 'done' | 'failed' | 'cancelled'
  /** What is being worked out, a few words, and how far it is, 0 to 1. */
  step: string
  progress: number
  startedAt: string
  endedAt: string | null
  /** Why the plan, or the last question, has no answer: a sentence. */
  failure: string | null
  input: PlanInputView
  report: PlanReport | null
  /** Answered questions, the newest first. */
  answers: WhatIfReport[]
}

/** What a plan was asked for. */
export interface PlanInputView {
  source: 'trace' | 'ledger' | 'example'
  /** Of a trace, as the person called it. */
  name: string | null
  /** Of the ledger: how far back. */
  hours: number | null
  engine: string
  ttftP99Ms: number
  costPerEngineHour: number | null
  /** Tenants that a trace without any was split over. */
  tenants: number
  seed: number
}

// POST /api/plan/what-if {change} → PlanView: a question about the plan that was worked out last.
export type PlanChangeView =
  /** One more tenant that asks as this one does. */
  | { kind: 'tenant'; like: string }
  /** So many times the traffic of each tenant. */
  | { kind: 'load'; factor: number }
  /** So many engines more; fewer where negative. */
  | { kind: 'engines'; more: number }

export interface WhatIfReport {
  change: PlanChangeView
  sentence: string
  /** What of the trace was played, a sentence. */
  basis: string
  before: WhatIfOutcome
  after: WhatIfOutcome
  /** Fewest engines of one pool that keep the promise after the change; null where none do. */
  enginesNeeded: number | null
  /** Why none do. */
  cannot: string | null
}

export interface WhatIfOutcome {
  engines: number
  requests: number
  /** Service that kept its promise as a part of capacity. */
  utilisation: number
  /** Tenants whose p99 of the time to first token misses the promise. */
  late: string[]
  /** Over all the time that was played. */
  tenants: PlanTenant[]
}
