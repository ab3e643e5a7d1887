/** The queue as one tenant, or somebody who may see all, reads it. */
import type { Limits } from '../base/index.ts'
import type { QueueEntry } from '../pool/index.ts'
import type { QueueView } from './contract.ts'
import type { QueueService } from './services.ts'

/**
 * Own requests with position and reason; everybody else's as one total.
 * @param tenantIds whose requests are one's own; null means all
 */
export function queueView(
  { queue, limits }: { queue: QueueService; limits: Limits },
  tenantIds: readonly string[] | null,
): QueueView {
  const rowsMax = limits.pageRowsMax
  const ids = tenantIds ?? [undefined]
  const entries = ids.flatMap((id) => queue.entries(id, rowsMax))
  const ownWaiting = ids.reduce((sum, id) => sum + queue.waiting(id), 0)
  entries.sort((a, b) => b.waitedMs - a.waitedMs)
  return {
    own: entries.slice(0, rowsMax).map(rowOf),
    othersWaiting: Math.max(0, queue.waiting(undefined) - ownWaiting),
  }
}

function rowOf(entry: QueueEntry): QueueView['own'][number] {
  const { requestId, tenantId, model, serviceClass, waitedMs, aheadOwn, aheadOthers } = entry
  const { reason, why, expectedWaitMs, basis } = entry
  const place = { waitedMs, aheadOwn, aheadOthers, reason, why, expectedWaitMs, basis }
  return { requestId, tenantId, model, serviceClass, ...place }
}
