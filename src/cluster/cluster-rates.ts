/** Tokens per minute of gateways that share a database, judged where requests are scheduled. */
import { type Charge, NO_CHARGE, type RateLimiter, rateLimitsOf } from '../gateway/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { Up } from './messages.ts'

export class ClusterRates implements RateLimiter {
  readonly #tell: (message: Up) => void
  #next = 1

  /** @param tell reaches whoever schedules */
  constructor(tell: (message: Up) => void) {
    this.#tell = tell
  }

  charge(principal: Principal, inputTokens: number, tokens: number): Charge {
    const limits = rateLimitsOf(principal)
    if (limits.length === 0) return NO_CHARGE
    const ask = { id: this.#next++, limits, inputTokens, tokens, wasAsked: false }
    return { tokens, buckets: [], ask }
  }

  correct({ ask }: Charge, tokens: number): void {
    if (ask?.wasAsked === true) this.#tell(['used', ask.id, tokens])
  }

  forgetIdle(): void {
    // Those who schedule have the buckets.
  }
}
