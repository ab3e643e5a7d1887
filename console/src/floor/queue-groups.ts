/** The queue as people read it: one line for each tenant, class and model that waits. */
import type { FloorView } from '../api/contract.ts'

export type QueueEntry = FloorView['queue'][number]

export interface QueueGroup {
  id: string
  /** The one that starts first; its reason stands for the group. */
  head: QueueEntry
  /** All of the group that the feed tells of, the head first. */
  entries: QueueEntry[]
  waitedMsMax: number
}

/** @param queue waiting requests; the longest waits first. @returns groups in that order */
export function queueGroups(queue: readonly QueueEntry[]): QueueGroup[] {
  const groups = new Map<string, QueueEntry[]>()
  for (const entry of queue) {
    const id = `${entry.tenantId}\n${entry.serviceClass}\n${entry.model}`
    const known = groups.get(id)
    if (known === undefined) groups.set(id, [entry])
    else known.push(entry)
  }
  return [...groups].map(([id, unsorted]) => {
    const entries = unsorted.toSorted((a, b) => a.aheadOwn - b.aheadOwn)
    const waitedMsMax = Math.max(...entries.map(({ waitedMs }) => waitedMs))
    return { id, head: entries[0] as QueueEntry, entries, waitedMsMax }
  })
}
