/**
 * Which price holds for a request at a moment: a price for its tenant's plan goes before one for
 * everybody, then one for its model (by the name that was asked for, then its route's) before one
 * for any, then one for its class before one for any. Of the same scope the one that took effect
 * last holds, of two at one moment the later version.
 */
import type { Price, PriceInForce, PriceScope, PriceSubject } from './price-types.ts'

const ANY_MODEL = '*'

export class PriceTable {
  /** In every list, in the order in which they take effect. */
  readonly #byScope = new Map<string, Price[]>()
  readonly prices: readonly Price[]

  /** @param prices in any order */
  constructor(prices: readonly Price[]) {
    this.prices = prices.toSorted(
      (a, b) => a.effectiveAtMs - b.effectiveAtMs || a.version - b.version,
    )
    for (const price of this.prices) {
      const key = keyOf(price)
      const same = this.#byScope.get(key)
      if (same === undefined) this.#byScope.set(key, [price])
      else same.push(price)
    }
  }

  get isEmpty(): boolean {
    return this.prices.length === 0
  }

  /** null where nothing has a price that would hold for it. */
  find({ model, route, serviceClass, plan }: PriceSubject, atMs: number): PriceInForce | null {
    const models = route === undefined ? [model, ANY_MODEL] : [model, route, ANY_MODEL]
    for (const onePlan of plan === null ? [null] : [plan, null]) {
      for (const oneModel of models) {
        for (const oneClass of [serviceClass, null]) {
          const scope = { plan: onePlan, model: oneModel, serviceClass: oneClass }
          const price = this.last(scope, atMs)
          if (price !== undefined && isInForce(price)) return price
        }
      }
    }
    return null
  }

  /** The version of one price that holds at a moment, its end included. */
  last(scope: PriceScope, atMs: number): Price | undefined {
    return this.#byScope.get(keyOf(scope))?.findLast(({ effectiveAtMs }) => effectiveAtMs <= atMs)
  }

  /** The moment after another at which a price takes effect; Infinity where none will. */
  nextChangeMs(afterMs: number): number {
    return (
      this.prices.find(({ effectiveAtMs }) => effectiveAtMs > afterMs)?.effectiveAtMs ?? Infinity
    )
  }
}

export const isInForce = (price: Price): price is PriceInForce => price.rates !== null

const keyOf = ({ plan, model, serviceClass }: PriceScope) =>
  `${plan ?? ''}\n${model}\n${serviceClass ?? ''}`
