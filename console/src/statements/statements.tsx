/** Closed periods: statements and credit notes, closing one more, and taking one back. */
import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { useChange } from '../api/changes.ts'
import type { StatementView } from '../api/contract.ts'
import { usePaged, useTenantNames } from '../api/lists.ts'
import { useMay, useMayOfAll } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { NextPage } from '../parts/next-page.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { PageHead } from '../parts/page-head.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { TenantFilter } from '../parts/tenant-filter.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { plural } from '../units.ts'
import { CloseForm } from './close-form.tsx'
import { periodInWords } from './period-words.ts'

export default function Statements() {
  const [search] = useSearchParams()
  const tenant = search.get('tenant') ?? undefined
  const list = usePaged<StatementView>('/api/statements', { tenant })
  const rows = list.data?.pages.flatMap((page) => page.rows)
  const mayClose = useMay('ledger:close')
  const mayReadBills = useMayOfAll('costs:read')
  const [isClosing, setClosing] = useState(false)
  const [reopening, setReopening] = useState<StatementView | null>(null)
  const columns = useColumns()
  if (mayClose) columns.push(reopenColumn(setReopening))
  return (
    <>
      <PageHead
        sentence={sentence(rows, list.hasNextPage)}
        isLost={rows === undefined && list.error !== null}
        context={
          <>
            What is billed, numbered without gaps and never changed; each holds the hash of the one
            before it and is signed.
            {mayReadBills && (
              <>
                {' '}
                <Link href="/statements/bills" className="text-accent hover:underline">
                  Bills of services
                </Link>{' '}
                are compared with the ledger first.
              </>
            )}
          </>
        }
        aside={
          <>
            <TenantFilter />
            {mayClose && (
              <Button look="main" onClick={() => setClosing(true)}>
                Close a period
              </Button>
            )}
          </>
        }
      />
      <DataTable
        title="Statements and credit notes"
        note="the newest first; periods are of UTC"
        name="statements"
        columns={columns}
        rows={rows}
        rowId={({ number }) => String(number)}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty="Statements appear here once a period is closed: one for each tenant, to be printed or kept."
        footer={
          <>
            <NextPage list={list} isAlone>
              Older ones
            </NextPage>
            <CliCommand className="mt-3" command="gristmill ledger verify" />
          </>
        }
      />
      <Dialog title="Close a period" isOpen={isClosing} onClose={() => setClosing(false)}>
        <CloseForm onClose={() => setClosing(false)} />
      </Dialog>
      <Dialog
        title={`Take statement ${reopening?.number ?? ''} back`}
        isOpen={reopening !== null}
        onClose={() => setReopening(null)}
      >
        {reopening !== null && (
          <ReopenForm statement={reopening} onClose={() => setReopening(null)} />
        )}
      </Dialog>
    </>
  )
}

function sentence(rows: readonly StatementView[] | undefined, hasMore: boolean): string {
  if (rows === undefined) return 'Looking up the statements.'
  const [newest] = rows
  if (newest === undefined) return 'No period is closed yet.'
  const standing = rows.filter(({ kind, correctedBy }) => kind === 'statement' && !correctedBy)
  const many = `${hasMore ? 'Of the newest, ' : ''}${plural(standing.length, 'statement stands', 'statements stand')}`
  return `${many}; the last is number ${newest.number}, of ${periodInWords(newest)}.`
}

function useColumns(): Column<StatementView>[] {
  const names = useTenantNames()
  return [
    {
      title: 'Number',
      show: ({ number, kind }) => (
        <a
          href={`/api/statements/${number}?format=html`}
          target="_blank"
          rel="noreferrer"
          title="The page that is made to be printed, also to PDF"
          className="text-accent underline-offset-2 hover:underline"
        >
          {kind === 'statement' ? `Statement ${number}` : `Credit note ${number}`}
        </a>
      ),
      csv: ({ number }) => number,
    },
    {
      title: 'Tenant',
      show: ({ tenantId, tenantName }) => (
        <TenantName name={tenantName} hue={names.get(tenantId)?.hue ?? -1} />
      ),
      csv: ({ tenantName }) => tenantName,
    },
    { title: 'Period', show: periodInWords, csv: ({ fromAt, toAt }) => `${fromAt} ${toAt}` },
    {
      title: 'Total',
      note: 'Rounded here; exact on the page and in the CSV',
      show: ({ total, currency }) => <span title={total}>{money(nanosOf(total), currency)}</span>,
      csv: ({ total }) => total,
      isNumber: true,
    },
    { title: 'State', show: stateInWords, csv: stateInWords },
    {
      title: 'Hash',
      note: 'SHA-256 over the hash before it and the document',
      show: ({ hash }) => <code className="font-mono text-[0.75rem]">{hash.slice(0, 12)}</code>,
      csv: ({ hash }) => hash,
    },
    {
      title: '',
      show: ({ number }) => (
        <a
          href={`/api/statements/${number}?format=csv`}
          download
          className="text-[0.78rem] text-accent underline-offset-2 hover:underline"
        >
          CSV
        </a>
      ),
      isNumber: true,
    },
  ]
}

function stateInWords({ kind, corrects, correctedBy }: StatementView): string {
  if (kind === 'credit_note') return `takes ${corrects} back`
  return correctedBy === null ? 'stands' : `taken back by ${correctedBy}`
}

const reopenColumn = (onReopen: (row: StatementView) => void): Column<StatementView> => ({
  title: ' ',
  show: (row) =>
    row.kind === 'statement' && row.correctedBy === null ? (
      <RowButton onClick={() => onReopen(row)}>Take back</RowButton>
    ) : null,
  isNumber: true,
})

function ReopenForm({ statement, onClose }: { statement: StatementView; onClose: () => void }) {
  const { number, tenantName } = statement
  const save = useChange(['/api/statements'], onClose)
  const [reason, setReason] = useState('')
  const submit = (form: FormData) =>
    save.mutate({
      method: 'POST',
      path: `/api/statements/${number}/reopen`,
      body: { reason: textOf(form, 'reason') },
    })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <p className="text-soft">
        A credit note to {tenantName} takes the whole statement back; it stays as it is. After that{' '}
        {periodInWords(statement)} can be closed again.
      </p>
      <Field
        label="Why"
        name="reason"
        required
        maxLength={500}
        hint="It stands on the credit note."
        onChange={(event) => setReason(event.target.value)}
        data-first
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill ledger reopen ${number} --reason ${shellWord(reason || '…')}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Keep it</Button>
        <Button look="danger" type="submit" disabled={save.isPending}>
          Take it back
        </Button>
      </div>
    </form>
  )
}
