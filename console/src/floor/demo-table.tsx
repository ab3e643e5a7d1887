/** The demo's closing table: each tenant in both halves, side by side. */
import type { DemoRow } from '../api/contract.ts'
import {
  headClass,
  leadCellClass,
  numberCellClass,
  rowClass,
  tableClass,
} from '../parts/table-looks.ts'
import { count, duration, percent } from '../units.ts'

export default function DemoTable({ rows }: { rows: readonly DemoRow[] }) {
  const tenants = [...new Set(rows.map(({ tenant }) => tenant))]
  const hasBoth = rows.some(({ half }) => half === 'fair')
  const find = (tenant: string, half: DemoRow['half']) =>
    rows.find((row) => row.tenant === tenant && row.half === half)
  return (
    <table className={tableClass}>
      <thead className={headClass}>
        <tr>
          <th scope="col" className={leadCellClass}>
            Tenant
          </th>
          {columns.map(({ title, note }) => (
            <th key={title} scope="col" title={note} className={numberCellClass}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="block md:table-row-group">
        {tenants.map((tenant) => (
          <tr key={tenant} className={rowClass}>
            <th scope="row" className={leadCellClass}>
              {tenant}
            </th>
            {columns.map(({ title, show }) => (
              <td key={title} data-label={title} className={numberCellClass}>
                <Change
                  before={show(find(tenant, 'fcfs'))}
                  after={hasBoth ? show(find(tenant, 'fair')) : null}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const columns: { title: string; note: string; show: (row: DemoRow | undefined) => string }[] = [
  {
    title: 'First token p50',
    note: 'Median, first come first served → fair sharing',
    show: (row) => (row?.ttftP50Ms == null ? '–' : duration(row.ttftP50Ms)),
  },
  {
    title: 'First token p99',
    note: '≥ where a request had not begun to answer when the half ended',
    show: (row) =>
      row?.ttftP99Ms == null ? '–' : `${row.ttftP99AtLeast ? '≥ ' : ''}${duration(row.ttftP99Ms)}`,
  },
  {
    title: 'Output tokens',
    note: 'In 60 s, first come first served → fair sharing',
    show: (row) => (row === undefined ? '–' : count(row.outputTokens)),
  },
  {
    title: 'Share',
    note: 'Of all service in the half',
    show: (row) => (row === undefined ? '–' : percent(row.share)),
  },
  {
    title: 'Unfinished',
    note: 'Requests without a full answer when the half ended, of all',
    show: (row) => (row === undefined ? '–' : `${row.unfinished} of ${row.requests}`),
  },
]

/** @param after null while the second half has not begun */
function Change({ before, after }: { before: string; after: string | null }) {
  if (after === null) return <>{before}</>
  return (
    <span className="whitespace-nowrap">
      <span className="text-soft">{before}</span>
      <span aria-hidden className="mx-1.5 text-soft">
        →
      </span>
      <span className="sr-only"> became </span>
      <b className="font-[580]">{after}</b>
    </span>
  )
}
