/** The shapes of the admin API about engines and the models they serve. Types only. */

// GET /api/engines and GET /api/models answer pages like every list.
// POST /api/engines {url?, service?, apiVersion?, name?, models?, cap?, apiKey?}
// GET/POST /api/engines, DELETE /api/engines/:id, POST /api/engines/:id/drain
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
  state: 'starting' | 'up' | 'down' | 'draining'
  /** Why it is in that state, a sentence. */
  stateReason: string
  /** When it came into that state. */
  sinceAt: string
  models: { name: string; contextTokens: number | null; toy: boolean }[]
  cap: number
  express: number
  inFlight: number
  capacityUnitsPerS: number | null
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
export interface ModelView {
  name: string
  engines: string[]
  contextTokens: number | null
  toy: boolean
}
