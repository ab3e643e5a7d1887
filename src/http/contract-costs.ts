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

// GET /api/chargeback?from=…&to=…&rule=operator|weight|use; with format=csv, its lines
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
  overflow: (OverflowView & { byClass: AmountsByClass })[]
  /** Engine-seconds of its share that others used; they paid for them. */
  lentS: number
  /** Tokens that no engine worked for again: of prompts, and of whole answers. */
  cachedTokens: number
  hitTokens: number
}

export interface OverflowView {
  target: string
  model: string
  requests: number
  inputTokens: number
  outputTokens: number
  amount: string
}

/**
 * An amount by the class served, adding up to it: of an engine by service units that were settled
 * there, `unsettled` where none were. Empty for what was nobody's.
 */
export type AmountsByClass = Record<string, string>

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
  byClass: AmountsByClass
}

// GET /api/costs?months=…: what engines and rented services cost by month, in UTC
export interface CostTrendView {
  /** Those in which anything cost, the oldest first; days are rounded each for itself. */
  months: {
    fromAt: string
    /** Engines while they worked for somebody, and while nobody used them or could. */
    used: string
    idle: string
    rented: string
  }[]
  /** Of the running month. */
  forecast: {
    fromAt: string
    toAt: string
    soFar: string
    /** Whole days that it is made of. */
    days: number
    /** null: fewer than seven days are too few; nine times out of ten it is from low to high. */
    month: { expected: string; low: string; high: string } | null
  }
}

// GET /api/requests/:id/charge: why it is charged what it is
export interface ChargeView {
  currency: string
  /** Of the price; null: none held. */
  version: number | null
  lines: {
    what:
      | 'input'
      | 'cachedInput'
      | 'cacheWrite'
      | 'embedding'
      | 'output'
      | 'reasoning'
      | 'request'
      | 'engineSecond'
    /** Tokens, requests, or seconds on an engine. */
    quantity: number
    /** For a million tokens, a request or a second. */
    rate: string
    /** Exact; only their sum is rounded. */
    amount: string
  }[]
  /** Of an answer out of the response cache, the share of the sum that is charged. */
  hitShare: string | null
  /** What was booked; null: nothing yet. */
  total: string | null
}

// GET /api/statements, the newest first; POST /api/ledger/close
// {from, to, rule?, basis?, tenants?} → {statements, warnings}
export interface StatementView {
  number: number
  /** `credit_note`: takes a statement back. */
  kind: 'statement' | 'credit_note'
  tenantId: string
  tenantName: string
  /** Who it is from, line by line. */
  issuer: string | null
  fromAt: string
  toAt: string
  currency: string
  total: string
  /** Of a credit note, the statement that it takes back; of a statement, what takes it back. */
  corrects: number | null
  correctedBy: number | null
  closedAt: string
  actor: string
  /** SHA-256 over the hash before it and the document; the head of the chain when it was closed. */
  previousHash: string
  hash: string
  /** Ed25519 over the hash, and the key it is checked with; hexadecimal. */
  signature: string
  publicKey: string
}

// GET /api/statements/:number; with format=html or csv, the same to print or calculate with
// POST /api/statements/:number/reopen {reason} answers the credit note
export interface StatementDetailView extends StatementView {
  /** Why it was written; null but of credit notes. */
  reason: string | null
  /** null of credit notes. */
  content: {
    /** What the total is of: `costs` and `overflow`, or `usage`. */
    basis: 'cost' | 'prices'
    costs: {
      engineId: string
      kind: ChargeLineView['kind']
      cause: string
      engineS: string
      amount: string
    }[]
    overflow: OverflowView[]
    usage: {
      projectId: string
      model: string
      serviceClass: string
      requests: number
      inputTokens: number
      cachedTokens: number
      outputTokens: number
      unpriced: number
      charge: string
    }[]
    lentS: string
    cachedTokens: number
    hitTokens: number
    /** Part of the total where that is of use at prices; null where there never were terms. */
    discounts: DiscountsView | null
    /** Prepaid credit in the period, beside the total; null where nothing happened to any. */
    credit: { toppedUp: string; refunded: string; corrected: string; used: string } | null
    allocation: {
      rule: ChargebackView['rule']
      engineCost: string
      overflowCost: string
      unallocated: string
      digest: string
    }
  } | null
}

/** What is free, and discounts by volume. Amounts are decimals with their sign. */
export interface DiscountsView {
  /** Price plan of the tenant. */
  plan: string | null
  /** The newest version of terms that there was. */
  book: number
  lines: {
    kind: 'allowance' | 'discount'
    /** Version of the terms. */
    terms: number
    month: string
    /** The terms in words. */
    method: string
    /** Charge of the month until the end of the period; of a discount, less what is free. */
    basis: string
    /** What is granted on that, and what of it the time of the month before had. */
    granted: string
    before: string
    amount: string
  }[]
}

// GET /api/discounts?tenant=… → {rows: DiscountTermsView[]}, the newest first; POST /api/discounts
// {tenantId | plan, from, free?, tiers?, note?} → DiscountTermsView; nothing free and no tiers ends
// the terms before. GET /api/discounts/estimate?tenant=…[&from=…&to=…] → DiscountEstimateView
export interface DiscountTermsView {
  version: number
  tenantId: string | null
  plan: string | null
  /** The month (UTC) from which on they hold. */
  from: string
  free: { unit: 'money' | 'tokens'; amount: string } | null
  tiers: { above: string; percent: string }[]
  note: string
  actor: string
  at: string
}

/** What a statement by prices would say of a period, were it closed now. */
export interface DiscountEstimateView {
  currency: string
  charge: string
  discounts: DiscountsView | null
  total: string
}

export interface ClosedView {
  statements: StatementView[]
  /** What should be known of it, in sentences. */
  warnings: string[]
}

// GET /api/ledger/verify?part=requests|statements&after=… looks at one part of the books
export interface VerifiedPartView {
  checked: number
  /** Of these, requests that are still open. */
  open: number
  /** `after` of the following part; null at the end. */
  next: string | null
  /** The first row that is wrong; nothing behind it was looked at. */
  broken: { id: string; what: string } | null
  /** Requests of which only sums are left; null: none. */
  dropped: { requests: number; before: string } | null
}
