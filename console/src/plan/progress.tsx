/** A plan, or a question about it, on its way. */
import type { PlanView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { percent } from '../units.ts'
import { useStopPlan } from './plan-data.ts'

export function PlanProgress({ plan }: { plan: PlanView }) {
  const stop = useStopPlan()
  const { step, progress } = plan
  return (
    <Card title="Working it out" note={percent(progress)} className="print:hidden">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <progress
          value={progress}
          aria-label="How far it is"
          className="h-2 min-w-40 flex-1 appearance-none overflow-hidden rounded-full bg-sunk [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-sunk [&::-webkit-progress-value]:bg-accent"
        />
        <Button onClick={() => stop.mutate(undefined)} disabled={stop.isPending}>
          Stop
        </Button>
      </div>
      <p role="status" className="mt-2 text-[0.82rem] text-soft">
        Now: {step}.
      </p>
      {stop.error !== null && <ErrorNote error={stop.error} />}
    </Card>
  )
}
