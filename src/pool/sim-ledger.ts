/** Requests of the ledger as rows of a trace: lengths and times, never a word of a prompt. */
import type { ServiceClass } from '../base/index.ts'
import type { TraceRow } from './sim-trace.ts'

/** What of a request in the ledger a trace needs. */
export interface LedgerRequest {
  tenantId: string
  projectId: string
  serviceClass: ServiceClass
  servedClass: ServiceClass | null
  inputTokens: number
  cachedTokens: number
  outputTokens: number
}

/**
 * The ledger knows how much of a prompt was cached, not what; a project's counts as one prefix.
 * @param atMs when it came, milliseconds since the trace began
 */
export function ledgerTraceRow(request: LedgerRequest, atMs: number): TraceRow {
  const { tenantId, projectId, cachedTokens, inputTokens, outputTokens } = request
  return {
    atMs,
    tenant: tenantId,
    serviceClass: request.servedClass ?? request.serviceClass,
    inputTokens,
    outputTokens,
    prefix: cachedTokens > 0 ? [{ id: projectId, tokens: cachedTokens }] : [],
  }
}
