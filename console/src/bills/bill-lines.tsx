/** The lines of a bill: what differs, the requests behind a line, and booking a variance. */
import { useState } from 'react'
import { useSearchParams } from 'wouter'
import type { ReconciliationLineView, ReconciliationView } from '../api/contract.ts'
import { usePaged } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { controlClass } from '../parts/field.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { NextPage } from '../parts/next-page.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { NOTHING } from '../parts/table-looks.ts'
import { withParameter } from '../parts/tenant-filter.tsx'
import { count, moment } from '../units.ts'
import { classWords } from './class-words.ts'
import { LineRequests } from './line-requests.tsx'
import { VarianceForm } from './variance-form.tsx'

type Opened = { what: 'requests' | 'variance'; line: ReconciliationLineView } | null

export function BillLines({ of, currency }: { of: ReconciliationView; currency: string }) {
  const [search] = useSearchParams()
  const path = `/api/ledger/reconciliations/${of.id}/lines`
  const list = usePaged<ReconciliationLineView>(path, { class: search.get('class') ?? undefined })
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const mayBook = useMay('ledger:close')
  const [opened, setOpened] = useState<Opened>(null)
  const close = () => setOpened(null)
  return (
    <>
      <DataTable
        title={`Lines of ${of.source}, number ${of.id}`}
        note={`in ${currency}; differences above ${of.threshold} are to be booked`}
        name={`reconciliation-${of.id}`}
        columns={columnsOf(mayBook, setOpened)}
        rows={rows}
        rowId={({ line }) => String(line)}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty="No line is like that."
        head={<ClassFilter />}
        footer={
          <>
            <NextPage list={list} isAlone>
              More lines
            </NextPage>
            <CliCommand className="mt-3" command={`gristmill ledger differences ${of.id}`} />
          </>
        }
      />
      <Dialog
        title={opened?.what === 'variance' ? 'Book a variance' : 'Requests behind the line'}
        isOpen={opened !== null}
        onClose={close}
      >
        {opened?.what === 'requests' && (
          <LineRequests bill={of.id} line={opened.line} currency={currency} />
        )}
        {opened?.what === 'variance' && (
          <VarianceForm bill={of.id} line={opened.line} currency={currency} onClose={close} />
        )}
      </Dialog>
    </>
  )
}

function ClassFilter() {
  const [search, setSearch] = useSearchParams()
  return (
    <select
      aria-label="Which lines"
      value={search.get('class') ?? ''}
      onChange={(event) => setSearch(withParameter('class', event.target.value), { replace: true })}
      className={`${controlClass} mb-2 w-auto!`}
    >
      <option value="">All lines</option>
      {Object.entries(classWords).map(([name, { title, meaning }]) => (
        <option key={name} value={name}>{`${title}: ${meaning}`}</option>
      ))}
    </select>
  )
}

const amountOf = (side: { amount: string } | null) =>
  side === null ? NOTHING : <span title={side.amount}>{money(nanosOf(side.amount))}</span>

const tokensOf = (side: { tokens: number | null } | null) =>
  side?.tokens == null ? NOTHING : count(side.tokens)

function columnsOf(
  mayBook: boolean,
  open: (opened: Opened) => void,
): Column<ReconciliationLineView>[] {
  return [
    {
      title: 'Line',
      show: ({ day, model, key }) => `${day}, ${model}${key === '' ? '' : `@${key}`}`,
      csv: ({ day, model, key }) => `${day} ${model} ${key}`,
    },
    {
      title: 'What',
      show: (row) => <What line={row} />,
      csv: (row) => row.class,
    },
    {
      title: 'Tokens here',
      show: ({ ours }) => tokensOf(ours),
      csv: ({ ours }) => ours?.tokens,
      isNumber: true,
    },
    {
      title: 'Tokens billed',
      show: ({ theirs }) => tokensOf(theirs),
      csv: ({ theirs }) => theirs?.tokens,
      isNumber: true,
    },
    {
      title: 'Here',
      show: ({ ours }) => amountOf(ours),
      csv: ({ ours }) => ours?.amount,
      isNumber: true,
    },
    {
      title: 'Billed',
      show: ({ theirs }) => amountOf(theirs),
      csv: ({ theirs }) => theirs?.amount,
      isNumber: true,
    },
    {
      title: 'Difference',
      note: 'What was billed above what the ledger has; rounded here, exact in the CSV',
      show: ({ difference }) => amountOf({ amount: difference }),
      csv: ({ difference }) => difference,
      isNumber: true,
    },
    {
      title: ' ',
      show: (line) => (
        <span className="inline-flex gap-3">
          {line.ours !== null && (
            <RowButton onClick={() => open({ what: 'requests', line })}>Requests</RowButton>
          )}
          {mayBook && line.isBlocking && (
            <RowButton onClick={() => open({ what: 'variance', line })}>Book</RowButton>
          )}
        </span>
      ),
      isNumber: true,
    },
  ]
}

function What({ line }: { line: ReconciliationLineView }) {
  const { title, meaning } = classWords[line.class]
  const { variance, isBlocking } = line
  return (
    <span title={meaning}>
      {title}
      {isBlocking && <span className="text-warn">, keeps its day open</span>}
      {variance !== null && (
        <span className="text-soft" title={`${variance.actor}, ${moment(variance.at)}`}>
          , booked: {variance.reason}
        </span>
      )}
    </span>
  )
}
