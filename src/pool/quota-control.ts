/**
 * How many requests a rented service takes at the moment, by what it says about its rate limits:
 * each key's limits fill up again steadily, and what was sent since the last word is taken off. A
 * state machine without I/O; the time is handed in.
 */
import type { RateLevel, RateNews } from '../engine/index.ts'

const MINUTE_MS = 60_000
/** Part of the mean that a newly sent request makes up. */
const NEWEST = 0.1
/** A limit this full takes one request, however long: it will not get any fuller. */
const FULL = 0.99

interface Bucket {
  limit: number
  level: number
  atMs: number
  perMs: number
}

interface KeyQuota {
  requests: Bucket | null
  tokens: Bucket | null
  closedUntilMs: number
}

export class QuotaControl {
  #keys = new Map<string, KeyQuota>()
  /** Keys that the service has; null until it has answered once. */
  #keyIds: readonly string[] | null = null
  /** Tokens of requests that were sent and whose answer has not begun. */
  readonly #sent = new Map<string, number>()
  #meanTokens: number | null = null

  /** A request goes out. @param tokens its prompt and what it may generate */
  took(requestId: string, tokens: number): void {
    this.#sent.set(requestId, tokens)
    const mean = this.#meanTokens ?? tokens
    this.#meanTokens = mean + NEWEST * (tokens - mean)
  }

  /** A request has ended, whether or not its answer had begun. */
  ended(requestId: string): void {
    this.#sent.delete(requestId)
  }

  /** An answer has begun; its headers count the request itself. */
  heard(nowMs: number, { requestId, keyId, keyIds, report }: RateNews): void {
    this.#sent.delete(requestId)
    this.#keyIds = keyIds
    for (const id of this.#keys.keys()) if (!keyIds.includes(id)) this.#keys.delete(id)
    if (report === null) return
    const known = this.#keys.get(keyId)
    this.#keys.set(keyId, {
      requests: bucketOf(report.requests, nowMs) ?? known?.requests ?? null,
      tokens: bucketOf(report.tokens, nowMs) ?? known?.tokens ?? null,
      // Whatever else begins to be answered was sent before it asked to be left alone.
      closedUntilMs:
        report.retryAfterMs === null ? (known?.closedUntilMs ?? 0) : nowMs + report.retryAfterMs,
    })
  }

  /** Requests that may be sent now beside those that were; infinite where nothing is known. */
  places(nowMs: number): number {
    const { open, areAllKnown } = this.#open(nowMs)
    if (this.#keyIds === null || !areAllKnown) return Number.POSITIVE_INFINITY
    if (open.length === 0) return 0
    const requests = sumOf(
      open.map((key) => key.requests),
      nowMs,
    )
    const tokens = sumOf(
      open.map((key) => key.tokens),
      nowMs,
    )
    const sentTokens = [...this.#sent.values()].reduce((sum, one) => sum + one, 0)
    const left = Math.min(
      requests.level - this.#sent.size,
      (tokens.level - sentTokens) / Math.max(1, this.#meanTokens ?? 1),
    )
    const isIdle = this.#sent.size === 0 && requests.level >= 1
    if (left < 1 && isIdle && tokens.level >= FULL * tokens.limit) return 1
    return Math.max(0, Math.floor(left))
  }

  #open(nowMs: number): { open: KeyQuota[]; areAllKnown: boolean } {
    const ids = this.#keyIds ?? []
    const known = ids.flatMap((id) => this.#keys.get(id) ?? [])
    const open = known.filter(({ closedUntilMs }) => closedUntilMs <= nowMs)
    return { open, areAllKnown: known.length === ids.length }
  }
}

function bucketOf(level: RateLevel | null, atMs: number): Bucket | null {
  if (level === null) return null
  const { limit, remaining, fullInMs } = level
  const missing = limit - remaining
  const perMs = missing > 0 && fullInMs > 0 ? missing / fullInMs : limit / MINUTE_MS
  return { limit, level: remaining, atMs, perMs }
}

/** One key without a limit makes the sum infinite. */
function sumOf(buckets: readonly (Bucket | null)[], nowMs: number) {
  let [level, limit] = [0, 0]
  for (const bucket of buckets) {
    if (bucket === null) return { level: Number.POSITIVE_INFINITY, limit: 0 }
    level += Math.min(bucket.limit, bucket.level + bucket.perMs * (nowMs - bucket.atMs))
    limit += bucket.limit
  }
  return { level, limit }
}
