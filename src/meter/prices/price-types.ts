/** Prices as plain data. */
import type { ServiceClass } from '../../base/index.ts'
import type { Rates } from './charge.ts'

/** What a price is for. */
export interface PriceScope {
  /** A model or route by the name that is asked for; `*`: any. */
  model: string
  /** null: any. */
  serviceClass: ServiceClass | null
  /** The price plan of the tenant; null: any, and tenants without one. */
  plan: string | null
}

/** One version of one price. */
export interface Price extends PriceScope {
  version: number
  effectiveAtMs: number
  /** null: the price before ends, and a less particular one holds. */
  rates: Rates | null
  note: string
  actor: string
  atMs: number
}

/** A price that holds. */
export type PriceInForce = Price & { rates: Rates }

/** A request as far as its price depends on it. */
export interface PriceSubject {
  /** The name that was asked for. */
  model: string
  /** The route that it stands for; undefined: none. */
  route: string | undefined
  serviceClass: ServiceClass
  plan: string | null
}
