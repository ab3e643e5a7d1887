/** The shape of use as events in the admin API; types only. */
import type { ServiceClass } from '../base/index.ts'

// GET /api/usage/events?from=…&to=…&tenant=…; with format=ndjson one a line. CloudEvents 1.0.
export interface UsageEventView {
  specversion: '1.0'
  /** Of the request. */
  id: string
  source: string
  type: string
  /** The tenant. */
  subject: string
  /** When it was settled, ISO 8601. */
  time: string
  datacontenttype: string
  data: {
    project: string
    /** The name that was asked for, of a model or a route. */
    model: string
    class: ServiceClass
    engine: string | null
    rentedTarget: string | null
    outcome: string
    end: string
    isEstimated: boolean
    inputTokens: number
    /** Of the input, those out of a prefix cache. */
    cachedInputTokens: number
    outputTokens: number
    /** Of the output; 0 also where the engine does not tell. */
    reasoningTokens: number
    /** Whether the response cache answered; then these are the tokens of the answer kept. */
    isCacheHit: boolean
    hitInputTokens: number
    hitOutputTokens: number
    engineMs: number
    queueMs: number
    /** What the tenant is charged, and what a rented service cost, nanos of the currency. */
    chargeNanos: string
    isPriced: boolean
    spendNanos: string
    currency: string
  }
}
