/** The card for what the work would have cost elsewhere; worked out only when it is asked for. */
import { lazy, Suspense } from 'react'
import { useSearchParams } from 'wouter'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { withParameter } from '../parts/tenant-filter.tsx'
import type { CostSpan } from './cost-view.ts'
import { COMPARED } from './cost-words.ts'

const CostComparison = lazy(() => import('./cost-comparison.tsx'))

export function Compared({ span }: { span: CostSpan }) {
  const [search, setSearch] = useSearchParams()
  const waiting = (
    <Card title={COMPARED}>
      <LoadingRows rows={6} />
    </Card>
  )
  if (search.get('compare') === 'yes') {
    return (
      <Suspense fallback={waiting}>
        <CostComparison span={span} />
      </Suspense>
    )
  }
  return (
    <Card title={COMPARED}>
      <p className="mb-3 max-w-[70ch] text-[0.84rem] text-soft">
        The same work at list prices of closed services, or on engines of each tenant alone. Both
        are intervals, and neither is a saving: nobody compared the answers.
      </p>
      <Button onClick={() => setSearch(withParameter('compare', 'yes'), { replace: true })}>
        Compare
      </Button>
    </Card>
  )
}
