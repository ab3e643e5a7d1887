/** Every tenant in its worst hour, under each arrangement: first tokens and waiting. */
import { lazy, Suspense } from 'react'
import type { PlanArrangement, PlanReport, PlanTenant } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import {
  cellClass,
  headClass,
  leadCellClass,
  NOTHING,
  numberCellClass,
  rowClass,
  tableClass,
} from '../parts/table-looks.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { count, duration, promised } from '../units.ts'
import { arrangementWords } from './plan-words.ts'

const TailsChart = lazy(() => import('./tails-chart.tsx'))

export interface TenantLook {
  name: string
  hue: number
}

interface TenantsProps {
  report: PlanReport
  lookOf: (tenant: string) => TenantLook
}

/** A tenant under all arrangements, in their order. */
export interface TenantTails {
  tenant: string
  requests: number
  engines: number | null
  tails: (PlanTenant | undefined)[]
}

const DRAWN_MAX = 12
/** Rows of the table that are always there; more are in the exports. */
const ROWS_MAX = 50

export function PlanTenants({ report, lookOf }: TenantsProps) {
  const { arrangements, promise } = report
  const tenants = tailsOf(arrangements)
  const drawn = tenants.slice(0, DRAWN_MAX)
  const legend = ['bg-(--soft)', 'bg-(--grain-1)', 'hatched border [--tenant:var(--grain-1)]']
  return (
    <Card
      title="First tokens, tenant by tenant"
      note={`p99 in the worst hour of each${tenants.length > DRAWN_MAX ? `, the ${DRAWN_MAX} slowest of ${tenants.length} drawn` : ''}`}
      actions={<TenantsExport arrangements={arrangements} lookOf={lookOf} />}
    >
      <div className="relative h-[220px]">
        <Suspense fallback={null}>
          <TailsChart
            names={drawn.map(({ tenant }) => lookOf(tenant).name)}
            tails={drawn.map(({ tails }) => tails.map((tail) => tail?.ttftP99Ms ?? null))}
            promiseMs={promise.ttftP99Ms}
          />
        </Suspense>
      </div>
      <p className="mt-2 mb-4 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        {arrangements.map(({ kind }, at) => (
          <span key={kind} className="inline-flex items-center gap-1.5">
            <i aria-hidden className={`inline-block size-2.5 rounded-[3px] ${legend[at] ?? ''}`} />
            {arrangementWords[kind].name.toLowerCase()}
          </span>
        ))}
        <span className="ml-auto">dashed = promised, {promised(promise.ttftP99Ms)}</span>
      </p>
      <TenantsTable rows={tenants.slice(0, ROWS_MAX)} report={report} lookOf={lookOf} />
      {tenants.length > ROWS_MAX && (
        <p className="mt-2 text-[0.78rem] text-soft">
          {count(tenants.length - ROWS_MAX)} quicker tenants are in the exports.
        </p>
      )}
    </Card>
  )
}

/** The slowest in the pool first. */
function tailsOf(arrangements: readonly PlanArrangement[]): TenantTails[] {
  const [own, pooled] = arrangements
  const maps = arrangements.map(
    ({ tenants }) => new Map(tenants.map((tenant) => [tenant.tenant, tenant])),
  )
  const slowness = ({ tenant }: PlanTenant) =>
    pooled?.tenants.find((one) => one.tenant === tenant)?.ttftP99Ms ?? 0
  return (own?.tenants ?? [])
    .toSorted((a, b) => slowness(b) - slowness(a))
    .map(({ tenant, requests, engines }) => ({
      tenant,
      requests,
      engines,
      tails: maps.map((map) => map.get(tenant)),
    }))
}

function TenantsTable({ rows, report, lookOf }: TenantsProps & { rows: readonly TenantTails[] }) {
  const { arrangements, promise } = report
  const heads = [
    { title: 'Requests', note: 'That people wait for; background is not judged by first tokens' },
    { title: 'Own engines', note: 'Fewest that keep the promise for this tenant alone' },
    ...arrangements.map(({ kind }) => ({
      title: `First token, ${shortNames[kind]}`,
      note: 'Median · p99 in its worst hour',
    })),
    ...arrangements.map(({ kind }) => ({
      title: `Waiting, ${shortNames[kind]}`,
      note: 'Time in the queue of the gateway, median · p99 in its worst hour',
    })),
  ]
  return (
    <div className="slim-scroll md:overflow-x-auto">
      <table className={tableClass}>
        <thead className={headClass}>
          <tr>
            <th scope="col" className={cellClass}>
              Tenant
            </th>
            {heads.map(({ title, note }) => (
              <th key={title} scope="col" title={note} className={numberCellClass}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="block md:table-row-group">
          {rows.map(({ tenant, requests, engines, tails }) => {
            const cells = [
              requests === 0 ? 'background only' : count(requests),
              engines === null ? NOTHING : count(engines),
              ...tails.map((tail) => pair(tail, 'ttftP50Ms', 'ttftP99Ms', promise.ttftP99Ms)),
              ...tails.map((tail) => pair(tail, 'waitP50Ms', 'waitP99Ms')),
            ]
            return (
              <tr key={tenant} className={rowClass}>
                <th scope="row" className={leadCellClass}>
                  <TenantName {...lookOf(tenant)} />
                </th>
                {heads.map(({ title }, at) => (
                  <td
                    key={title}
                    data-label={title}
                    className={`${numberCellClass} ${cells[at] === NOTHING ? 'max-md:hidden!' : ''}`}
                  >
                    {cells[at]}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

const shortNames = { dedicated: 'own', pooled: 'pool', pooled_with_batch: 'with batch' } as const

type Figure = 'ttftP50Ms' | 'ttftP99Ms' | 'waitP50Ms' | 'waitP99Ms'

function pair(tail: PlanTenant | undefined, half: Figure, most: Figure, promiseMs?: number) {
  if (tail === undefined || tail.requests === 0) return NOTHING
  const isLate = promiseMs !== undefined && tail[most] > promiseMs
  return (
    <span className="whitespace-nowrap">
      <span className="text-soft">{duration(tail[half])} · </span>
      <span className={isLate ? 'font-[580] text-bad' : ''}>{duration(tail[most])}</span>
    </span>
  )
}

interface ExportProps {
  arrangements: readonly PlanArrangement[]
  lookOf: (tenant: string) => TenantLook
}

function TenantsExport({ arrangements, lookOf }: ExportProps) {
  const header = [
    'Arrangement',
    'Tenant',
    'Own engines',
    'Requests',
    'First token p50 ms',
    'First token p99 ms',
    'Waiting p50 ms',
    'Waiting p99 ms',
  ]
  const rows = () =>
    arrangements.flatMap(({ kind, tenants }) =>
      tenants.map((one) => [
        arrangementWords[kind].name,
        lookOf(one.tenant).name,
        one.engines,
        one.requests,
        one.ttftP50Ms,
        one.ttftP99Ms,
        one.waitP50Ms,
        one.waitP99Ms,
      ]),
    )
  return <ExportButton name="plan-tenants" header={header} rows={rows} />
}
