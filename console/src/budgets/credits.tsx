/** Prepaid credit: the rows that make it, and adding one. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { newKey, useChange } from '../api/changes.ts'
import type { CreditView } from '../api/contract.ts'
import { usePaged, useTenantNames, useTenants } from '../api/lists.ts'
import { useMay, useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { money, nanosOf } from '../parts/money.ts'
import { NextPage } from '../parts/next-page.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { moment } from '../units.ts'

const PATH = '/api/credits'

export function CreditsCard({ tenant }: { tenant: string | undefined }) {
  const list = usePaged<CreditView>(PATH, { tenant })
  const mayWrite = useMay('budgets:write')
  const [isNew, setNew] = useState(false)
  return (
    <>
      <DataTable
        title="Prepaid credit"
        note="what was paid in and back, the newest first"
        name="credits"
        columns={useColumns()}
        rows={list.data?.pages.flatMap((page) => page.rows)}
        rowId={({ id }) => id}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty="Rows appear here. Once a tenant has any, it is let in as far as what it has paid goes."
        footer={
          <div className="mt-3 flex flex-wrap justify-between gap-3">
            {mayWrite && (
              <Button onClick={() => setNew(true)}>
                <Plus size={15} aria-hidden /> New row
              </Button>
            )}
            <NextPage list={list}>Older ones</NextPage>
          </div>
        }
      />
      <Dialog title="New row of credit" isOpen={isNew} onClose={() => setNew(false)}>
        <NewCredit tenantId={tenant} onClose={() => setNew(false)} />
      </Dialog>
    </>
  )
}

const kindWords: Record<CreditView['kind'], string> = {
  top_up: 'paid in',
  refund: 'paid back',
  correction: 'correction',
}

function useColumns(): Column<CreditView>[] {
  const names = useTenantNames()
  const nameOf = (id: string) => names.get(id)?.name ?? id
  return [
    { title: 'At', show: ({ at }) => moment(at), csv: ({ at }) => at },
    {
      title: 'Tenant',
      show: ({ tenantId }) => (
        <TenantName name={nameOf(tenantId)} hue={names.get(tenantId)?.hue ?? -1} />
      ),
      csv: ({ tenantId }) => nameOf(tenantId),
    },
    { title: 'What', show: ({ kind }) => kindWords[kind], csv: ({ kind }) => kind },
    {
      title: 'Amount',
      note: 'By how much the tenant has more',
      show: ({ amount, currency }) => money(nanosOf(amount), currency),
      csv: ({ amount }) => amount,
      isNumber: true,
    },
    { title: 'Note', show: ({ note }) => note, csv: ({ note }) => note },
    { title: 'By', show: ({ actor }) => actor, csv: ({ actor }) => actor },
  ]
}

/** In the API, its words, and the command that does the same. */
const kinds = {
  add: ['top_up', 'paid in'],
  refund: ['refund', 'paid back'],
  more: ['correction', 'correction: more'],
  less: ['correction', 'correction: less'],
} as const
type Kind = keyof typeof kinds

function NewCredit({ tenantId, onClose }: { tenantId: string | undefined; onClose: () => void }) {
  const save = useChange([PATH, '/api/budgets'], onClose)
  const tenants = useTenants().data ?? []
  const { currency } = useSignedIn().session
  const [command, setCommand] = useState('gristmill credit add')
  // One for what the form is opened for, so that pressing again after silence books nothing twice.
  const [key] = useState(newKey)
  const given = (form: FormData) => {
    const kind = textOf(form, 'kind') as Kind
    const [amount, note, id] = ['amount', 'note', 'tenantId'].map((name) => textOf(form, name))
    return { kind, amount: amount ?? '', note: note ?? '', tenantId: id ?? '' }
  }
  const submit = (form: FormData) => {
    const { kind, amount, ...rest } = given(form)
    const signed = kind === 'less' ? `-${amount}` : amount
    const body = { ...rest, kind: kinds[kind][0], amount: signed }
    save.mutate({ method: 'POST', path: PATH, body, key })
  }
  const tell = (form: FormData) => {
    const { kind, amount, note, tenantId: id } = given(form)
    const name = tenants.find((one) => one.id === id)?.name ?? ''
    const verb = kinds[kind][0] === 'correction' ? 'correct' : kind
    const words = ['gristmill credit', verb, shellWord(name), amount || '…']
    if (kind === 'less') words.push('--less')
    setCommand([...words, '--note', shellWord(note || '…')].join(' '))
  }
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      <div className="grid grid-cols-2 gap-3">
        <Choice label="Tenant" name="tenantId" defaultValue={tenantId}>
          {tenants.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Choice>
        <Choice label="What" name="kind">
          {Object.entries(kinds).map(([kind, [, words]]) => (
            <option key={kind} value={kind}>
              {words}
            </option>
          ))}
        </Choice>
      </div>
      <Field
        label={`Amount, ${currency}`}
        name="amount"
        required
        inputMode="decimal"
        pattern="\d{1,9}(\.\d{1,9})?"
        data-first
      />
      <Field
        label="Note"
        name="note"
        required
        maxLength={200}
        hint="Such as the invoice, or which row was wrong; rows are never changed."
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Add
        </Button>
      </div>
    </form>
  )
}
