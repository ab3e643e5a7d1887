/** What work would have come to at the list price of a closed service, as an interval. Pure. */
import { charge } from './charge.ts'
import type { ListPrice } from './list-prices.ts'

/** Tokens as they were counted here. */
export interface CountedWork {
  /** Cached ones included. */
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Of answers out of the own response cache. */
  hitInputTokens: number
  hitOutputTokens: number
}

/** How many tokens another tokenizer makes of one: from so many to so many. */
export interface TokenFactor {
  low: number
  high: number
}

/**
 * Counts of the same text by the tokenizers of current models are up to 30 % apart in public
 * comparisons, mostly of English; no measurement of the work that is compared.
 */
export const usualTokenFactor: TokenFactor = { low: 0.77, high: 1.3 }

const THOUSAND = 1000n

/**
 * @returns nanos of the price's currency. `asCounted`: the own counts, cached input at the price
 *   for that. `low`: the same, times the low factor. `high`: without any cache, neither theirs nor
 *   the own one for answers, times the high factor
 */
export function atListPrice({ rates }: ListPrice, work: CountedWork, factor: TokenFactor) {
  const rest = { engineMs: 0, isEmbedding: false }
  const { inputTokens, cachedTokens, outputTokens } = work
  const asCounted = charge(rates, { inputTokens, cachedTokens, outputTokens, ...rest })
  const uncached = charge(rates, {
    inputTokens: inputTokens + work.hitInputTokens,
    cachedTokens: 0,
    outputTokens: outputTokens + work.hitOutputTokens,
    ...rest,
  })
  return {
    asCounted,
    low: (asCounted * thousandths(factor.low)) / THOUSAND,
    high: (uncached * thousandths(factor.high)) / THOUSAND,
  }
}

const thousandths = (factor: number) => BigInt(Math.round(factor * 1000))
