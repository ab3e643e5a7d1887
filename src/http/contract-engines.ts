/** The shapes of the admin API about engines and the models they serve. Types only. */

// GET /api/engines and GET /api/models answer pages like every list.
// POST /api/engines {url?, replicas?, service?, apiVersion?, name?, models?, cap?, apiKey?}
// GET/POST /api/engines, DELETE /api/engines/:id, POST /api/engines/:id/drain and …/resume
export interface EngineView {
  id: string
  name: string
  url: string
  kind: string
  /** Whom it is rented from; null for own machines. */
  service: string | null
  version: string | null
  /** What was found out about it when it was connected to, a sentence. */
  summary: string
  /** True for the child that this gateway started itself. */
  embedded: boolean
  /** The entry of whose name this is one address; null where it stands for itself. */
  replicaOf: { id: string; name: string } | null
  state: 'starting' | 'up' | 'down' | 'draining'
  /** Why it is in that state, a sentence. */
  stateReason: string
  /** When it came into that state. */
  sinceAt: string
  models: ServedModelView[]
  cap: number
  express: number
  inFlight: number
  capacityUnitsPerS: number | null
  /** When that was measured by a calibration; null where it is the engine's own word. */
  calibratedAt: string | null
  capReason: string
  /** Requests that the service's rate limits take now; null where none are known. */
  quotaPlaces: number | null
  /** Sequences of the cap that background work never has, and why. */
  reserve: number
  reserveReason: string
  /** Why cap or reserve changed last, whichever was later. */
  lastChange: string
  takesPriority: boolean
  takesCacheSalt: boolean
  /** Slots of which each keeps prompts of one tenant at a time; null where there are none. */
  promptSlots: number | null
  /** True where tenants share what it remembers of prompts. */
  sharedCache: boolean
  /** True where it tells of its own load: what runs and waits inside it. */
  tellsLoad: boolean
  /** What an operator could improve, a sentence; null where nothing is known. */
  advice: string | null
  errorsLastHour: number
  restarts: number
}

// POST /api/engines/detect takes what POST /api/engines does, and adds nothing
export interface EngineFoundView {
  kind: string
  service: string | null
  version: string | null
  /** What was found, a sentence. */
  summary: string
  models: EngineView['models']
  cap: number
  capReason: string
  takesPriority: boolean
  sharedCache: boolean
  tellsLoad: boolean
  advice: string | null
}

// GET /api/engines/:id/history: the last 24 hours; minutes enter when they have ended
export interface EngineHistoryView {
  engineId: string
  /** Start of the first step. */
  fromAt: string
  /** Width of a step, seconds, and how many there are up to now. */
  stepS: number
  stepCount: number
  /** Oldest first; steps in which no gateway watched it are left out. */
  steps: {
    at: string
    /** Seconds watched; of those up, and of those degraded. */
    registeredS: number
    upS: number
    degradedS: number
    drainingS: number
    /** Requests that left it, and how many of them it failed. */
    attempts: number
    failed: number
  }[]
  /** Changes of health of the last week, newest first; the first after a start is one as well. */
  changes: {
    at: string
    /** `degraded`: it answers, but requests fail there, it is silent or slow. */
    state: 'up' | 'degraded' | 'draining' | 'down'
    /** Why, a sentence. */
    reason: string
  }[]
  /** Of the last five minutes, hour and day. */
  errors: {
    spanS: number
    attempts: number
    failed: number
    /** `unreachable`, `broken`, `timeout`, `withdrawn` or `status_503`; most frequent first. */
    causes: { cause: string; count: number }[]
  }[]
}

// GET /api/engines/:id/keys; POST there {apiKey, replace?} answers the same
export interface EngineKeyView {
  id: string
  /** By which it can be told from others; says nothing of the key itself. */
  fingerprint: string
  createdAt: string
  /** Why it is not used at the moment: the service refuses it, or its rate is used up. */
  rest: 'refused' | 'limited' | null
}

// POST /api/engines/:id/calibrate begins, GET /api/engines/:id/calibration tells how it goes.
export interface CalibrationView {
  engineId: string
  state: 'none' | 'running' | 'done' | 'failed'
  /** Why the last one failed, a sentence; else null. */
  failure: string | null
  /** How far a running one is, about; 0 to 1. */
  progress: number
  /** The newest result. */
  last: {
    model: string
    measuredAt: string
    cause: string
    /** Highest service per second of the sweep, no promise applied. */
    capacityUnitsPerS: number
    /** Fewest requests at once that do nearly as much while tokens come quickly. */
    knee: number
    kneeUnitsPerS: number
    tokenGapMs: number | null
    readTokensPerS: number
    writeTokensPerS: number
    /** Fitted weights of a prompt token, one found read, and an output token. */
    weights: { input: number; cached: number; output: number }
    points: { concurrency: number; unitsPerS: number; tokenGapP95Ms: number | null }[]
  } | null
}

// GET /api/models
export interface ServedModelView {
  name: string
  contextTokens: number | null
  toy: boolean
  /** It turns texts into vectors and writes none. */
  embedsOnly: boolean
}

export interface ModelView extends ServedModelView {
  engines: string[]
}
