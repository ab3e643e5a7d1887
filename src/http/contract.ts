/**
 * The shapes that the admin API and the live feed exchange with the console and the command line.
 * Types only: the console imports nothing else of the server.
 */

import type { EngineView } from './contract-engines.ts'

export type * from './contract-alerts.ts'
export type * from './contract-batches.ts'
export type * from './contract-budgets.ts'
export type * from './contract-cluster.ts'
export type * from './contract-comparison.ts'
export type * from './contract-costs.ts'
export type * from './contract-engines.ts'
export type * from './contract-list-prices.ts'
export type * from './contract-people.ts'
export type * from './contract-plan.ts'
export type * from './contract-prices.ts'
export type * from './contract-reconciliations.ts'
export type * from './contract-retention.ts'
export type * from './contract-routes.ts'
export type * from './contract-traces.ts'
export type * from './contract-usage-events.ts'
export type * from './contract-webhooks.ts'

export type ServiceClassName = 'priority' | 'standard' | 'flex' | 'batch'
export type RoleName = 'owner' | 'operator' | 'member' | 'viewer' | 'finance'

/** A list page; `next` is the cursor of the following one, null at the end. */
export interface Page<Row> {
  rows: Row[]
  next: string | null
}

export interface ApiError {
  error: {
    message: string
    type: string
    code: string
    param: string | null
    request_id?: string
    retry_after_ms?: number
  }
}

export interface LimitsView {
  queueDepthMax: number | null
  concurrencyMax: number | null
  tokensPerMinute: number | null
  waitMsMax: number | null
}

// GET/POST /api/tenants, GET/PATCH/DELETE /api/tenants/:id
export interface TenantView {
  id: string
  name: string
  weight: number
  classes: ServiceClassName[]
  defaultClass: ServiceClassName
  /** null means every model. */
  models: string[] | null
  limits: LimitsView
  /** Days that its responses are kept; 0: none are. */
  responseDays: number
  /** Prices that it has; null: those for everybody. */
  pricePlan: string | null
  /** By whose days and months its budgets renew. */
  timeZone: string
  /** Position in the palette of tenant hues, stable for the tenant's life. */
  hue: number
  createdAt: string
  projectCount: number
  keyCount: number
}

// GET/POST /api/tenants/:id/projects, PATCH/DELETE /api/projects/:id
export interface ProjectView {
  id: string
  tenantId: string
  name: string
  weight: number
  createdAt: string
}

// GET /api/keys?tenant=…, POST /api/keys, PATCH/DELETE /api/keys/:id, POST /api/keys/:id/rotate
// POST /api/keys/import {tenantId, sha256, …} → KeyView: a key of another gateway, by its hash.
// Deleting revokes at once. POST body: {tenantId, projectId?, name?, scopes?, defaultClass?,
// limits?, responseCache?, tags?, expiresAt?, serviceAccountId?}; tags need `tenants:write`.
// rotate: {overlapS?} (a day where absent).
export interface KeyView {
  id: string
  tenantId: string
  projectId: string
  name: string
  /** First characters of the key, to recognise it by. */
  hint: string
  scopes: string[]
  defaultClass: ServiceClassName | null
  limits: LimitsView
  /** True where its requests use the response cache. */
  responseCache: boolean
  /** By which targets of routes are opened to it. */
  tags: string[]
  /** The account of a program that it belongs to. */
  serviceAccountId: string | null
  /** Issuer and `sub` of the tokens that stand for it; null: it has a secret. */
  subject: string | null
  createdAt: string
  expiresAt: string | null
  lastUsedAt: string | null
  /** When the secret before the last rotation stops working; null where none is left. */
  overlapEndsAt: string | null
  state: 'active' | 'expired' | 'revoked' | 'rotating' | 'suspended'
}

// GET/POST /api/service-accounts, PATCH/DELETE /api/service-accounts/:id
export interface ServiceAccountView {
  id: string
  tenantId: string
  name: string
  /** `sub` of tokens that stand for it; null: it has keys only. */
  tokenSubject: string | null
  /** Its keys and tokens do not work. */
  isDisabled: boolean
  createdAt: string
  keyCount: number
}

/** The answer of creating or rotating a key; `key` is shown this once. */
export interface KeyCreated extends KeyView {
  key: string
}

// GET /api/usage?from&to&groupBy=hour,tenant,project,key,model,class&tenant&project&key&model
// (CSV with Accept: text/csv or ?format=csv); `from` and `to` are ISO times, the last 24 hours
// where absent; groupBy is a list with commas, tenant,model where absent
export interface UsageRow {
  hour: string | null
  /** In UTC, such as 2026-11-29. */
  day: string | null
  tenantId: string | null
  projectId: string | null
  keyId: string | null
  model: string | null
  serviceClass: ServiceClassName | null
  requests: number
  finished: number
  cut: number
  recovered: number
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  engineMs: number
  queueMs: number
  /** Requests that rented targets served, and what that cost, nanos. */
  rented: number
  spendNanos: number
  /** What is charged, nanos as text, and how many requests had no price. */
  chargeNanos: string
  unpriced: number
  /** Requests that the response cache answered, and the tokens of these answers. */
  hits: number
  hitInputTokens: number
  hitOutputTokens: number
}

// GET /api/requests?tenant&key&session&model&before, GET /api/requests/:id (ledger rows, no prompts)
export interface RequestView {
  id: string
  tenantId: string
  projectId: string
  keyId: string
  endUser: string | null
  /** The conversation that it belongs to, as its client says. */
  sessionId: string | null
  model: string
  endpoint: string
  serviceClass: ServiceClassName
  servedClass: ServiceClassName | null
  arrivedAt: string
  settledAt: string | null
  group: 'finished' | 'cut' | 'recovered' | null
  end: string | null
  estimated: boolean
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  queueMs: number | null
  engineMs: number | null
  ttftMs: number | null
  tokenGapMs: number | null
  engineId: string | null
  /** The rented target that served it; null: own engines. */
  rentedTarget: string | null
  spendNanos: number | null
  /** What it is charged, nanos as text, and by which version of a price; null: none held. */
  chargeNanos: string | null
  priceVersion: number | null
  /** Tokens that have prices of their own; null: none were told apart. */
  cacheWriteTokens: number | null
  reasoningTokens: number | null
  /** Tokens of an answer out of the response cache; null: it is none. */
  hitInputTokens: number | null
  hitOutputTokens: number | null
  /** The guards that looked at it and how they found it; null: none did. */
  guards: { name: string; outcome: GuardOutcomeName }[] | null
}

export type GuardOutcomeName = 'passed' | 'failed_open' | 'redacted' | 'failed_closed' | 'refused'

// GET /api/audit/export?tenant&action&after → lines of JSON: AuditView with tenantId, seq and hash
//
// GET /api/audit/check
export interface AuditCheckView {
  /** Rows whose hashes are right, from the first on. */
  rows: number
  /** The last of them, to be kept elsewhere and compared later. */
  head: { seq: number; hash: string } | null
  /** The first place where the chain is broken; null where it is whole. */
  broken: { seq: number | null; auditId: string | null; reason: string } | null
}

// GET /api/audit
export interface AuditView {
  id: string
  at: string
  /** Person or key that acted. */
  actor: string
  action: string
  subject: string
  /** What changed, without secrets. */
  detail: Record<string, unknown>
  /** Address it came from. */
  from: string
}

// GET /v1/queue (key) and GET /api/queue (session)
export interface QueueView {
  own: {
    requestId: string
    tenantId: string
    model: string
    serviceClass: ServiceClassName
    waitedMs: number
    aheadOwn: number
    aheadOthers: number
    reason: string
    why: string
    expectedWaitMs: number | null
    basis: string
  }[]
  /** Requests of everybody else, as one total. */
  othersWaiting: number
}

/** One slot of an engine as the mill floor draws it. */
export interface SlotView {
  requestId: string
  tenantId: string
  serviceClass: ServiceClassName
  outputTokens: number
  outputTokensMax: number
  express: boolean
  state: 'prompt' | 'streaming'
}

/** GET /api/live (server-sent events, `event: floor`, 4 a second): the whole mill floor. */
export interface FloorView {
  atMs: number
  engines: {
    id: string
    name: string
    model: string
    state: EngineView['state']
    stateReason: string
    cap: number
    express: number
    capReason: string
    /** Sequences of the cap that background work never has, and why. */
    reserve: number
    reserveReason: string
    /** Why cap or reserve changed last, whichever was later. */
    lastChange: string
    slots: SlotView[]
  }[]
  tenants: {
    id: string
    name: string
    hue: number
    weight: number
    inFlight: number
    waiting: number
    /** Service in the last minute, units; and its entitlement by weight while it wanted any. */
    serviceUnits: number
    entitledUnits: number
    /** Part of `serviceUnits` above entitlement, taken while others were idle. */
    borrowedUnits: number
    ttftP50Ms: number | null
    ttftP99Ms: number | null
    ttftSamples: number
    /** What was promised to its interactive requests, milliseconds to first token. */
    ttftPromiseMs: number
    tokensPerS: number
  }[]
  waitingByClass: Record<ServiceClassName, number>
  /** Length of the queue as a person reads it: the longest-waiting tickets first, at most 20. */
  queue: {
    requestId: string
    tenantId: string
    serviceClass: ServiceClassName
    model: string
    waitedMs: number
    aheadOwn: number
    aheadOthers: number
    reason: string
    why: string
    expectedWaitMs: number | null
  }[]
  oldestWaitMs: number | null
  tokens: { outPerS: number; inPerS: number; cachedShare: number | null }
  utilisation: {
    /** Goodput ÷ (capacity × seconds registered) over `spanS`; null before calibration. */
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
  /** One point per 5 s of the last 15 minutes, oldest first, service units per second. */
  history: {
    stepS: number
    endAtMs: number
    interactive: number[]
    flex: number[]
    batch: number[]
    waste: number[]
  }
  toyModel: boolean
  demo: DemoView | null
}

// GET/POST/DELETE /api/demo (GET answers null where none has run)
//
// POST /api/playground/chat?tenant=ID&project=ID: body and answer as /v1/chat/completions.
export interface DemoView {
  state: 'running' | 'done' | 'cancelled'
  half: 'fcfs' | 'fair'
  secondsLeft: number
  rows: DemoRow[]
}

export interface DemoRow {
  tenant: string
  half: 'fcfs' | 'fair'
  requests: number
  unfinished: number
  ttftP50Ms: number | null
  ttftP99Ms: number | null
  /** True where the percentile is a lower bound because a request had not finished. */
  ttftP99AtLeast: boolean
  outputTokens: number
  share: number
}
