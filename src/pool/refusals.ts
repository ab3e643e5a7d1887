/** What a request is told that gets no place; the pool decides when. */
import { GristmillError } from '../base/index.ts'
import type { TicketRequest } from './types.ts'

const ENGINE_RETRY_MS = 5_000

export function noEngine(model: string): GristmillError {
  return new GristmillError('no_healthy_engine', { model }, { retryAfterMs: ENGINE_RETRY_MS })
}

export function queueFull(
  { tenantId, queueDepthMax }: TicketRequest,
  retryAfterMs: number,
): GristmillError {
  return new GristmillError('queue_full', { tenant: tenantId, queueDepthMax }, { retryAfterMs })
}

/** @param isAiling true where every engine that it waited for was being spared */
export function waitedTooLong(
  { waitMsMax, model }: TicketRequest,
  isAiling: boolean,
  retryAfterMs: number,
): GristmillError {
  if (isAiling) return noEngine(model)
  return new GristmillError('wait_limit_exceeded', { waitedMs: waitMsMax }, { retryAfterMs })
}
