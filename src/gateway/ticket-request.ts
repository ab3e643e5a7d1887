/** What a request asks of the pool, and the bound of an answer whose client names none. */
import type { TicketRequest } from '../pool/index.ts'
import { type CanonicalRequest, outputTokensMax } from './canonical.ts'
import type { LifeOptions } from './life-types.ts'
import type { ModelEntry } from './types.ts'

/**
 * The bound for answers whose client names none, or one that may be lowered; within what the
 * context leaves by our estimate. null where the client's own holds.
 */
export function defaultBound(
  request: CanonicalRequest,
  model: ModelEntry,
  standard: number,
): number | null {
  if (request.outputTokensAsked !== null) return null
  const room = (model.contextTokens ?? Number.POSITIVE_INFINITY) - request.estimatedInputTokens
  return Math.max(1, Math.min(request.outputTokensAtMost ?? standard, room))
}

/** What the pool is asked for. */
export function ticketRequestOf({
  requestId,
  request,
  principal: { tenantId, projectId, keyId, policy },
  standing,
  line,
  outputTokensDefault,
  charge,
}: LifeOptions): TicketRequest {
  const user = standing.endUser === null ? keyId : `user:${standing.endUser}`
  const wanted: TicketRequest = {
    id: requestId,
    model: request.model,
    tenantId,
    tenantWeight: policy.tenantWeight,
    projectId,
    projectWeight: policy.projectWeight,
    keyId,
    // Batches of one key share what the key gets.
    userId: line === null || line.asker ? user : `batch:${line.batchId}`,
    serviceClass: standing.serviceClass,
    estimatedInputTokens: request.estimatedInputTokens,
    outputTokensMax: outputTokensMax(request, outputTokensDefault),
    comesWhole: !request.stream,
    waitMsMax: standing.waitMsMax,
    queueDepthMax: standing.queueDepthMax,
    tenantConcurrencyMax: policy.tenantLimits.concurrencyMax,
    keyConcurrencyMax: policy.keyLimits.concurrencyMax,
    urgent: line?.urgent === true,
  }
  if (spreads(request)) wanted.spreads = true
  if (charge.ask !== undefined) wanted.rates = charge.ask
  return wanted
}

/** llama.cpp's server, for one, answers it in slots that it chooses. */
const spreads = ({ endpoint, choices, fields }: CanonicalRequest) =>
  endpoint === '/v1/embeddings' || choices > 1 || Array.isArray(fields.prompt)
