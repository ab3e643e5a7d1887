/** The admin API's shapes for list prices of closed services, part of the contract. */

// GET /api/list-prices → ListPriceListView; PUT /api/list-prices {prices: […] | null, note?} puts a
// list in its place, null that of the program. A price in the body has the fields of ListPriceView
// down to `note`; cachedInput, cacheWrite, via and note may be left out.
export interface ListPriceListView {
  /** null: the list that comes with the program, with `actor` and `at` null as well. */
  version: number | null
  prices: ListPriceView[]
  note: string
  actor: string | null
  at: string | null
  /** Prices older than so many days are outdated. */
  daysMax: number
  /** How many are. */
  outdated: number
}

/** Amounts are decimals of `currency` for a million tokens. */
export interface ListPriceView {
  provider: string
  model: string
  currency: string
  input: string
  /** null: as `input`. */
  cachedInput: string | null
  cacheWrite: string | null
  output: string
  /** The day on which it was read, such as `2026-11-29`. */
  asOf: string
  /** The public page of the service. */
  source: string
  /** Where it was read; null: there. */
  via: string | null
  /** What the amounts leave out. */
  note: string | null
  ageDays: number
  isOutdated: boolean
}
