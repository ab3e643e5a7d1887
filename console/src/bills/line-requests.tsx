/** The requests of the ledger that are behind a line of a bill. */
import { Link } from 'wouter'
import type { ReconciliationLineView, ReconciliationRequestView } from '../api/contract.ts'
import { usePaged, useTenantNames } from '../api/lists.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { NextPage } from '../parts/next-page.tsx'
import { count, plural } from '../units.ts'

interface LineRequestsProps {
  bill: number
  line: ReconciliationLineView
  currency: string
}

export function LineRequests({ bill, line, currency }: LineRequestsProps) {
  const path = `/api/ledger/reconciliations/${bill}/lines/${line.line}/requests`
  const list = usePaged<ReconciliationRequestView>(path, {})
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const names = useTenantNames()
  return (
    <div className="grid gap-3">
      <p className="text-soft">
        {`${line.day}, ${line.model}: ${plural(line.ours?.requests ?? 0, 'request')}, settled on that day (UTC).`}
      </p>
      {list.error !== null && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      {rows === undefined && list.error === null && <LoadingRows />}
      {rows?.length === 0 && <p className="text-soft">They were dropped with their month.</p>}
      <ul>
        {rows?.map(({ id, tenantId, tokens, amount }) => (
          <li
            key={id}
            className="flex flex-wrap justify-between gap-x-4 border-t py-1.5 text-[0.82rem]"
          >
            <Link href={`/requests/${id}`} className="font-mono text-accent hover:underline">
              {id}
            </Link>
            <span className="tabular-nums">
              {names.get(tenantId)?.name ?? tenantId}, {count(tokens)} tokens,{' '}
              <span title={amount}>{money(nanosOf(amount), currency)}</span>
            </span>
          </li>
        ))}
      </ul>
      <NextPage list={list}>More requests</NextPage>
      <CliCommand command={`gristmill ledger differences ${bill} --line ${line.line}`} />
    </div>
  )
}
