/** Usage by tenant, project, key, model or class. */
import { Link, useSearchParams } from 'wouter'
import type { UsageRow } from '../api/contract.ts'
import { keyName } from '../api/key-names.ts'
import { address, useKeys, useTenantNames } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { ClassTag } from '../parts/class-tag.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { CutNote } from '../parts/cut-note.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { money } from '../parts/money.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { unitsOf } from '../requests/ends.ts'
import { compact, count, duration, percent } from '../units.ts'
import { useProjectNames } from './project-names.ts'
import { boundsOf, type Grouping, groupings, type UsageView } from './usage-query.ts'

export interface UsageTableProps {
  view: UsageView
  rows: readonly UsageRow[] | undefined
  error: unknown
  onRetry: () => void
}

export function UsageTable({ view, rows, error, onRetry }: UsageTableProps) {
  const [, setSearch] = useSearchParams()
  const { by } = view
  const sorted = rows?.toSorted((a, b) => unitsOf(b) - unitsOf(a))
  const total = sorted?.reduce((sum, row) => sum + unitsOf(row), 0) ?? 0
  return (
    <DataTable
      title={`By ${by}`}
      note={
        <span className="inline-flex flex-wrap gap-x-3">
          {groupings.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === by}
              onClick={() =>
                setSearch(withParameter('by', one === 'tenant' ? '' : one), { replace: true })
              }
              className={one === by ? 'font-[580] text-ink' : 'text-accent hover:underline'}
            >
              {one}
            </button>
          ))}
        </span>
      }
      name={`usage-by-${by}`}
      columns={[
        ...useLeadColumns(by),
        ...sumColumns(total),
        ...chargeColumns(useSignedIn().session.currency, sorted),
        ...hitColumns(sorted),
        ...rentedColumns(sorted),
      ]}
      rows={sorted}
      rowId={({ tenantId, projectId, keyId, model, serviceClass }) =>
        [tenantId, projectId, keyId, model, serviceClass].join()
      }
      error={error}
      onRetry={onRetry}
      empty="Usage appears here as soon as the first request has been settled."
      footer={
        <>
          <CutNote rows={rows} all="the hourly CSV" />
          <CliCommand className="mt-3" command={commandOf(view)} />
        </>
      }
    />
  )
}

function commandOf({ span, by, tenant }: UsageView): string {
  const from = span === 'day' ? '' : ` --from ${boundsOf(span, Date.now()).from.slice(0, 10)}`
  const only = tenant === undefined ? '' : ` --tenant ${tenant}`
  return `gristmill usage --by ${by === 'tenant' ? 'tenant' : `tenant,${by}`}${from}${only} --csv`
}

/** What the rows are about; each leads to its requests. */
function useLeadColumns(by: Grouping): Column<UsageRow>[] {
  const tenants = useTenantNames()
  const keys = useKeys(undefined, by === 'key').data
  const projects = useProjectNames(by === 'project' ? [...tenants.keys()] : [])
  const tenant: Column<UsageRow> = {
    title: 'Tenant',
    show: ({ tenantId }) => {
      const found = tenants.get(tenantId ?? '')
      return (
        <Link href={`/requests?tenant=${tenantId}`} className="hover:underline">
          <TenantName name={found?.name ?? tenantId ?? ''} hue={found?.hue ?? -1} />
        </Link>
      )
    },
    csv: ({ tenantId }) => tenants.get(tenantId ?? '')?.name ?? tenantId,
  }
  const nameOf = (row: UsageRow) => {
    if (by === 'project') return projects.get(row.projectId ?? '') ?? row.projectId ?? ''
    if (by === 'model') return row.model ?? ''
    return keyName(row.keyId ?? '', keys)
  }
  if (by === 'tenant') return [tenant]
  if (by === 'class') {
    return [
      tenant,
      {
        title: 'Class',
        note: 'As which it was served',
        show: ({ serviceClass }) => serviceClass && <ClassTag name={serviceClass} />,
        csv: ({ serviceClass }) => serviceClass,
      },
    ]
  }
  const title = { project: 'Project', key: 'Key', model: 'Model' }[by]
  const linked = (row: UsageRow) => {
    const of = (grouping: Grouping, value: string | null) =>
      by === grouping ? (value ?? undefined) : undefined
    const query = { key: of('key', row.keyId), model: of('model', row.model) }
    return (
      <Link
        href={address('/requests', { tenant: row.tenantId ?? undefined, ...query })}
        className="hover:underline"
      >
        {nameOf(row)}
      </Link>
    )
  }
  return [tenant, { title, show: linked, csv: nameOf }]
}

function sumColumns(total: number): Column<UsageRow>[] {
  return [
    {
      title: 'Units',
      note: 'Service units: uncached input tokens + 2 × output tokens',
      show: (row) => compact(unitsOf(row)),
      csv: unitsOf,
      isNumber: true,
    },
    {
      title: 'Share',
      note: 'Of all service units shown',
      show: (row) => (total === 0 ? '–' : percent(unitsOf(row) / total, 1)),
      csv: (row) => (total === 0 ? null : unitsOf(row) / total),
      isNumber: true,
    },
    {
      title: 'Requests',
      show: ({ requests }) => count(requests),
      csv: ({ requests }) => requests,
      isNumber: true,
    },
    {
      title: 'Ended early',
      note: 'Cut or recovered',
      show: ({ cut, recovered }) => count(cut + recovered),
      csv: ({ cut, recovered }) => cut + recovered,
      isNumber: true,
    },
    {
      title: 'In',
      note: 'Prompt tokens',
      show: ({ inputTokens }) => compact(inputTokens),
      csv: ({ inputTokens }) => inputTokens,
      isNumber: true,
    },
    {
      title: 'Cached',
      note: 'Prompt tokens that came out of a prefix cache',
      show: ({ cachedTokens }) => compact(cachedTokens),
      csv: ({ cachedTokens }) => cachedTokens,
      isNumber: true,
    },
    {
      title: 'Out',
      note: 'Output tokens',
      show: ({ outputTokens }) => compact(outputTokens),
      csv: ({ outputTokens }) => outputTokens,
      isNumber: true,
    },
    {
      title: 'Mean wait',
      note: 'Time in the queue ÷ requests',
      show: ({ queueMs, requests }) => (requests === 0 ? '–' : duration(queueMs / requests)),
      csv: ({ queueMs, requests }) => (requests === 0 ? null : queueMs / requests),
      isNumber: true,
    },
  ]
}

/** What is charged; no column where nothing has a price. */
function chargeColumns(currency: string, rows: readonly UsageRow[] = []): Column<UsageRow>[] {
  if (rows.every(({ requests, unpriced }) => requests === unpriced)) return []
  return [
    {
      title: 'Charged',
      note: `In ${currency}, by the prices that held when the requests came`,
      show: ({ chargeNanos, unpriced }) =>
        unpriced === 0
          ? money(BigInt(chargeNanos))
          : `${money(BigInt(chargeNanos))} (${count(unpriced)} without a price)`,
      csv: ({ chargeNanos }) => exact(chargeNanos),
      isNumber: true,
    },
  ]
}

/** Every digit. */
const exact = (nanos: string) => nanos.padStart(10, '0').replace(/(\d{9})$/, '.$1')

/** What the response cache answered; no columns where it answered nothing. */
function hitColumns(rows: readonly UsageRow[] = []): Column<UsageRow>[] {
  if (rows.every(({ hits }) => hits === 0)) return []
  const tokensOf = ({ hitInputTokens, hitOutputTokens }: UsageRow) =>
    hitInputTokens + hitOutputTokens
  return [
    {
      title: 'Hits',
      note: 'Requests that the response cache answered',
      show: ({ hits }) => count(hits),
      csv: ({ hits }) => hits,
      isNumber: true,
    },
    {
      title: 'Saved',
      note: 'Tokens of those answers, for which no engine worked',
      show: (row) => compact(tokensOf(row)),
      csv: tokensOf,
      isNumber: true,
    },
  ]
}

/** What rented targets of routes served; no columns where they served nothing. */
function rentedColumns(rows: readonly UsageRow[] = []): Column<UsageRow>[] {
  if (rows.every(({ rented }) => rented === 0)) return []
  return [
    {
      title: 'Rented',
      note: 'Requests that rented targets of a route served',
      show: ({ rented }) => count(rented),
      csv: ({ rented }) => rented,
      isNumber: true,
    },
    {
      title: 'Spent',
      note: 'What they cost, in the unit of the routes’ prices',
      show: ({ spendNanos }) => money(BigInt(spendNanos)),
      csv: ({ spendNanos }) => spendNanos / 1e9,
      isNumber: true,
    },
  ]
}
