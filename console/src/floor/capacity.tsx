/** The card around the capacity chart; the chart itself comes after the first picture. */
import { lazy, Suspense } from 'react'
import { useCalmFeed } from '../api/live.ts'
import { Card } from '../parts/card.tsx'
import { percent, rate } from '../units.ts'
import { definitions } from './headline-figures.tsx'

const CapacityChart = lazy(() => import('./capacity-chart.tsx'))

const swatches = [
  { name: 'interactive', look: 'bg-(--grain-1)' },
  { name: 'flex', look: 'bg-(--grain-2)' },
  { name: 'batch', look: 'hatched border [--tenant:var(--grain-1)]' },
]

export function Capacity() {
  const { floor, state } = useCalmFeed()
  const capacity = floor?.utilisation.capacityUnitsPerS ?? null
  return (
    <Card
      title="Where capacity went"
      note={
        <span title={definitions.utilisation}>
          last 15 minutes, units per second and utilisation
        </span>
      }
      isStale={state.kind === 'lost'}
      className="flex flex-col"
      bodyClassName="flex flex-1 flex-col"
    >
      <div className="relative min-h-[212px] flex-1">
        {floor !== null && (
          <Suspense fallback={null}>
            <CapacityChart history={floor.history} capacityUnitsPerS={capacity} />
          </Suspense>
        )}
      </div>
      <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        {swatches.map(({ name, look }) => (
          <span key={name} className="inline-flex items-center gap-1.5">
            <i aria-hidden className={`inline-block size-2.5 rounded-[3px] ${look}`} /> {name}
          </span>
        ))}
        {floor !== null && (
          <span
            className="inline-flex items-center gap-1.5"
            title="Aborted and recomputed service ÷ all service computed"
          >
            <i aria-hidden className="inline-block size-2.5 rounded-[3px] bg-bad" /> wasted{' '}
            {percent(floor.utilisation.wasteShare, 1)}
          </span>
        )}
        <span className="ml-auto" title="A service unit is one input token; an output token is two">
          {capacity === null
            ? 'capacity unknown: not calibrated yet'
            : `dashed = calibrated capacity, ${rate(capacity)} units/s`}
        </span>
      </p>
    </Card>
  )
}
