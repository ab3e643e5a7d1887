/** The shapes of comparisons of what work cost with what it might have cost; types only. */

/** Amounts are decimals of a currency. */
interface AmountInterval {
  low: string
  high: string
}

/** What the work did cost, idle engines included, shared by use. */
export interface ComparedCostView {
  amount: string
  currency: string
  basis: string
}

// GET /api/ledger/comparison?from=…&to=…&tenant=…&service=provider/model&tokenFactorLow&tokenFactorHigh
export interface ListComparisonView {
  fromAt: string
  toAt: string
  cost: ComparedCostView
  requests: number
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Of answers out of the response cache. */
  hitTokens: number
  /** So many tokens of theirs for one of ours, and how that is known. */
  tokenFactor: { low: number; high: number; basis: string }
  services: ComparedServiceView[]
  /** What all of this does not say. */
  caveat: string
}

export interface ComparedServiceView extends AmountInterval {
  provider: string
  model: string
  currency: string
  /** At the tokens counted here. */
  asCounted: string
  asOf: string
  ageDays: number
  isOutdated: boolean
  source: string
  via: string | null
}

// POST /api/ledger/comparison/engines {from, to, tenant?, engine?, ttftP99Ms?, costPerEngineHour?,
// draws?}: works it out while the caller waits, for minutes if need be.
export interface EngineComparisonView {
  fromAt: string
  toAt: string
  cost: ComparedCostView
  engine: { name: string; basis: string }
  ttftP99Ms: number
  draws: number
  costPerEngineHour: string
  /** Where that is from, a sentence. */
  costBasis: string
  engines: { asItWas: number; low: number; high: number }
  /** Engines through the whole time. */
  amount: AmountInterval & { asItWas: string }
  tenants: { tenantId: string; requests: number; asItWas: number; low: number; high: number }[]
  /** Why these engines cannot keep the promise; then there are none. */
  cannot: string | null
  caveat: string
}
