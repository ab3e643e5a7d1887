/** The page of routes for those who are bound to tenants: the routes themselves are of all. */
import { useModels } from '../api/lists.ts'
import { PageHead } from '../parts/page-head.tsx'
import { plural } from '../units.ts'
import { Explain } from './explain.tsx'
import { Flow } from './flow.tsx'
import { FLOW_MINUTES, useFlow } from './route-data.ts'

export function OwnRoutes() {
  const flow = useFlow()
  const models = useModels().data ?? []
  const asked = flow.data?.rows.map(({ model }) => model) ?? []
  const names = [...new Set([...asked, ...models.map(({ name }) => name)])]
  return (
    <>
      <PageHead
        sentence={sentence(flow.data?.requests)}
        context="Routes are of all tenants, so owners and operators see them; here is where requests of your own tenants went, and where the next one would go."
      />
      <div className="grid gap-4">
        <Flow
          flow={flow.data}
          error={flow.error}
          onRetry={() => void flow.refetch()}
          routeOf={null}
        />
        {names.length > 0 && <Explain names={names} />}
      </div>
    </>
  )
}

function sentence(requests: number | undefined): string {
  if (requests === undefined) return 'Looking up where requests of your tenants went.'
  const many = plural(requests, 'request of your tenants', 'requests of your tenants')
  return `${many} ended in the last ${FLOW_MINUTES} minutes.`
}
