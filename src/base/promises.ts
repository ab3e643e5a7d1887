/** What interactive requests are promised, by whichever engine they are served. */

/** Time to first token, milliseconds. */
export const TTFT_PROMISE_MS = 1000

const TOKEN_GAP_MS = 80
const TOKEN_GAP_FACTOR = 1.5

/**
 * Promised mean time between the tokens of a request, p95 over requests, milliseconds.
 * @param calibratedMs the same of the engine at its knee; null where it was not measured
 */
export function promisedTokenGapMs(calibratedMs: number | null): number {
  return Math.max(TOKEN_GAP_MS, TOKEN_GAP_FACTOR * (calibratedMs ?? 0))
}
