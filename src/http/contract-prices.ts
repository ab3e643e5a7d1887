/** The admin API's shapes for prices, part of the contract. Amounts are decimals. */
import type { ServiceClassName } from './contract.ts'

// GET /api/prices → PriceBookView; POST /api/prices {prices, note?} → {added: PriceView[]}: those
// that do not hold already. A price in the body: {model?, serviceClass?, plan?, effectiveAt?,
// ends?} and any fields of RatesView; `ends` instead makes a less particular price hold.
export interface PriceBookView {
  /** Code of the currency that all amounts are in. */
  currency: string
  /** All there have been and will be, in the order in which they take effect. */
  prices: PriceView[]
}

export interface PriceView {
  version: number
  /** A model or route; `*`: any. */
  model: string
  /** null: any. */
  serviceClass: ServiceClassName | null
  /** null: tenants without a price plan, and where that has no price. */
  plan: string | null
  effectiveAt: string
  /** Of the same scope: followed by another, held now, or yet to take effect. */
  state: 'past' | 'holds' | 'coming'
  /** null: the price before ends. */
  rates: RatesView | null
  note: string
  actor: string
  at: string
}

/** Tokens are priced by the million. */
export interface RatesView {
  input: string
  cachedInput: string
  cacheWrite: string
  output: string
  reasoning: string
  embedding: string
  request: string
  engineSecond: string
  /** Part of all of it that a hit in the response cache is charged, 0 to 1. */
  hitShare: string
}
