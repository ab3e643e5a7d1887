/**
 * Tokens per minute of tenants and keys: buckets that are charged with an estimate at admission
 * and corrected when the request has ended. A bucket may go below zero, which delays the next.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'

const MINUTE_MS = 60_000

interface Bucket {
  tokens: number
  atMs: number
}

/** What was charged to which buckets; handed back for the correction. */
export interface Charge {
  tokens: number
  buckets: Bucket[]
}

const NOTHING: Charge = { tokens: 0, buckets: [] }

export class TokenRates {
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Charges a request to its key's and its tenant's limit, or to neither.
   * @param inputTokens estimate of the prompt
   * @param tokens estimate of prompt and answer
   * @throws GristmillError `requests_too_large_for_limit`, `tokens_per_minute_exceeded`
   */
  charge(principal: Principal, inputTokens: number, tokens: number): Charge {
    const { tenantLimits, keyLimits } = principal.policy
    if (tenantLimits.tokensPerMinute === null && keyLimits.tokensPerMinute === null) return NOTHING
    const charge: Charge = { tokens, buckets: [] }
    const limits = [
      [`key ${principal.keyName}`, principal.keyId, keyLimits.tokensPerMinute],
      [`tenant ${principal.tenantName}`, principal.tenantId, tenantLimits.tokensPerMinute],
    ] as const
    for (const [scope, id, perMinute] of limits) {
      if (perMinute !== null)
        charge.buckets.push(this.#admit(id, scope, perMinute, inputTokens, tokens))
    }
    for (const bucket of charge.buckets) bucket.tokens -= tokens
    return charge
  }

  /** Replaces the estimate by what was used. */
  correct(charge: Charge, tokens: number): void {
    for (const bucket of charge.buckets) bucket.tokens += charge.tokens - tokens
  }

  /** Forgets who has not asked for a while; to be called now and then. */
  forgetIdle(): void {
    const before = this.#clock.monotonicMs() - 2 * MINUTE_MS
    for (const [id, bucket] of this.#buckets) if (bucket.atMs < before) this.#buckets.delete(id)
  }

  #admit(
    id: string,
    scope: string,
    tokensPerMinute: number,
    inputTokens: number,
    tokens: number,
  ): Bucket {
    if (inputTokens > tokensPerMinute) {
      const details = { requestTokens: inputTokens, scope, tokensPerMinute }
      throw new GristmillError('requests_too_large_for_limit', details)
    }
    const bucket = this.#refilled(id, tokensPerMinute)
    // A request that allows itself more than a minute's worth still fits into a full bucket.
    const missing = Math.min(tokens, tokensPerMinute) - bucket.tokens
    if (missing <= 0) return bucket
    const retryAfterMs = Math.ceil((missing * MINUTE_MS) / tokensPerMinute)
    const details = { tokensPerMinute, scope }
    throw new GristmillError('tokens_per_minute_exceeded', details, { retryAfterMs })
  }

  #refilled(id: string, tokensPerMinute: number): Bucket {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(id) ?? { tokens: tokensPerMinute, atMs: nowMs }
    const gained = ((nowMs - bucket.atMs) * tokensPerMinute) / MINUTE_MS
    bucket.tokens = Math.min(tokensPerMinute, bucket.tokens + gained)
    bucket.atMs = nowMs
    this.#buckets.set(id, bucket)
    return bucket
  }
}
