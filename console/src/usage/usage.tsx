/** What was used, by whom: figures, chart and table, all of the same span and filter. */
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useSearchParams } from 'wouter'
import type { UsageRow } from '../api/contract.ts'
import { address, getAll, useTenantNames } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { linkButtonClass } from '../parts/button.tsx'
import { controlClass } from '../parts/field.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter, withParameter } from '../parts/tenant-filter.tsx'
import { unitsOf } from '../requests/ends.ts'
import { compact, percent, plural } from '../units.ts'
import { UsageChart } from './usage-chart.tsx'
import { UsageFigures } from './usage-figures.tsx'
import { boundsOf, chartGroupsOf, type Span, spans, usageViewOf } from './usage-query.ts'
import { seriesOf } from './usage-series.ts'
import { UsageTable } from './usage-table.tsx'

const REFRESH_MS = 30_000

export default function Usage() {
  const [search, setSearch] = useSearchParams()
  const view = usageViewOf(search)
  const { span, by, tenant, key, model } = view
  const { from, to } = boundsOf(span, Date.now())
  const filter = { from, to, tenant, key, model }
  const load = (groupBy: string) => ({
    queryKey: ['/api/usage', groupBy, filter],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      getAll<UsageRow>('/api/usage', { ...filter, groupBy }, signal),
    refetchInterval: REFRESH_MS,
  })
  const sums = useQuery(load('tenant'))
  const table = useQuery(load(by === 'tenant' ? 'tenant' : `tenant,${by}`))
  const chart = useQuery({
    ...load(chartGroupsOf(span, sums.data?.length ?? 0)),
    enabled: sums.data !== undefined,
  })
  const names = useTenantNames()
  const series = useMemo(() => chart.data && seriesOf(chart.data, from, to), [chart.data, from, to])
  return (
    <>
      <PageHead
        sentence={sentence(sums.data, span, (id) => names.get(id)?.name ?? id)}
        isLost={sums.data === undefined && sums.error !== null}
        context="Settled work only. A service unit is one uncached input token; an output token is two."
        aside={
          <>
            <select
              aria-label="Span"
              value={span}
              onChange={(event) =>
                setSearch(withParameter('span', event.target.value), { replace: true })
              }
              className={`${controlClass} w-auto!`}
            >
              {(Object.keys(spans) as Span[]).map((one) => (
                <option key={one} value={one}>
                  {spans[one].words}
                </option>
              ))}
            </select>
            <TenantFilter />
            <a
              className={linkButtonClass}
              href={address('/api/usage', {
                ...filter,
                groupBy: by === 'tenant' ? 'hour,tenant' : `hour,tenant,${by}`,
                format: 'csv',
              })}
              download
              title="Every hour of this span, as it is on the ledger"
            >
              Hourly CSV
            </a>
          </>
        }
      />
      <div className="grid gap-4">
        <UsageFigures
          rows={sums.data}
          isLost={sums.error !== null}
          span={spans[span].words}
          currency={useSignedIn().session.currency}
        />
        <UsageChart
          series={series}
          tenantOf={(id) => names.get(id)}
          error={sums.error ?? chart.error}
          onRetry={() => void (sums.data === undefined ? sums : chart).refetch()}
        />
        <UsageTable
          view={view}
          rows={table.data}
          error={table.error}
          onRetry={() => void table.refetch()}
        />
      </div>
    </>
  )
}

function sentence(
  rows: readonly UsageRow[] | undefined,
  span: Span,
  nameOf: (id: string) => string,
): string {
  if (rows === undefined) return 'Adding up the ledger.'
  const total = rows.reduce((sum, row) => sum + unitsOf(row), 0)
  const words = spans[span].words
  if (total === 0) return `Nothing was used in the ${words}.`
  const byTenant = new Map<string, number>()
  for (const row of rows) {
    const id = row.tenantId ?? ''
    byTenant.set(id, (byTenant.get(id) ?? 0) + unitsOf(row))
  }
  const [most] = [...byTenant].sort((a, b) => b[1] - a[1])
  const used = `${compact(total)} service units in the ${words}`
  if (most === undefined || byTenant.size === 1) return `${nameOf(most?.[0] ?? '')} used ${used}.`
  const share = percent(most[1] / total)
  return `${plural(byTenant.size, 'tenant')} used ${used}; ${nameOf(most[0])} the most, ${share}.`
}
