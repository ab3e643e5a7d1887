/** Inviting somebody, or changing what they may do. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { RoleName, UserInvited, UserView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { SecretOnce } from '../parts/secret-once.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { roles } from './roles.ts'
import { TenantBoxes } from './tenant-boxes.tsx'

export interface PersonFormProps {
  /** Absent where somebody new is invited. */
  user?: UserView
  isOpen: boolean
  onClose: () => void
}

export function PersonForm({ user, isOpen, onClose }: PersonFormProps) {
  return (
    <Dialog
      title={user === undefined ? 'Invite somebody' : `Change ${user.name}`}
      isOpen={isOpen}
      onClose={onClose}
    >
      <Form {...(user && { user })} onClose={onClose} />
    </Dialog>
  )
}

function Form({ user, onClose }: Omit<PersonFormProps, 'isOpen'>) {
  const save = useChange<UserView | UserInvited>(['/api/users'], user && onClose)
  const [role, setRole] = useState<RoleName>(user?.role ?? 'member')
  const [email, setEmail] = useState(user?.email ?? '')
  if (save.data !== undefined && 'link' in save.data) {
    return (
      <div>
        <SecretOnce
          secret={save.data.link}
          note={`${save.data.name} sets a password with this link. It works once, for a week. Hand it over yourself.`}
        />
        <div className="mt-4 flex justify-end">
          <Button look="main" onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </div>
    )
  }
  const submit = (form: FormData) =>
    save.mutate({
      method: user === undefined ? 'POST' : 'PATCH',
      path: user === undefined ? '/api/users' : `/api/users/${user.id}`,
      body: {
        name: textOf(form, 'name'),
        role,
        tenantIds: form.getAll('tenants'),
        ...(user === undefined && { email }),
      },
    })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="Name"
        name="name"
        required
        maxLength={100}
        defaultValue={user?.name}
        data-first
      />
      <Field
        label="Email"
        type="email"
        required
        readOnly={user !== undefined}
        value={email}
        onChange={(event) => setEmail(event.target.value)}
      />
      <Choice
        label="Role"
        value={role}
        onChange={(event) => setRole(event.target.value as RoleName)}
        hint={roles[role]}
      >
        {Object.keys(roles).map((one) => (
          <option key={one}>{one}</option>
        ))}
      </Choice>
      <TenantBoxes role={role} chosen={user?.tenantIds ?? []} />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill user ${user === undefined ? 'invite' : 'change'} ${shellWord(email || 'EMAIL')} --role ${role}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {user === undefined ? 'Invite' : 'Save'}
        </Button>
      </div>
    </form>
  )
}
