/** Routes as the admin API shows them. Types only. */
import type { ServiceClassName } from './contract.ts'

export interface RouteTargetView {
  model: string
  /** Name of the only engine that is asked; null: any that serves the model. */
  engine: string | null
  preference: number
  weight: number
  when: {
    tenants?: string[] | undefined
    classes?: ServiceClassName[] | undefined
    inputTokensMin?: number | undefined
    inputTokensMax?: number | undefined
    keyTags?: string[] | undefined
    requestTags?: string[] | undefined
  }
  /** Nanos for a token; null: it is not rented. */
  price: { inputNanos: number; outputNanos: number } | null
}

/** A guard as it is written; every kind has fields of its own. */
export interface GuardView {
  name: string
  kind: 'pattern' | 'pii' | 'schema' | 'http'
  when: 'before' | 'after'
  [field: string]: unknown
}

export interface RouteView {
  name: string
  aliases: string[]
  targets: RouteTargetView[]
  defaults: Record<string, unknown>
  deprecation: { date: string; successor: string | null } | null
  overflow: { allowances: Record<string, number>; classes: ServiceClassName[] } | null
}

// GET /api/routes/versions
export interface RouteVersionView {
  version: number
  at: string
  actor: string
  note: string
}

// GET/PUT /api/routes, GET /api/routes/versions/:version, POST /api/routes/rollback
export interface RouteSetView {
  /** 0 before any were stored. */
  version: number
  at: string | null
  actor: string
  note: string
  routes: RouteView[]
  guards: GuardView[]
  /** What may be a slip: names that nothing has at the moment. */
  warnings: string[]
}

// POST /api/routes/draft {routes, guards}: what saving them would do; nothing is kept.
export interface RouteDraftView {
  /** The version that holds, with which they were compared. */
  version: number
  /** Where something is wrong, such as `routes.0.targets.1.weight`; then there are no changes. */
  problems: { path: string; reason: string }[]
  warnings: string[]
  changes: RouteChangeView[]
  /** Names that differ and of which it was too much to say for whom. */
  unexamined: string[]
}

/** A difference that clients notice; `names` are those that have it. */
export type RouteChangeView =
  | TargetChangeView
  | {
      kind: 'defaults'
      names: string[]
      before: Record<string, unknown>
      after: Record<string, unknown>
    }
  | {
      kind: 'deprecation'
      names: string[]
      before: RouteView['deprecation']
      after: RouteView['deprecation']
    }

export interface TargetChangeView {
  kind: 'targets'
  names: string[]
  /** Tenants that have it, by name; `others`: all that are not named in the routes. */
  tenants: string[]
  others: boolean
  classes: ServiceClassName[]
  inputTokensMin: number
  /** null: without end. */
  inputTokensMax: number | null
  /** Alternatives, each of tags that they have or have not; empty: whatever theirs are. */
  tags: { of: 'key' | 'request'; tag: string; has: boolean }[][]
  /** Where these requests go, in the order in which targets are asked; empty: no answer. */
  before: TargetOutcomeView[]
  after: TargetOutcomeView[]
}

export interface TargetOutcomeView {
  model: string
  engine: string | null
  preference: number
  /** Chance that it is asked first, 0 to 1. */
  share: number
  isUp: boolean
  /** What may be spent on it in a day, nanos; null: it is not asked by overflow. */
  allowanceNanos: number | null
}

// GET /api/routes/flow?minutes=5: who asked for what, and who answered, by requests that ended
export interface RouteFlowView {
  fromAt: string
  toAt: string
  /** Largest first, at most 200. */
  rows: RouteFlowRow[]
  /** Requests of the time span, those that are not in `rows` included. */
  requests: number
}

export interface RouteFlowRow {
  tenantId: string
  /** The name that was asked for. */
  model: string
  /** null: no engine was reached. */
  engineId: string | null
  /** The rented target that served it; null: own engines. */
  rentedTarget: string | null
  requests: number
  /** Of these, ended otherwise than with a whole answer. */
  cut: number
}

// GET /api/routes/explain?model=…&tenant=…&keyTags=a,b&requestTags=c
export interface RouteExplanationView {
  model: string
  tenantId: string
  tenant: string
  /** Whether the tenant's policy lets its keys ask for the model. */
  mayUse: boolean
  serviceClass: ServiceClassName
  inputTokens: number
  keyTags: string[]
  requestTags: string[]
  /** Name of the route; null where the model has none and its engines are asked. */
  route: string | null
  deprecation: RouteView['deprecation']
  /** Guards that its prompt or answer meets, in order. */
  guards: { name: string; kind: string; when: string; does: string }[]
  targets: {
    model: string
    engine: string | null
    preference: number
    weight: number
    /** Chance that it is asked first, 0 to 1. */
    share: number
    why: string
  }[]
}
