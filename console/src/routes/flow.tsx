/** Who goes where: tenants, the names that they ask for, and what answered, as bands. */
import { useMemo } from 'react'
import { Link } from 'wouter'
import type { RouteFlowView } from '../api/contract.ts'
import { useEngines, useTenantNames } from '../api/lists.ts'
import { hueStyle } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { count, plural } from '../units.ts'
import {
  type Column,
  columns,
  type FlowBand,
  type FlowNode,
  layoutFlow,
  NOBODY,
  OTHERS,
} from './flow-layout.ts'
import { FLOW_MINUTES } from './route-data.ts'

export interface FlowProps {
  flow: RouteFlowView | undefined
  error: unknown
  onRetry: () => void
  /** Route by every name that it has; a name that is missing is a model's own. */
  routeOf: ReadonlyMap<string, string>
}

const titles: Record<Column, string> = { tenant: 'Tenant', name: 'Asked for', answer: 'Answered' }

export function Flow({ flow, error, onRetry, routeOf }: FlowProps) {
  const layout = useMemo(() => layoutFlow(flow?.rows ?? []), [flow])
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
          <div className="grid grid-cols-[minmax(4rem,11rem)_minmax(1.5rem,1fr)_minmax(4.5rem,12rem)_minmax(1.5rem,1fr)_minmax(4rem,11rem)] gap-x-1 sm:gap-x-1.5">
            {columns.map((column, at) => (
              <div key={column} className="contents">
                <Nodes
                  column={column}
                  nodes={layout.nodes.filter((node) => node.column === column)}
                  height={layout.height}
                  names={names}
                />
                {at < 2 && (
                  <Bands
                    bands={layout.bands[at as 0 | 1]}
                    height={layout.height}
                    hueOf={names.hue}
                    describe={(band) =>
                      `${names.tenant(band.tenant)}, ${names.of(columns[at] ?? 'tenant', band.from)} to ${names.of(columns[at + 1] ?? 'name', band.to)}: ${plural(band.requests, 'request')}`
                    }
                  />
                )}
              </div>
            ))}
          </div>
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
  of: (column: Column, id: string) => string
  /** What kind of name it is, in small print. */
  kind: (column: Column, id: string) => string
}

function useFlowNames(routeOf: ReadonlyMap<string, string>): FlowNames {
  const tenants = useTenantNames()
  const engines = new Map(useEngines().data?.map(({ id, name }) => [id, name]))
  const tenant = (id: string) => (id === OTHERS ? 'all others' : (tenants.get(id)?.name ?? id))
  return {
    tenant,
    hue: (id) => tenants.get(id)?.hue ?? -1,
    of: (column, id) => {
      if (id === OTHERS) return 'all others'
      if (id === NOBODY) return 'no engine'
      if (column === 'tenant') return tenant(id)
      if (column === 'name') return id
      return id.startsWith('rented ') ? id.slice('rented '.length) : (engines.get(id) ?? id)
    },
    kind: (column, id) => {
      if (column === 'answer') return id.startsWith('rented ') ? 'rented' : ''
      if (column !== 'name' || id === OTHERS) return ''
      const route = routeOf.get(id)
      if (route === undefined) return 'no route'
      return route === id ? 'route' : `alias of ${route}`
    },
  }
}

/** Height that a name and its figures need, pixels. */
const TWO_LINES = 34

const alignments: Record<Column, string> = {
  tenant: 'text-right',
  name: 'text-center',
  answer: '',
}
const looks: Record<Column, string> = {
  tenant: 'flex-row-reverse',
  name: 'justify-center rounded-[4px] bg-sunk px-1.5',
  answer: '',
}

interface NodesProps {
  column: Column
  nodes: readonly FlowNode[]
  height: number
  names: FlowNames
}

function Nodes({ column, nodes, height, names }: NodesProps) {
  return (
    <section aria-label={titles[column]} className={alignments[column]}>
      <h3 className="mb-1.5 text-[0.75rem] text-soft">{titles[column]}</h3>
      <ul className="relative" style={{ height }}>
        {nodes.map((node) => {
          const { id, top, height: own, requests, cut } = node
          const name = names.of(column, id)
          const kind = names.kind(column, id)
          const early = cut === 0 ? '' : `, ${count(cut)} of them ended early`
          return (
            <li
              key={id}
              title={`${name}: ${plural(requests, 'request')}${early}`}
              style={{ top, height: own, ...hueStyle(names.hue(id)) }}
              className={`tenant absolute inset-x-0 flex items-center gap-2 ${looks[column]}`}
            >
              {column !== 'name' && (
                <i
                  aria-hidden
                  className={`h-full w-1 shrink-0 rounded-[2px] ${column === 'tenant' ? 'bg-tenant' : 'bg-edge'}`}
                />
              )}
              <span className="min-w-0 leading-tight">
                <span className="block truncate text-[0.8rem] font-[560]">
                  {name}
                  {own < TWO_LINES && (
                    <span className="ml-1.5 text-[0.72rem] font-normal text-soft tabular-nums">
                      {count(requests)}
                    </span>
                  )}
                </span>
                {own >= TWO_LINES && (
                  <span className="block truncate text-[0.72rem] text-soft tabular-nums">
                    {count(requests)}
                    {kind === '' ? '' : ` · ${kind}`}
                    {cut > 0 && <span className="text-bad"> · {count(cut)} early</span>}
                  </span>
                )}
              </span>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

interface BandsProps {
  bands: readonly FlowBand[]
  height: number
  hueOf: (tenant: string) => number
  describe: (band: FlowBand) => string
}

function Bands({ bands, height, hueOf, describe }: BandsProps) {
  return (
    <svg
      aria-hidden
      viewBox={`0 0 100 ${height}`}
      preserveAspectRatio="none"
      className="mt-[1.53rem] w-full"
      style={{ height }}
    >
      {bands.map((band) => (
        <path
          key={`${band.tenant} ${band.from} ${band.to}`}
          d={pathOf(band)}
          style={hueStyle(hueOf(band.tenant))}
          className="tenant fill-tenant/35 hover:fill-tenant/60"
        >
          <title>{describe(band)}</title>
        </path>
      ))}
    </svg>
  )
}

function pathOf({ fromTop, fromHeight, toTop, toHeight }: FlowBand): string {
  const [a, b] = [fromTop, fromTop + Math.max(1, fromHeight)]
  const [c, d] = [toTop, toTop + Math.max(1, toHeight)]
  return `M0,${a} C50,${a} 50,${c} 100,${c} L100,${d} C50,${d} 50,${b} 0,${b} Z`
}
