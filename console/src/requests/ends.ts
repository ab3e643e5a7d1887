/** How requests end, in words. */
import type { RequestView } from '../api/contract.ts'

const ends: Record<string, string> = {
  done: 'answered',
  client_gone: 'the client left',
  engine_failed: 'the engine failed',
  timeout: 'ran out of time',
  refused: 'refused',
  key_revoked: 'its key was revoked',
  budget: 'used up the engine time of its budget',
  shutdown: 'the gateway stopped',
  gateway_crash: 'the gateway was killed',
}

export function endInWords({ end }: Pick<RequestView, 'end'>): string {
  return end === null ? 'running' : (ends[end] ?? end)
}

export const isFailure = ({ end }: Pick<RequestView, 'end'>) =>
  end === 'engine_failed' || end === 'gateway_crash' || end === 'timeout'

/** Service units: one an uncached input token, two an output token. */
export function unitsOf(
  row: Pick<RequestView, 'inputTokens' | 'cachedTokens' | 'outputTokens'>,
): number {
  return row.inputTokens - row.cachedTokens + 2 * row.outputTokens
}
