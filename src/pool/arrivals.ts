/** A request as the scheduler takes it. */
import type { Scheduler } from './scheduler.ts'
import type { Arrival } from './scheduler-types.ts'
import type { TicketRequest } from './types.ts'

/**
 * @param arrivedAtMs when it came first, monotonic
 * @param scheduler what prompts begin with is for it where it chooses between engines
 * @param order arrival number of an earlier attempt, whose place in line it has
 */
export function arrivalOf(
  request: TicketRequest,
  arrivedAtMs: number,
  scheduler: Pick<Scheduler, 'hasChoice'>,
  order?: number,
): Arrival {
  const { keyConcurrencyMax } = request
  const arrival: Arrival = {
    id: request.id,
    model: request.model,
    tenantId: request.tenantId,
    tenantWeight: request.tenantWeight,
    projectId: request.projectId,
    projectWeight: request.projectWeight,
    keyId: request.keyId,
    // A key with its own limit is a level of its own, so that its queue can be held back alone.
    userId: keyConcurrencyMax === null ? request.userId : `${request.keyId}/${request.userId}`,
    serviceClass: request.serviceClass,
    estimatedInputTokens: request.estimatedInputTokens,
    deadlineMs: arrivedAtMs + request.waitMsMax,
    queueDepthMax: request.queueDepthMax,
    tenantConcurrencyMax: request.tenantConcurrencyMax,
    keyConcurrencyMax,
    urgent: request.urgent === true,
  }
  if (order !== undefined) arrival.order = order
  if (request.wasAccepted === true) arrival.wasAccepted = true
  const { beginnings, model } = request
  if (beginnings !== undefined && scheduler.hasChoice(model)) arrival.beginnings = beginnings
  if (request.avoidEngineId !== undefined) arrival.avoidEngineId = request.avoidEngineId
  return arrival
}
