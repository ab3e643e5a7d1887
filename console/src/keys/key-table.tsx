/** Keys of one tenant or of all, and what can be done with each. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { Link } from 'wouter'
import type { KeyView } from '../api/contract.ts'
import { useKeys, useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { ClassTag } from '../parts/class-tag.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { CutNote } from '../parts/cut-note.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { limitsInWords } from '../parts/limit-fields.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { ago, day, moment } from '../units.ts'
import { KeyChange } from './key-change.tsx'
import { Revoke, Rotate } from './key-ends.tsx'
import { KeyForm } from './key-form.tsx'

type Open = { kind: 'create' } | { kind: 'change' | 'rotate' | 'revoke'; key: KeyView }

export interface KeyTableProps {
  tenantId?: string
  /** True where the page itself has the button that creates a key. */
  isPage?: boolean
}

export function KeyTable({ tenantId, isPage = false }: KeyTableProps) {
  const { data: keys, error, refetch } = useKeys(tenantId)
  const names = useTenantNames()
  const mayWrite = useMay('keys:write')
  const [open, setOpen] = useState<Open | null>(null)
  const close = () => setOpen(null)
  const columns = keyColumns(Date.now())
  if (tenantId === undefined) {
    columns.splice(1, 0, {
      title: 'Tenant',
      show: ({ tenantId: id }) => {
        const tenant = names.get(id)
        return <TenantName name={tenant?.name ?? id} hue={tenant?.hue ?? -1} />
      },
      csv: ({ tenantId: id }) => names.get(id)?.name ?? id,
    })
  }
  if (mayWrite) {
    columns.push({
      title: '',
      show: (key) => <Actions keyView={key} onOpen={setOpen} />,
      isNumber: true,
    })
  }
  return (
    <>
      <DataTable
        title="Keys"
        note={
          mayWrite &&
          !isPage && (
            <RowButton onClick={() => setOpen({ kind: 'create' })}>
              <span className="inline-flex items-center gap-1">
                <Plus size={13} aria-hidden /> New key
              </span>
            </RowButton>
          )
        }
        name="keys"
        columns={columns}
        rows={keys}
        rowId={({ id }) => id}
        error={error}
        onRetry={() => void refetch()}
        empty="A key lets an application in, in the name of a tenant. Any OpenAI SDK takes it."
        footer={
          <>
            <CutNote rows={keys} all="the command line" />
            <CliCommand className="mt-3" command="gristmill key list" />
          </>
        }
      />
      <KeyForm
        {...(tenantId !== undefined && { tenantId })}
        isOpen={open?.kind === 'create'}
        onClose={close}
      />
      <KeyChange keyView={open?.kind === 'change' ? open.key : null} onClose={close} />
      <Rotate keyView={open?.kind === 'rotate' ? open.key : null} onClose={close} />
      <Revoke keyView={open?.kind === 'revoke' ? open.key : null} onClose={close} />
    </>
  )
}

function Actions({ keyView, onOpen }: { keyView: KeyView; onOpen: (open: Open) => void }) {
  const { state, scopes, tags, subject } = keyView
  const mayOperate = useMay('tenants:write')
  const mayProvision = useMay('directory:write')
  const mayEnd = mayOperate || !(scopes.includes('admin') || scopes.includes('scim'))
  const mayChange = mayEnd && (mayProvision || !scopes.includes('scim'))
  const mayRotate = mayChange && (mayOperate || tags.length === 0)
  if (state === 'revoked' || !mayEnd) return null
  return (
    <span className="inline-flex gap-3">
      {mayChange && (
        <RowButton onClick={() => onOpen({ kind: 'change', key: keyView })}>Change</RowButton>
      )}
      {subject === null && mayRotate && (
        <RowButton onClick={() => onOpen({ kind: 'rotate', key: keyView })}>Rotate</RowButton>
      )}
      <RowButton onClick={() => onOpen({ kind: 'revoke', key: keyView })}>Revoke</RowButton>
    </span>
  )
}

const states: Record<KeyView['state'], { look: string; note: string }> = {
  active: { look: 'text-ink', note: 'Works' },
  rotating: { look: 'text-warn', note: 'Works; its old secret works too, until the overlap ends' },
  expired: { look: 'text-soft', note: 'Its time is over' },
  suspended: { look: 'text-warn', note: 'Stopped while the account behind it may not' },
  revoked: { look: 'text-soft line-through', note: 'Stopped for ever' },
}

function keyColumns(nowMs: number): Column<KeyView>[] {
  return [
    {
      title: 'Key',
      show: ({ name, hint, subject, tenantId, id }) => (
        <Link href={`/requests?tenant=${tenantId}&key=${id}`} className="hover:underline">
          <span className="font-[560]">{name}</span>{' '}
          <code className="block font-mono text-[0.75rem] text-soft">
            {subject === null ? (hint ? `${hint}…` : 'moved in') : 'tokens'}
          </code>
        </Link>
      ),
      csv: ({ name }) => name,
    },
    {
      title: 'State',
      show: ({ state, overlapEndsAt }) => (
        <span className={states[state].look} title={states[state].note}>
          {state}
          {overlapEndsAt !== null && (
            <span className="block text-[0.75rem] text-soft">
              old secret until {moment(overlapEndsAt)}
            </span>
          )}
        </span>
      ),
      csv: ({ state }) => state,
    },
    {
      title: 'Scopes',
      note: 'What it may do',
      show: ({ scopes, responseCache }) =>
        scopes.join(', ') + (responseCache ? ' · response cache' : ''),
      csv: ({ scopes }) => scopes.join(' '),
    },
    {
      title: 'Tags',
      note: 'By which targets of routes are opened to it',
      show: ({ tags }) => tags.join(', ') || '–',
      csv: ({ tags }) => tags.join(' '),
    },
    {
      title: 'Class',
      note: 'Of its requests that name none',
      show: ({ defaultClass }) =>
        defaultClass === null ? (
          <span className="whitespace-nowrap text-soft">the tenant’s</span>
        ) : (
          <ClassTag name={defaultClass} />
        ),
      csv: ({ defaultClass }) => defaultClass,
    },
    {
      title: 'Limits',
      show: ({ limits }) => <span className="text-soft">{limitsInWords(limits)}</span>,
      csv: ({ limits }) => limitsInWords(limits),
    },
    {
      title: 'Last used',
      show: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : ago(lastUsedAt, nowMs)),
      csv: ({ lastUsedAt }) => lastUsedAt,
      isNumber: true,
    },
    {
      title: 'Expires',
      show: ({ expiresAt }) => (expiresAt === null ? 'never' : day(expiresAt)),
      csv: ({ expiresAt }) => expiresAt,
      isNumber: true,
    },
  ]
}
