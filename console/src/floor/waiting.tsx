/** Who waits, and why: a line for each tenant, class and model, which opens to its requests. */
import { useState } from 'react'
import { useCalmFeed } from '../api/live.ts'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import { cellClass, headClass, numberCellClass, tableClass } from '../parts/table-looks.ts'
import { plural } from '../units.ts'
import { waitingOf } from './floor-model.ts'
import { type QueueEntry, queueGroups } from './queue-groups.ts'
import { QueueLine } from './queue-line.tsx'

const heads = ['Tenant', 'Class', 'Model', 'Waiting', 'Ahead', 'Why', 'Waited', 'Expected'] as const
const numbers: readonly string[] = ['Waited', 'Expected']

export function Waiting() {
  const { floor, state } = useCalmFeed()
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const queue = floor?.queue ?? []
  const tenants = new Map(floor?.tenants.map((tenant) => [tenant.id, tenant]))
  const waiting = waitingOf(floor?.tenants ?? [])
  const nameOf = ({ tenantId }: QueueEntry) => tenants.get(tenantId)?.name ?? 'another tenant'
  const toggle = (id: string) => {
    const next = new Set(open)
    if (!next.delete(id)) next.add(id)
    setOpen(next)
  }
  return (
    <Card
      title="Who waits, and why"
      note={
        queue.length > 0 && waiting.own > queue.length
          ? `the ${queue.length} longest waits of ${waiting.own}`
          : undefined
      }
      isStale={state.kind === 'lost'}
      actions={queue.length > 0 && <QueueExport queue={queue} nameOf={nameOf} />}
    >
      {floor !== null && queue.length === 0 && (
        <p className="py-2 text-soft">{withoutQueue(waiting)}</p>
      )}
      {queue.length > 0 && (
        <div className="slim-scroll md:overflow-x-auto">
          <table className={tableClass}>
            <thead className={headClass}>
              <tr>
                {heads.map((head) => (
                  <th
                    key={head}
                    scope="col"
                    className={numbers.includes(head) ? numberCellClass : cellClass}
                  >
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody className="block md:table-row-group">
              {queueGroups(queue).map((group) => (
                <QueueLine
                  key={group.id}
                  group={group}
                  tenant={nameOf(group.head)}
                  hue={tenants.get(group.head.tenantId)?.hue ?? 0}
                  isOpen={open.has(group.id)}
                  onToggle={toggle}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <CliCommand className="mt-3" command="gristmill queue" />
    </Card>
  )
}

function withoutQueue({ own, others }: ReturnType<typeof waitingOf>): string {
  if (own > 0) {
    return `${plural(own, 'request waits', 'requests wait')}, less long than the longest waits of the pool, which are those of others.`
  }
  const what = 'When every slot is busy, this says who waits, for what, and for how long.'
  if (others === 0) return `Nobody waits. ${what}`
  const many = plural(others, 'request of others does', 'requests of others do')
  return `Nobody of your tenants waits; ${many}. ${what}`
}

interface QueueExportProps {
  queue: readonly QueueEntry[]
  nameOf: (entry: QueueEntry) => string
}

function QueueExport({ queue, nameOf }: QueueExportProps) {
  const header = [
    'Request',
    'Tenant',
    'Class',
    'Model',
    'Ahead own',
    'Ahead others',
    'Reason',
    'Why',
    'Waited ms',
    'Expected ms',
  ]
  const cells = (entry: QueueEntry) => [
    entry.requestId,
    nameOf(entry),
    entry.serviceClass,
    entry.model,
    entry.aheadOwn,
    entry.aheadOthers,
    entry.reason,
    entry.why,
    entry.waitedMs,
    entry.expectedWaitMs,
  ]
  return <ExportButton name="queue" header={header} rows={() => queue.map(cells)} />
}
