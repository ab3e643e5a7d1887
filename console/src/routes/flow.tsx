/** Who goes where: tenants, the names that they ask for, and what answered, as bands. */
import { useMemo } from 'react'
import { Link } from 'wouter'
import type { RouteFlowRow, RouteFlowView } from '../api/contract.ts'
import { useEngines, useTenantNames } from '../api/lists.ts'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import { type Flow as FlowPart, layoutFlow, NOBODY, OTHERS } from '../parts/flow-layout.ts'
import { FlowPicture } from '../parts/flow-picture.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { count, plural } from '../units.ts'
import { FLOW_MINUTES } from './route-data.ts'

export interface FlowProps {
  flow: RouteFlowView | undefined
  error: unknown
  onRetry: () => void
  /** Route by every name that it has; a name that is missing is a model's own. null: not known. */
  routeOf: ReadonlyMap<string, string> | null
}

export function Flow({ flow, error, onRetry, routeOf }: FlowProps) {
  const layout = useMemo(() => layoutFlow((flow?.rows ?? []).map(flowOf), 3), [flow])
  const names = useFlowNames(routeOf)
  const rows = flow?.rows ?? []
  const shown = rows.reduce((sum, { requests }) => sum + requests, 0)
  const rest = (flow?.requests ?? 0) - shown
  return (
    <Card
      title="Who goes where"
      note={`requests that ended in the last ${FLOW_MINUTES} minutes, from the ledger`}
      actions={
        rows.length > 0 && (
          <ExportButton
            name="route-flow"
            header={['Tenant', 'Asked for', 'Engine', 'Rented target', 'Requests', 'Ended early']}
            rows={() =>
              rows.map((row) => [
                names.tenant(row.tenantId),
                row.model,
                row.engineId,
                row.rentedTarget,
                row.requests,
                row.cut,
              ])
            }
          />
        )
      }
    >
      {error != null && <ErrorNote error={error} onRetry={onRetry} />}
      {flow === undefined && error == null && <LoadingRows />}
      {flow?.rows.length === 0 && (
        <p className="py-2 text-soft">
          Nobody asked for anything in the last {FLOW_MINUTES} minutes. Ask in the{' '}
          <Link href="/playground" className="text-accent underline">
            playground
          </Link>{' '}
          and it shows up here.
        </p>
      )}
      {rows.length > 0 && (
        <>
          <FlowPicture
            layout={layout}
            columns={[
              { title: 'Tenant', look: 'right', nameOf: names.tenant },
              { title: 'Asked for', look: 'box', nameOf: names.asked, noteOf: names.kind },
              { title: 'Answered', look: 'left', nameOf: names.answer, noteOf: rentedOr },
            ]}
            hueOf={names.hue}
            short={count}
            long={(requests) => plural(requests, 'request')}
            marked="early"
            ownerOf={names.tenant}
          />
          {rest > 0 && (
            <p className="mt-2 text-[0.78rem] text-soft">
              and {plural(rest, 'request')} in flows that are smaller than these
            </p>
          )}
        </>
      )}
    </Card>
  )
}

interface FlowNames {
  tenant: (id: string) => string
  hue: (id: string) => number
  asked: (id: string) => string
  answer: (id: string) => string
  /** What kind of name it is, in small print. */
  kind: (id: string) => string
}

const RENTED = 'rented '
const rentedOr = (id: string) => (id.startsWith(RENTED) ? 'rented' : '')

/** Who asked, for what, and what answered: an engine by id, a rented target, or nothing. */
function flowOf({
  tenantId,
  model,
  engineId,
  rentedTarget,
  requests,
  cut,
}: RouteFlowRow): FlowPart {
  const answer = rentedTarget === null ? (engineId ?? NOBODY) : RENTED + rentedTarget
  return { ids: [tenantId, model, answer], owner: tenantId, amount: requests, marked: cut }
}

function useFlowNames(routeOf: FlowProps['routeOf']): FlowNames {
  const tenants = useTenantNames()
  const engines = new Map(useEngines().data?.map(({ id, name }) => [id, name]))
  const orOthers = (nameOf: (id: string) => string) => (id: string) =>
    id === OTHERS ? 'all others' : nameOf(id)
  return {
    tenant: orOthers((id) => tenants.get(id)?.name ?? id),
    hue: (id) => tenants.get(id)?.hue ?? -1,
    asked: orOthers((id) => id),
    answer: orOthers((id) => {
      if (id === NOBODY) return 'no engine'
      return id.startsWith(RENTED) ? id.slice(RENTED.length) : (engines.get(id) ?? id)
    }),
    kind: (id) => {
      if (id === OTHERS || routeOf === null) return ''
      const route = routeOf.get(id)
      if (route === undefined) return 'no route'
      return route === id ? 'route' : `alias of ${route}`
    },
  }
}
