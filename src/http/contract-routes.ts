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
  }
  /** Nanos for a token; null: it is not rented. */
  price: { inputNanos: number; outputNanos: number } | null
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
  /** What may be a slip: names that nothing has at the moment. */
  warnings: string[]
}

// GET /api/routes/explain?model=…&tenant=…
export interface RouteExplanationView {
  model: string
  tenantId: string
  tenant: string
  /** Whether the tenant's policy lets its keys ask for the model. */
  mayUse: boolean
  serviceClass: ServiceClassName
  inputTokens: number
  /** Name of the route; null where the model has none and its engines are asked. */
  route: string | null
  deprecation: RouteView['deprecation']
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
