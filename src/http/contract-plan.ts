/** What a plan tells: how many engines a trace of traffic needs, alone and together. Types only. */

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
