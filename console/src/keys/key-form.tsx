/** Creating a key; its secret is shown here and nowhere else. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { KeyCreated } from '../api/contract.ts'
import { useProjects, useTenants } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand, shellWord } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { numberOf, onSubmit, textOf } from '../parts/on-submit.ts'
import { SecretOnce } from '../parts/secret-once.tsx'

const DAY_MS = 86_400_000

const scopes = [
  { name: 'inference', note: 'call models' },
  { name: 'end_users', note: 'its requests may name end users' },
  { name: 'usage:read', note: 'read the tenant’s usage' },
  { name: 'queue:read', note: 'read the tenant’s queue' },
]

export interface KeyFormProps {
  tenantId?: string
  isOpen: boolean
  onClose: () => void
}

export function KeyForm({ tenantId, isOpen, onClose }: KeyFormProps) {
  return (
    <Dialog title="New key" isOpen={isOpen} onClose={onClose}>
      <Form {...(tenantId !== undefined && { tenantId })} onClose={onClose} />
    </Dialog>
  )
}

function Form({ tenantId, onClose }: Omit<KeyFormProps, 'isOpen'>) {
  const create = useChange<KeyCreated>(['/api/keys', '/api/tenants'])
  const tenants = useTenants().data ?? []
  const [chosen, setChosen] = useState(tenantId ?? '')
  const [name, setName] = useState('')
  const owner = chosen || (tenants[0]?.id ?? '')
  const projects = useProjects(owner).data ?? []
  if (create.data !== undefined) return <Created created={create.data} onClose={onClose} />
  const tenantName = tenants.find(({ id }) => id === owner)?.name ?? 'NAME'
  const submit = (form: FormData) => {
    const days = numberOf(form, 'days')
    create.mutate({
      method: 'POST',
      path: '/api/keys',
      body: {
        tenantId: owner,
        projectId: textOf(form, 'project') || undefined,
        name: textOf(form, 'name') || undefined,
        scopes: form.getAll('scopes'),
        defaultClass: textOf(form, 'class') || null,
        expiresAt: days === null ? null : new Date(Date.now() + days * DAY_MS).toISOString(),
      },
    })
  }
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="What it is for"
        name="name"
        required
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.target.value)}
        placeholder="ticket bot"
        data-first
      />
      <div className="grid gap-3 sm:grid-cols-2">
        <Choice label="Tenant" value={owner} onChange={(event) => setChosen(event.target.value)}>
          {tenants.map((tenant) => (
            <option key={tenant.id} value={tenant.id}>
              {tenant.name}
            </option>
          ))}
        </Choice>
        <Choice label="Project" name="project">
          {projects.map((project) => (
            <option key={project.id} value={project.id}>
              {project.name}
            </option>
          ))}
        </Choice>
        <Choice label="Default class" name="class">
          <option value="">the tenant’s</option>
          {['priority', 'standard', 'flex', 'batch'].map((one) => (
            <option key={one}>{one}</option>
          ))}
        </Choice>
        <Field
          label="Works for, days"
          name="days"
          type="number"
          min={1}
          max={3650}
          placeholder="for ever"
        />
      </div>
      <fieldset>
        <legend className="mb-1 text-[0.8rem] font-medium">What it may do</legend>
        {scopes.map((scope) => (
          <label key={scope.name} className="flex items-baseline gap-1.5 py-0.5">
            <input
              type="checkbox"
              name="scopes"
              value={scope.name}
              defaultChecked={scope.name === 'inference'}
              className="size-4 translate-y-0.5 accent-(--accent)"
            />
            {scope.name} <span className="text-[0.78rem] text-soft">{scope.note}</span>
          </label>
        ))}
      </fieldset>
      {create.error !== null && <ErrorNote error={create.error} />}
      <CliCommand
        command={`gristmill key create --tenant ${shellWord(tenantName)}${name && ` --name ${shellWord(name)}`}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={create.isPending || owner === ''}>
          Create the key
        </Button>
      </div>
    </form>
  )
}

function Created({ created, onClose }: { created: KeyCreated; onClose: () => void }) {
  return (
    <div>
      <SecretOnce
        secret={created.key}
        note={`This is the key “${created.name}”. It is not stored and cannot be shown again: copy it now.`}
      />
      <CliCommand
        className="mt-3"
        command={`curl ${location.origin}/v1/models -H "authorization: Bearer $KEY"`}
      />
      <div className="mt-4 flex justify-end">
        <Button look="main" onClick={onClose}>
          I have copied it
        </Button>
      </div>
    </div>
  )
}
