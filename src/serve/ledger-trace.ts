/** The requests of the own ledger as the text of a trace: times and lengths, no prompts. */
import { GristmillError } from '../base/index.ts'
import { listRequests } from '../meter/index.ts'
import { ledgerTraceRow, traceHeader, traceLine } from '../pool/index.ts'
import type { Queries } from '../store/index.ts'

const PAGE_ROWS = 1000

interface Span {
  sinceMs: number
  /** Settled before then; absent: until now. */
  untilMs?: number
  /** null: all */
  tenantIds: readonly string[] | null
  bytesMax: number
}

/**
 * Read page by page from the last that ended on, so that the gateway goes on in between.
 * @throws GristmillError `invalid_value` where there is nothing, or more than fits
 */
export async function ledgerTrace(
  sql: Queries,
  { sinceMs, untilMs, tenantIds, bytesMax }: Span,
): Promise<Uint8Array> {
  const filter = {
    tenantIds: tenantIds ?? undefined,
    ...(untilMs !== undefined && { settled: { fromMs: sinceMs, toMs: untilMs } }),
  }
  const lines: string[] = []
  let bytes = 0
  let before: string | undefined
  for (;;) {
    const page = { limit: PAGE_ROWS, before }
    const { rows, next } = await listRequests(sql, filter, page)
    const recent = rows.filter(({ arrivedAt }) => Date.parse(arrivedAt) >= sinceMs)
    for (const request of recent) {
      // Engines had no part in what the response cache answered.
      if (request.settledAt === null || request.hitInputTokens !== null) continue
      const line = traceLine(ledgerTraceRow(request, Date.parse(request.arrivedAt) - sinceMs))
      bytes += line.length + 1
      lines.push(line)
    }
    if (bytes > bytesMax) {
      throw refusal(`it is larger than ${bytesMax} bytes; take a shorter span`)
    }
    const oldest = rows.at(-1)?.settledAt ?? null
    if (next === null || (oldest !== null && Date.parse(oldest) < sinceMs)) break
    before = next
  }
  if (lines.length === 0) throw refusal('nothing was settled in this span')
  return new TextEncoder().encode([traceHeader, ...lines].join('\n'))
}

const refusal = (reason: string) =>
  new GristmillError('invalid_value', { param: 'trace of the ledger', reason })
