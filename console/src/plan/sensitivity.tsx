/** How many engines more or less traffic needs, alone and together. */
import { lazy, Suspense } from 'react'
import type { PlanReport, PlanSensitivity } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import {
  cellClass,
  headClass,
  leadCellClass,
  numberCellClass,
  rowClass,
  tableClass,
} from '../parts/table-looks.ts'
import { count } from '../units.ts'

const SensitivityChart = lazy(() => import('./sensitivity-chart.tsx'))

const engines = (value: number | null) => (value === null ? 'cannot' : count(value))

const columns: { title: string; show: (row: PlanSensitivity) => string }[] = [
  { title: 'Traffic', show: ({ load }) => `× ${load}` },
  { title: 'Own engines', show: ({ dedicatedEngines }) => engines(dedicatedEngines) },
  { title: 'Pool', show: ({ pooledEngines }) => engines(pooledEngines) },
]

export function Sensitivity({ report: { sensitivity } }: { report: PlanReport }) {
  return (
    <Card
      title="If the traffic were another"
      note="fewest engines at the same promise"
      actions={
        <ExportButton
          name="plan-sensitivity"
          header={['Traffic', 'Own engines', 'Pool']}
          rows={() => sensitivity.map((one) => [one.load, one.dedicatedEngines, one.pooledEngines])}
        />
      }
    >
      <div className="grid items-center gap-x-8 gap-y-4 md:grid-cols-[1.4fr_1fr]">
        <div className="relative h-[180px]">
          <Suspense fallback={null}>
            <SensitivityChart rows={sensitivity} />
          </Suspense>
        </div>
        <table className={tableClass}>
          <thead className={headClass}>
            <tr>
              {columns.map(({ title }, at) => (
                <th key={title} scope="col" className={at === 0 ? cellClass : numberCellClass}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="block md:table-row-group">
            {sensitivity.map((row) => (
              <tr key={row.load} className={rowClass}>
                {columns.map(({ title, show }, at) => (
                  <td
                    key={title}
                    data-label={title}
                    className={at === 0 ? leadCellClass : numberCellClass}
                  >
                    {show(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
