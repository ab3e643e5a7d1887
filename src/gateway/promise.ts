/** Whether an answer kept the promise of its class; what counts as goodput rests on it. */
import { type ServiceClass, TTFT_PROMISE_MS } from '../base/index.ts'

/**
 * @param ttftMs arrival to first content; of an answer without streaming: arrival to dispatch
 * @param tokenGapMs mean time between tokens; null where it was not streamed or too short
 * @param tokenGapMsMax what its engine is promised to do at most
 */
export function keptPromise(
  serviceClass: ServiceClass,
  ttftMs: number,
  tokenGapMs: number | null,
  tokenGapMsMax: number,
): boolean {
  // Flex and batch are patient: what was answered within its wait limit was answered in time.
  if (serviceClass === 'flex' || serviceClass === 'batch') return true
  return ttftMs <= TTFT_PROMISE_MS && (tokenGapMs === null || tokenGapMs <= tokenGapMsMax)
}
