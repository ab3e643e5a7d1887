/** The shapes of costs in the admin API; types only. Money is a decimal of the currency as text. */

// GET /api/engines/:id/costs: the newest first; POST there {machine?, energy?, staff?, from?}
export interface EngineCostView {
  /** The engine, or the entry whose replicas each cost as much. */
  engineId: string
  engineName: string
  /** It holds from this minute on, until that of the next. */
  fromAt: string
  /** For an hour. */
  machine: string
  energy: string
  staff: string
  total: string
  /** Who set it, and when. */
  actor: string
  at: string
}

// GET /api/chargeback?from=…&to=…&rule=operator|weight|use
export interface ChargebackView {
  fromAt: string
  toAt: string
  /** Who pays for what was nobody's. */
  rule: 'operator' | 'weight' | 'use'
  engines: {
    engineId: string
    name: string
    /** Seconds watched, and of these, those for which no cost was set. */
    registeredS: number
    uncostedS: number
    /** How far the parts, each measured for itself, are from the seconds watched. */
    unexplainedS: number
    cost: string
  }[]
  /** Those within reach. */
  tenants: ChargedTenantView[]
  /** What the operator keeps; null for whoever is bound to tenants. */
  unallocated: { total: string; lines: ChargeLineView[] } | null
  engineCost: string
  overflowCost: string
}

export interface ChargedTenantView {
  tenantId: string
  total: string
  lines: ChargeLineView[]
  /** Work of rented services, at their prices. */
  overflow: {
    target: string
    model: string
    requests: number
    inputTokens: number
    outputTokens: number
    amount: string
  }[]
  /** Engine-seconds of its share that others used; they paid for them. */
  lentS: number
  /** Tokens that no engine worked for again: of prompts, and of whole answers. */
  cachedTokens: number
  hitTokens: number
}

export interface ChargeLineView {
  engineId: string
  /**
   * `entitled`: within its share; `borrowed`: above it, while others did not use theirs; `wasted`:
   * given up by its callers; `shared`: its part of what was nobody's.
   */
  kind: 'entitled' | 'borrowed' | 'wasted' | 'shared'
  /** Of `wasted` and `shared`: `client_gone`; `free`, `down`, `engine_failed`, …; empty else. */
  cause: string
  engineS: number
  amount: string
}
