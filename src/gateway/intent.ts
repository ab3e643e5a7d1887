/** What the ledger is told of a request before it runs. */
import type { Intent } from '../meter/index.ts'
import type { LifeOptions } from './life-types.ts'

type Asked = Pick<LifeOptions, 'requestId' | 'principal' | 'request' | 'standing' | 'arrivedAtMs'> &
  Partial<Pick<LifeOptions, 'line' | 'hold'>>

/** @param outputTokensMax of all answers together */
export function intentOf(
  { requestId, principal, request, standing, line, hold, arrivedAtMs }: Asked,
  outputTokensMax: number,
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
    outputTokensMax,
    arrivedAtMs,
    reserved: hold?.reserved,
  }
}
