/** Free allowances and discounts by volume as plain data. Months are those of UTC. */

/** What of a month is free: so much money, or what the first so many tokens are charged. */
export interface FreeAllowance {
  unit: 'money' | 'tokens'
  /** Nanos, or prompt and output tokens. */
  amount: bigint
}

/** A part of what is above an amount in a month, up to where the next tier begins. */
export interface DiscountTier {
  aboveNanos: bigint
  /** Share that is taken off, in millionths. */
  millionths: bigint
}

export interface DiscountTerms {
  version: number
  /** One of both. */
  tenantId: string | null
  plan: string | null
  /** The month from which on they hold, as `2026-12`. */
  fromMonth: string
  /** null: nothing is free. */
  free: FreeAllowance | null
  /** The lowest first; with nothing free either, the terms before end. */
  tiers: DiscountTier[]
  note: string
  actor: string
  atMs: number
}

/** What was settled in an hour, or a part of one. */
export interface HourUse {
  nanos: bigint
  tokens: bigint
}

/** What a tenant is granted of a month until a moment of it, nanos. */
export interface Granted {
  charge: bigint
  free: bigint
  discount: bigint
}

/** A line of a statement: less to pay, and why. Decimals as they are booked. */
export interface DiscountLine {
  kind: 'allowance' | 'discount'
  /** Version of the terms. */
  terms: number
  month: string
  /** The terms in words. */
  method: string
  /** Charge of the month until the end of the period, of a discount less what is free. */
  basis: string
  /** What is granted on that, and what of it statements before had. */
  granted: string
  before: string
  /** `before` less `granted`. */
  amount: string
}

/** What stands on a statement of discounts. */
export interface Discounts {
  /** Price plan that the tenant had. */
  plan: string | null
  /** The newest version of any terms that there was. */
  book: number
  lines: DiscountLine[]
}
