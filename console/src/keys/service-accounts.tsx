/** Accounts of programs: bound to a tenant, with keys or tokens, without a password. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ServiceAccountView } from '../api/contract.ts'
import { useServiceAccounts, useTenantNames, useTenants } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { CutNote } from '../parts/cut-note.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { RowButton } from '../parts/row-button.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { day } from '../units.ts'

const PATH = '/api/service-accounts'

export interface ServiceAccountsProps {
  tenantId?: string
  /** Asked for a key of one. */
  onKey: (account: ServiceAccountView) => void
}

export function ServiceAccounts({ tenantId, onKey }: ServiceAccountsProps) {
  const { data: accounts, error, refetch } = useServiceAccounts(tenantId)
  const names = useTenantNames()
  const mayWrite = useMay('keys:write')
  const [isNew, setNew] = useState(false)
  const [leaving, setLeaving] = useState<ServiceAccountView | null>(null)
  const change = useChange<ServiceAccountView>([PATH, '/api/keys'], () => setLeaving(null))
  const columns = accountColumns((id) => names.get(id))
  if (mayWrite) {
    columns.push({
      title: '',
      show: (account) => (
        <span className="inline-flex gap-3">
          {!account.isDisabled && <RowButton onClick={() => onKey(account)}>New key</RowButton>}
          <RowButton
            onClick={() =>
              change.mutate({
                method: 'PATCH',
                path: `${PATH}/${account.id}`,
                body: { isDisabled: !account.isDisabled },
              })
            }
          >
            {account.isDisabled ? 'Enable' : 'Disable'}
          </RowButton>
          <RowButton onClick={() => setLeaving(account)}>Remove</RowButton>
        </span>
      ),
      isNumber: true,
    })
  }
  return (
    <div className="mt-4">
      <DataTable
        title="Service accounts"
        name="service-accounts"
        columns={columns}
        rows={accounts}
        rowId={({ id }) => id}
        error={error ?? (leaving === null ? change.error : null)}
        onRetry={() => void refetch()}
        empty="A service account stands for a program: its keys have one switch, and tokens of the identity provider can stand for it."
        footer={
          <>
            <CutNote rows={accounts} all="the command line" />
            <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
              <CliCommand command="gristmill service-account list" />
              {mayWrite && (
                <Button onClick={() => setNew(true)}>
                  <Plus size={15} aria-hidden /> New service account
                </Button>
              )}
            </div>
          </>
        }
      />
      <Dialog title="New service account" isOpen={isNew} onClose={() => setNew(false)}>
        <Form {...(tenantId !== undefined && { tenantId })} onClose={() => setNew(false)} />
      </Dialog>
      <Confirm
        title={`Remove ${leaving?.name ?? ''}?`}
        isOpen={leaving !== null}
        onClose={() => setLeaving(null)}
        action={`Remove ${leaving?.name ?? ''}`}
        command={`gristmill service-account remove ${leaving?.id ?? ''}`}
        isBusy={change.isPending}
        error={change.error}
        onConfirm={() =>
          leaving && change.mutate({ method: 'DELETE', path: `${PATH}/${leaving.id}` })
        }
      >
        Its keys stop at once and for ever. What they did stays in the ledger.
      </Confirm>
    </div>
  )
}

function Form({ tenantId, onClose }: { tenantId?: string; onClose: () => void }) {
  const save = useChange<ServiceAccountView>([PATH], onClose)
  const mayNameSubject = useMay('tenants:write')
  const tenants = useTenants().data ?? []
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState(tenantId ?? '')
  const owner = chosen || (tenants[0]?.id ?? '')
  const tenantName = tenants.find(({ id }) => id === owner)?.name ?? 'NAME'
  const submit = (form: FormData) =>
    save.mutate({
      method: 'POST',
      path: PATH,
      body: { tenantId: owner, name, tokenSubject: textOf(form, 'subject') || null },
    })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="Name"
        required
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.target.value)}
        data-first
      />
      <Choice label="Tenant" value={owner} onChange={(event) => setChosen(event.target.value)}>
        {tenants.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </Choice>
      {mayNameSubject && (
        <Field
          label="Subject of its tokens"
          name="subject"
          maxLength={300}
          hint="The claim sub of tokens of the identity provider that stand for it. Without one it has keys only."
        />
      )}
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill service-account create ${shellWord(name || 'NAME')} --tenant ${shellWord(tenantName)}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          Create
        </Button>
      </div>
    </form>
  )
}

type Tenant = { name: string; hue: number } | undefined

function accountColumns(tenantOf: (id: string) => Tenant): Column<ServiceAccountView>[] {
  return [
    {
      title: 'Account',
      show: ({ name }) => <span className="font-[560]">{name}</span>,
      csv: ({ name }) => name,
    },
    {
      title: 'Tenant',
      show: ({ tenantId }) => {
        const tenant = tenantOf(tenantId)
        return <TenantName name={tenant?.name ?? tenantId} hue={tenant?.hue ?? -1} />
      },
      csv: ({ tenantId }) => tenantOf(tenantId)?.name ?? tenantId,
    },
    {
      title: 'State',
      show: ({ isDisabled }) =>
        isDisabled ? <span className="text-warn">disabled</span> : <span>enabled</span>,
      csv: ({ isDisabled }) => (isDisabled ? 'disabled' : 'enabled'),
    },
    {
      title: 'Tokens of',
      note: 'Subject of tokens of the identity provider that stand for it',
      show: ({ tokenSubject }) =>
        tokenSubject === null ? (
          <span className="text-soft">nobody</span>
        ) : (
          <code className="font-mono text-[0.78rem] wrap-anywhere">{tokenSubject}</code>
        ),
      csv: ({ tokenSubject }) => tokenSubject,
    },
    {
      title: 'Keys',
      show: ({ keyCount }) => keyCount,
      csv: ({ keyCount }) => keyCount,
      isNumber: true,
    },
    {
      title: 'Since',
      show: ({ createdAt }) => day(createdAt),
      csv: ({ createdAt }) => createdAt,
      isNumber: true,
    },
  ]
}
