/**
 * What a rented service says about its rate limits in the headers of an answer, whatever words it
 * has for it. Pure: headers and the time go in, a report comes out.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** One limit: so much is left now, and it is as full as it gets after a while. */
export interface RateLevel {
  limit: number
  remaining: number
  /** Until it is full again, milliseconds. */
  fullInMs: number
}

export interface RateReport {
  requests: RateLevel | null
  tokens: RateLevel | null
  /** How long nothing more should be sent, milliseconds; null where it does not say. */
  retryAfterMs: number | null
}

/** After a refusal for the rate that does not say how long it lasts. */
export const LIMITED_MS = 10_000
/** Where a service does not say when its minute is over. */
const MINUTE_MS = 60_000

/** Names of limit, remaining and reset; of several the first that is there counts. */
const REQUESTS = [
  ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  [
    'anthropic-ratelimit-requests-limit',
    'anthropic-ratelimit-requests-remaining',
    'anthropic-ratelimit-requests-reset',
  ],
  ['x-ratelimit-limit-req-minute', 'x-ratelimit-remaining-req-minute', ''],
  ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'],
] as const
const TOKENS = [
  ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  [
    'anthropic-ratelimit-tokens-limit',
    'anthropic-ratelimit-tokens-remaining',
    'anthropic-ratelimit-tokens-reset',
  ],
  ['x-ratelimit-limit-tokens-minute', 'x-ratelimit-remaining-tokens-minute', ''],
] as const

/**
 * @param status of the answer; one of a limit that does not say how long it lasts lasts a while
 * @returns null where nothing is said about limits
 */
export function rateReport(
  status: number,
  headers: IncomingHttpHeaders,
  nowMs: number,
): RateReport | null {
  const requests = firstLevel(REQUESTS, headers, nowMs)
  const tokens = firstLevel(TOKENS, headers, nowMs)
  const retryAfterMs = retryAfter(headers, nowMs) ?? (status === 429 ? LIMITED_MS : null)
  if (requests === null && tokens === null && retryAfterMs === null) return null
  return { requests, tokens, retryAfterMs }
}

function firstLevel(
  names: readonly (readonly [string, string, string])[],
  headers: IncomingHttpHeaders,
  nowMs: number,
): RateLevel | null {
  for (const [limitName, remainingName, resetName] of names) {
    const limit = numberIn(headers[limitName])
    const remaining = numberIn(headers[remainingName])
    if (limit === null || remaining === null || limit <= 0) continue
    const fullInMs = untilReset(textIn(headers[resetName]), nowMs) ?? MINUTE_MS
    return { limit, remaining: Math.min(limit, remaining), fullInMs }
  }
  return null
}

/** `Retry-After` in seconds or as a date, and the finer `retry-after-ms` of some. */
function retryAfter(headers: IncomingHttpHeaders, nowMs: number): number | null {
  const ms = numberIn(headers['retry-after-ms'])
  if (ms !== null) return ms
  const text = textIn(headers['retry-after'])
  const seconds = numberIn(text)
  if (seconds !== null) return seconds * 1000
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs)
}

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Numbers above are moments: seconds or milliseconds since 1970. */
const SECONDS_MOST = 1e8
const EPOCH_MS_LEAST = 1e11

/** A duration (`1s`, `6m0s`, `120ms`), a moment (RFC 3339, or since 1970), or bare seconds. */
function untilReset(text: string, nowMs: number): number | null {
  if (text === '') return null
  const value = numberIn(text)
  if (value !== null) {
    if (value < SECONDS_MOST) return value * 1000
    return Math.max(0, (value < EPOCH_MS_LEAST ? value * 1000 : value) - nowMs)
  }
  if (/^(?:[\d.]+(?:ms|[smhd]))+$/.test(text)) {
    let sumMs = 0
    for (const [, count, unit = 's'] of text.matchAll(/([\d.]+)(ms|[smhd])/g)) {
      sumMs += Number(count) * (UNITS_MS[unit] ?? 0)
    }
    return sumMs
  }
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs)
}

function textIn(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value)?.trim() ?? ''
}

function numberIn(value: string | string[] | undefined): number | null {
  const text = textIn(value)
  const number = Number(text)
  return text === '' || !Number.isFinite(number) || number < 0 ? null : number
}
