/** Who signs in to this console, and what each may do. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { RoleName, UserInvited, UserView } from '../api/contract.ts'
import { useTenantNames, useUsers } from '../api/lists.ts'
import { useMay, useSignedIn } from '../api/session.ts'
import { atLeast } from '../api/whole.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { CutNote } from '../parts/cut-note.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { SecretOnce } from '../parts/secret-once.tsx'
import { day, listed, plural } from '../units.ts'
import { Groups } from './groups.tsx'
import { PersonForm } from './person-form.tsx'
import { roles } from './roles.ts'

type Open = { kind: 'invite' } | { kind: 'change' | 'remove'; user: UserView }

export default function People() {
  const { data: users, error, refetch } = useUsers()
  const mayWrite = useMay('users:write')
  const names = useTenantNames()
  const { session, user: me } = useSignedIn()
  const [open, setOpen] = useState<Open | null>(null)
  const close = () => setOpen(null)
  const invite = useChange<UserInvited>(['/api/users'])
  const remove = useChange(['/api/users'], close)
  const { provider, password } = session.signIn
  const columns = peopleColumns((id) => names.get(id)?.name ?? id, me.id, provider)
  if (mayWrite) {
    columns.push({
      title: '',
      show: (user) => (
        <span className="inline-flex gap-3">
          {user.origin === 'local' && (
            <RowButton onClick={() => setOpen({ kind: 'change', user })}>Change</RowButton>
          )}
          {user.origin === 'local' && password && (
            <RowButton
              onClick={() =>
                invite.mutate({ method: 'POST', path: `/api/users/${user.id}/invite` })
              }
            >
              New link
            </RowButton>
          )}
          {user.id !== me.id && (
            <RowButton onClick={() => setOpen({ kind: 'remove', user })}>Remove</RowButton>
          )}
        </span>
      ),
      isNumber: true,
    })
  }
  const leaving = open?.kind === 'remove' ? open.user : null
  return (
    <>
      <PageHead
        sentence={sentence(users)}
        isLost={users === undefined && error !== null}
        context="Whoever is bound to tenants sees these only."
        aside={
          mayWrite &&
          password && (
            <Button look="main" onClick={() => setOpen({ kind: 'invite' })}>
              <Plus size={15} aria-hidden /> Invite somebody
            </Button>
          )
        }
      />
      <DataTable
        title="People"
        name="people"
        columns={columns}
        rows={users}
        rowId={({ id }) => id}
        error={error ?? invite.error}
        onRetry={() => void refetch()}
        empty="Nobody yet."
        footer={
          <>
            <CutNote rows={users} all="the command line" />
            <CliCommand className="mt-3" command="gristmill user list" />
          </>
        }
      />
      <Groups users={users ?? []} />
      <PersonForm
        {...(open?.kind === 'change' && { user: open.user })}
        isOpen={open?.kind === 'invite' || open?.kind === 'change'}
        onClose={close}
      />
      <Dialog
        title={`A link for ${invite.data?.name ?? ''}`}
        isOpen={invite.data !== undefined}
        onClose={invite.reset}
      >
        <SecretOnce
          secret={invite.data?.link ?? ''}
          note="It works once, for a week, and lets them set a new password. Hand it over yourself."
        />
      </Dialog>
      <Confirm
        title={`Remove ${leaving?.name ?? ''}?`}
        isOpen={leaving !== null}
        onClose={close}
        action={`Remove ${leaving?.name ?? ''}`}
        command={`gristmill user remove ${leaving?.email ?? ''}`}
        isBusy={remove.isPending}
        error={remove.error}
        onConfirm={() =>
          leaving && remove.mutate({ method: 'DELETE', path: `/api/users/${leaving.id}` })
        }
      >
        Their sessions end at once. What they did stays in the audit log.
      </Confirm>
    </>
  )
}

function sentence(users: readonly UserView[] | undefined): string {
  if (users === undefined) return 'Looking up the people.'
  const able = users.filter(({ state }) => state === 'active')
  const barred = users.length - able.length
  const rest = barred === 0 ? '' : `; ${barred} ${barred === 1 ? 'is' : 'are'} kept out`
  const counts = (['owner', 'operator', 'member', 'viewer', 'finance'] as RoleName[])
    .map((role) => ({ role, people: able.filter((user) => user.role === role).length }))
    .filter(({ people }) => people > 0)
    .map(({ role, people }) => `${people} ${role}${people === 1 || role === 'finance' ? '' : 's'}`)
  if (users.length === 1) return 'You are alone here, as owner. Invite a second one.'
  const people = plural(able.length, 'person', 'people')
  return `${atLeast(users)}${people} may sign in: ${listed(counts)}${rest}.`
}

/** Whether they may, and by what. */
function wayIn({ state, origin, isBreakGlass, groups }: UserView, provider: string | null): string {
  if (state === 'deactivated') return 'deactivated in the directory'
  if (state === 'no_rule') return groups.length === 0 ? 'in no group' : 'no rule fits'
  if (isBreakGlass) return 'password, break-glass'
  return origin === 'local' ? 'password' : (provider ?? 'directory')
}

function peopleColumns(
  nameOf: (id: string) => string,
  ownId: string,
  provider: string | null,
): Column<UserView>[] {
  return [
    {
      title: 'Person',
      show: ({ id, name }) => (
        <span className="font-[560]">
          {name}
          {id === ownId && <span className="font-normal text-soft"> (you)</span>}
        </span>
      ),
      csv: ({ name }) => name,
    },
    { title: 'Email', show: ({ email }) => email, csv: ({ email }) => email },
    {
      title: 'Role',
      show: ({ role }) => <span title={roles[role]}>{role}</span>,
      csv: ({ role }) => role,
    },
    {
      title: 'Tenants',
      note: 'Those they may act for',
      show: ({ tenantIds }) =>
        tenantIds.length === 0 ? (
          <span className="text-soft">all</span>
        ) : (
          tenantIds.map(nameOf).join(', ')
        ),
      csv: ({ tenantIds }) => tenantIds.map(nameOf).join(' '),
    },
    {
      title: 'Signs in by',
      note: 'Who signs in with the company has role and tenants by the rules for their groups',
      show: (user) => (
        <span
          className={user.state === 'active' ? '' : 'text-bad'}
          title={user.groups.length === 0 ? undefined : `In ${user.groups.join(', ')}`}
        >
          {wayIn(user, provider)}
        </span>
      ),
      csv: (user) => wayIn(user, provider),
    },
    {
      title: 'Since',
      show: ({ createdAt }) => day(createdAt),
      csv: ({ createdAt }) => createdAt,
      isNumber: true,
    },
  ]
}
