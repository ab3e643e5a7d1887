/**
 * Tokens per minute of tenants and keys: buckets that are charged with an estimate at admission
 * and corrected when the request has ended. A bucket may go below zero, which delays the next.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import type { RateAsk, RateLimit } from '../pool/index.ts'
import type { Principal } from '../tenancy/index.ts'

const MINUTE_MS = 60_000

interface Bucket {
  id: string
  tokens: number
  atMs: number
  /** Its size, and what it gains in a minute; 0 where that is not known. */
  tokensPerMinute: number
}

/** What was charged to which buckets; handed back for the correction. */
export interface Charge {
  tokens: number
  buckets: Bucket[]
  /** What is to be charged where the request is scheduled. */
  ask?: RateAsk
}

export const NO_CHARGE: Charge = { tokens: 0, buckets: [] }

/** Judges requests by the tokens per minute of their key and tenant. */
export interface RateLimiter {
  /**
   * @param inputTokens estimate of the prompt
   * @param tokens estimate of prompt and answer
   * @throws GristmillError as `TokenRates.charge`
   */
  charge(principal: Principal, inputTokens: number, tokens: number): Charge
  /** Replaces the estimate by what was used. */
  correct(charge: Charge, tokens: number): void
  /** To be called now and then. */
  forgetIdle(): void
}

/** The limits of a request's key and tenant. */
export function rateLimitsOf(principal: Principal): RateLimit[] {
  const { tenantLimits, keyLimits } = principal.policy
  const limits: RateLimit[] = []
  if (keyLimits.tokensPerMinute !== null) {
    const { tokensPerMinute } = keyLimits
    limits.push({ id: principal.keyId, scope: `key ${principal.keyName}`, tokensPerMinute })
  }
  if (tenantLimits.tokensPerMinute !== null) {
    const { tokensPerMinute } = tenantLimits
    limits.push({
      id: principal.tenantId,
      scope: `tenant ${principal.tenantName}`,
      tokensPerMinute,
    })
  }
  return limits
}

export class TokenRates implements RateLimiter {
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
    if (tenantLimits.tokensPerMinute === null && keyLimits.tokensPerMinute === null) {
      return NO_CHARGE
    }
    return this.chargeTo(rateLimitsOf(principal), inputTokens, tokens)
  }

  /** The same with limits that are known already. */
  chargeTo(limits: readonly RateLimit[], inputTokens: number, tokens: number): Charge {
    const buckets = limits.map((limit) => this.#admit(limit, inputTokens, tokens))
    for (const bucket of buckets) bucket.tokens -= tokens
    return { tokens, buckets }
  }

  /** How full every bucket is. */
  levels(): { id: string; tokens: number }[] {
    return [...this.#buckets].map(([id, { tokens }]) => ({ id, tokens }))
  }

  /** Goes on from where somebody else was. */
  restore(levels: readonly { id: string; tokens: number }[]): void {
    const atMs = this.#clock.monotonicMs()
    this.#buckets.clear()
    for (const { id, tokens } of levels) {
      this.#buckets.set(id, { id, tokens, atMs, tokensPerMinute: 0 })
    }
  }

  /** Replaces the estimate by what was used. */
  correct(charge: Charge, tokens: number): void {
    for (const charged of charge.buckets) {
      // It may have been forgotten while a long answer ran.
      const bucket = this.#buckets.get(charged.id) ?? charged
      bucket.tokens += charge.tokens - tokens
      this.#buckets.set(bucket.id, bucket)
    }
  }

  /** Forgets who has not asked for a while and owes nothing; to be called now and then. */
  forgetIdle(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [id, bucket] of this.#buckets) {
      const isIdle = bucket.atMs < nowMs - 2 * MINUTE_MS
      if (isIdle && levelAt(bucket, nowMs) >= bucket.tokensPerMinute) this.#buckets.delete(id)
    }
  }

  #admit({ id, scope, tokensPerMinute }: RateLimit, inputTokens: number, tokens: number): Bucket {
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
    const full = { id, tokens: tokensPerMinute, atMs: nowMs, tokensPerMinute }
    const bucket = this.#buckets.get(id) ?? full
    bucket.tokensPerMinute = tokensPerMinute
    bucket.tokens = Math.min(tokensPerMinute, levelAt(bucket, nowMs))
    bucket.atMs = nowMs
    this.#buckets.set(id, bucket)
    return bucket
  }
}

const levelAt = ({ tokens, atMs, tokensPerMinute }: Bucket, nowMs: number) =>
  tokens + ((nowMs - atMs) * tokensPerMinute) / MINUTE_MS
