/** Whether an answer kept the promise of its class; what counts as goodput rests on it. */
import type { ServiceClass } from '../base/index.ts'

const TTFT_MS_MAX = 1000
const TOKEN_GAP_MS_MAX = 80

/**
 * @param ttftMs arrival to first content; of an answer without streaming: arrival to dispatch
 * @param tokenGapMs mean time between tokens; null where it was not streamed or too short
 */
export function keptPromise(
  serviceClass: ServiceClass,
  ttftMs: number,
  tokenGapMs: number | null,
): boolean {
  // Flex and batch are patient: what was answered within its wait limit was answered in time.
  if (serviceClass === 'flex' || serviceClass === 'batch') return true
  return ttftMs <= TTFT_MS_MAX && (tokenGapMs === null || tokenGapMs <= TOKEN_GAP_MS_MAX)
}
