/** One line of the queue, and the requests behind it. */
import { ChevronRight } from 'lucide-react'
import { ClassTag } from '../parts/class-tag.tsx'
import { cellClass, leadCellClass, numberCellClass, rowClass } from '../parts/table-looks.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { duration, plural, seconds } from '../units.ts'
import type { QueueEntry, QueueGroup } from './queue-groups.ts'

export interface QueueLineProps {
  group: QueueGroup
  tenant: string
  hue: number
  isOpen: boolean
  onToggle: (id: string) => void
}

export function QueueLine({ group, tenant, hue, isOpen, onToggle }: QueueLineProps) {
  const { id, head, entries, waitedMsMax } = group
  return (
    <>
      <tr className={rowClass}>
        <td className={leadCellClass}>
          <TenantName name={tenant} hue={hue} />
        </td>
        <td data-label="Class" className={cellClass}>
          <ClassTag name={head.serviceClass} />
        </td>
        <td data-label="Model" className={cellClass}>
          {head.model}
        </td>
        <td data-label="Waiting" className={`${cellClass} tabular-nums`}>
          {entries.length === 1 ? (
            '1'
          ) : (
            <button
              type="button"
              aria-expanded={isOpen}
              onClick={() => onToggle(id)}
              title={isOpen ? 'Hide the requests' : 'Show the requests'}
              className="inline-flex items-baseline gap-1 hover:underline"
            >
              {entries.length}
              <ChevronRight
                size={12}
                aria-hidden
                className={`translate-y-px text-soft ${isOpen ? 'rotate-90' : ''}`}
              />
            </button>
          )}
        </td>
        <td data-label="Ahead" className={`${cellClass} md:whitespace-nowrap`}>
          {ahead(head)}
        </td>
        <td data-label="Why" className={`${cellClass} md:w-2/5`}>
          {head.why}
        </td>
        <td data-label="Waited" className={numberCellClass} title="The longest wait of this line">
          {seconds(waitedMsMax)}
        </td>
        <td data-label="Expected" className={numberCellClass} title="Of the first in this line">
          {expected(head)}
        </td>
      </tr>
      {isOpen && entries.map((entry) => <EntryRow key={entry.requestId} entry={entry} />)}
    </>
  )
}

function EntryRow({ entry }: { entry: QueueEntry }) {
  return (
    <tr className={`${rowClass} text-soft`}>
      <td colSpan={4} className={`${cellClass} pl-[17px]`}>
        <code className="font-mono text-[0.75rem]">{entry.requestId}</code>
      </td>
      <td data-label="Ahead" className={cellClass}>
        {ahead(entry)}
      </td>
      <td data-label="Why" className={cellClass}>
        {entry.why}
      </td>
      <td data-label="Waited" className={numberCellClass}>
        {seconds(entry.waitedMs)}
      </td>
      <td data-label="Expected" className={numberCellClass}>
        {expected(entry)}
      </td>
    </tr>
  )
}

function ahead({ aheadOwn, aheadOthers }: QueueEntry): string {
  if (aheadOwn + aheadOthers === 0) return 'nobody'
  const own = aheadOwn === 0 ? '' : `${aheadOwn} own`
  const others = aheadOthers === 0 ? '' : plural(aheadOthers, 'other')
  return [own, others].filter(Boolean).join(', ')
}

function expected({ expectedWaitMs, reason }: QueueEntry): string {
  if (expectedWaitMs !== null) return `about ${duration(Math.max(100, expectedWaitMs))}`
  if (reason.includes('concurrency')) return 'unknown: own requests decide'
  return reason === 'no_healthy_engine' ? 'unknown: no engine is up' : 'unknown: nothing started'
}
