/** What the ledger is told of a request before it runs. */
import type { Intent } from '../meter/index.ts'
import { outputTokensMax } from './canonical.ts'
import type { LifeOptions } from './life-types.ts'

/** @param outputTokensDefault set where the client named no bound */
export function intentOf(
  { requestId, principal, request, standing, line, arrivedAtMs }: LifeOptions,
  outputTokensDefault: number | null,
): Intent {
  return {
    requestId,
    tenantId: principal.tenantId,
    projectId: principal.projectId,
    keyId: principal.keyId,
    endUser: standing.endUser,
    sessionId: standing.sessionId,
    model: request.model,
    endpoint: request.door,
    serviceClass: standing.serviceClass,
    batchId: line?.batchId,
    estimatedInputTokens: request.estimatedInputTokens,
    outputTokensMax: outputTokensMax(request, outputTokensDefault),
    arrivedAtMs,
  }
}
