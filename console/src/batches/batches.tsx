/** Work that may wait: every batch with how far it is, how fast it goes and when it should end. */
import { useSearchParams } from 'wouter'
import type { BatchView } from '../api/contract.ts'
import { usePaged, useTenantNames } from '../api/lists.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { DataTable } from '../parts/data-table.tsx'
import { controlClass } from '../parts/field.tsx'
import { NextPage } from '../parts/next-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantFilter, withParameter } from '../parts/tenant-filter.tsx'
import { batchColumns } from './batch-columns.tsx'
import { listSentence, statusWords } from './batch-sentences.ts'
import { MakeOne } from './make-one.tsx'

const REFRESH_MS = 2000

export default function Batches() {
  const [search] = useSearchParams()
  const filter = {
    tenant: search.get('tenant') ?? undefined,
    status: search.get('status') ?? undefined,
  }
  const list = usePaged<BatchView>('/api/batches', filter, { refetchMs: REFRESH_MS })
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const names = useTenantNames()
  const isFiltered = filter.tenant !== undefined || filter.status !== undefined
  const nowMs = Date.now()
  return (
    <>
      <PageHead
        sentence={listSentence(rows, isFiltered, nowMs)}
        isLost={rows === undefined && list.error !== null}
        context="Batches fill what interactive work leaves free. A line that has its answer keeps it, whatever happens after."
        aside={
          <>
            <StatusFilter />
            <TenantFilter />
          </>
        }
      />
      <DataTable
        title="Batches"
        note="newest first, refreshed every 2 s"
        name="batches"
        columns={batchColumns((id) => names.get(id), nowMs)}
        rows={rows}
        rowId={({ id }) => id}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={isFiltered ? 'Another tenant or status may have some.' : <MakeOne />}
        footer={
          <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
            <CliCommand command={'gristmill batch list'} />
            <NextPage list={list}>Older batches</NextPage>
          </div>
        }
      />
    </>
  )
}

function StatusFilter() {
  const [search, setSearch] = useSearchParams()
  return (
    <select
      aria-label="Status"
      value={search.get('status') ?? ''}
      onChange={(event) =>
        setSearch(withParameter('status', event.target.value), { replace: true })
      }
      className={`${controlClass} w-auto!`}
    >
      <option value="">Every status</option>
      {Object.entries(statusWords).map(([name, { words }]) => (
        <option key={name} value={name}>
          {words}
        </option>
      ))}
    </select>
  )
}
