/** A settlement with what it costs, the same for whatever way a request ends. */
import type { Cost } from '../budgets/budget-types.ts'
import { whole } from '../ledger-rows.ts'
import type { Settlement } from '../types.ts'
import { charge, chargeOfHit } from './charge.ts'
import type { PriceInForce } from './price-types.ts'

/**
 * Charges a request.
 * @param price as it held when the request came; null: none did
 * @param endpoint where an engine is asked
 * @returns the same settlement
 */
export function priced(
  settlement: Settlement,
  price: PriceInForce | null,
  endpoint: string,
): Settlement {
  if (price === null) return settlement
  const isEmbedding = endpoint === '/v1/embeddings'
  const { hit } = settlement
  settlement.priceVersion = price.version
  settlement.chargeNanos =
    hit === undefined
      ? charge(price.rates, {
          inputTokens: whole(settlement.inputTokens),
          cachedTokens: whole(settlement.cachedTokens),
          cacheWriteTokens: whole(settlement.cacheWriteTokens ?? 0),
          outputTokens: whole(settlement.outputTokens),
          reasoningTokens: whole(settlement.reasoningTokens ?? 0),
          engineMs: whole(settlement.engineMs),
          isEmbedding,
        })
      : chargeOfHit(price.rates, {
          inputTokens: whole(hit.inputTokens),
          cachedTokens: 0,
          outputTokens: whole(hit.outputTokens),
          engineMs: 0,
          isEmbedding,
        })
  return settlement
}

/** What a settled request has taken of budgets, as the ledger books it. */
export function costOf(settlement: Settlement): Cost {
  return new SettledCost(settlement)
}

class SettledCost implements Cost {
  readonly #settlement: Settlement

  constructor(settlement: Settlement) {
    this.#settlement = settlement
  }

  get money(): bigint {
    return this.#settlement.chargeNanos ?? 0n
  }

  get tokens(): bigint {
    const { inputTokens, outputTokens } = this.#settlement
    return BigInt(whole(inputTokens) + whole(outputTokens))
  }

  get engine_seconds(): bigint {
    return BigInt(whole(this.#settlement.engineMs))
  }
}
