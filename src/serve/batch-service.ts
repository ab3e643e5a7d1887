/** Batches as people see and change them: rows, runs and forecasts joined into views. */

import { type Clock, GristmillError } from '../base/index.ts'
import type { BatchRow, BatchRunner, Forecast } from '../batch/index.ts'
import { cancelBatch, findBatch, listBatches } from '../batch/index.ts'
import type { BatchService, BatchView } from '../http/index.ts'
import type { Database } from '../store/index.ts'
import { pageOf } from '../tenancy/index.ts'

/** @param runner knows what runs here at the moment */
export function batchService(
  { sql }: Database,
  runner: Pick<BatchRunner, 'runOf' | 'wake'>,
  clock: Clock,
): BatchService {
  const view = (batch: BatchRow) => viewOf(batch, runner)
  const find = async (id: string): Promise<BatchRow> => {
    const found = await findBatch(sql, id)
    if (!found) throw new GristmillError('not_found', { kind: 'batch', id })
    return found
  }
  return {
    async list(filter, { limit, cursor }) {
      const rows = await listBatches(sql, filter, cursor, limit + 1)
      const page = pageOf(rows, limit, (batch) => batch.id)
      return { rows: page.rows.map(view), next: page.next }
    },
    get: async (id) => view(await find(id)),
    async cancel(id) {
      const cancelled = await cancelBatch(sql, id, new Date(clock.nowMs()))
      const batch = await find(id)
      if (!cancelled && batch.status !== 'cancelling' && batch.status !== 'cancelled') {
        throw new GristmillError('conflict', { reason: `The batch is ${batch.status}` })
      }
      runner.wake()
      return view(batch)
    },
  }
}

function viewOf(batch: BatchRow, runner: Pick<BatchRunner, 'runOf'>): BatchView {
  const run = runner.runOf(batch.id)
  const { linesTotal: total, linesCompleted: completed, linesFailed: failed } = batch
  const { queued, running } = run?.inFlight() ?? { queued: 0, running: 0 }
  const { endsAtMs, ...forecast } = run?.forecast ?? resting(batch)
  return {
    id: batch.id,
    tenantId: batch.tenantId,
    projectId: batch.projectId,
    keyId: batch.keyId,
    status: batch.status,
    reason: batch.reason,
    endpoint: batch.endpoint,
    model: batch.model,
    serviceClass: batch.serviceClass,
    inputFileId: batch.inputFileId,
    outputFileId: batch.endedAt === null ? null : batch.outputFileId,
    errorFileId: batch.endedAt === null ? null : batch.errorFileId,
    metadata: batch.metadata,
    createdAt: batch.createdAt.toISOString(),
    expiresAt: batch.expiresAt.toISOString(),
    startedAt: batch.inProgressAt?.toISOString() ?? null,
    endedAt: batch.endedAt?.toISOString() ?? null,
    lines: { total, completed, failed, queued, running },
    tokens: {
      input: batch.inputTokens,
      cached: batch.cachedTokens,
      output: batch.outputTokens,
    },
    errors: batch.errors,
    forecast: { ...forecast, endsAt: endsAtMs === null ? null : new Date(endsAtMs).toISOString() },
  }
}

/** What can be said of a batch that does not run here: it has ended, or waits for its turn. */
function resting({ endedAt, linesTotal, linesCompleted, linesFailed }: BatchRow): Forecast {
  const hasEnded = endedAt !== null
  return {
    remaining: hasEnded ? 0 : linesTotal - linesCompleted - linesFailed,
    linesPerS: null,
    endsAtMs: endedAt?.getTime() ?? null,
    basis: hasEnded ? 'It has ended.' : 'It waits for its turn.',
    standing: 'on_time',
  }
}
