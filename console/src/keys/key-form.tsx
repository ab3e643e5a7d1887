/** Creating a key, whose secret is shown here and nowhere else, or moving one in by its hash. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { KeyCreated, KeyView, ServiceAccountView } from '../api/contract.ts'
import { useProjects, useTenants } from '../api/lists.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { SecretOnce } from '../parts/secret-once.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { KeyFields, keyBodyOf, keyFlags } from './key-fields.tsx'

export interface KeyFormProps {
  tenantId?: string
  /** Whose key it is; of nobody but the tenant where absent. */
  account?: ServiceAccountView | null
  /** True where a key of another gateway moves in. */
  isImport?: boolean
  isOpen: boolean
  onClose: () => void
}

export function KeyForm({ isOpen, onClose, ...form }: KeyFormProps) {
  const created = form.account ? `New key of ${form.account.name}` : 'New key'
  return (
    <Dialog title={form.isImport ? 'Move a key in' : created} isOpen={isOpen} onClose={onClose}>
      <Form {...form} onClose={onClose} />
    </Dialog>
  )
}

function Form({ tenantId, account, isImport = false, onClose }: Omit<KeyFormProps, 'isOpen'>) {
  const touched = ['/api/keys', '/api/tenants', '/api/service-accounts']
  const save = useChange<KeyView | KeyCreated>(touched, (made) => {
    if (!('key' in made)) onClose()
  })
  const tenants = useTenants().data ?? []
  const [chosen, setChosen] = useState(account?.tenantId ?? tenantId ?? '')
  const [flags, setFlags] = useState('')
  const owner = chosen || (tenants[0]?.id ?? '')
  const projects = useProjects(owner).data ?? []
  if (save.data !== undefined && 'key' in save.data) {
    return <Created created={save.data} onClose={onClose} />
  }
  const tenantName = tenants.find(({ id }) => id === owner)?.name ?? 'NAME'
  const submit = (form: FormData) =>
    save.mutate({
      method: 'POST',
      path: isImport ? '/api/keys/import' : '/api/keys',
      body: {
        tenantId: owner,
        projectId: textOf(form, 'project') || undefined,
        ...keyBodyOf(form),
        ...(account && { serviceAccountId: account.id }),
        ...(isImport && { sha256: textOf(form, 'sha256') }),
      },
    })
  return (
    <form
      onSubmit={onSubmit(submit)}
      onChange={(event) => setFlags(keyFlags(new FormData(event.currentTarget)))}
      className="grid gap-3.5"
    >
      {isImport && <HashField />}
      <div className="grid gap-3 sm:grid-cols-2">
        <Choice label="Tenant" value={owner} onChange={(event) => setChosen(event.target.value)}>
          {tenants
            .filter(({ id }) => !account || id === owner)
            .map((tenant) => (
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
      </div>
      <KeyFields />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand
        command={`gristmill key ${isImport ? 'import --sha256 HASH' : 'create'} --tenant ${shellWord(tenantName)}${account ? ` --account ${account.id}` : ''}${flags}`}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending || owner === ''}>
          {isImport ? 'Let it in' : 'Create the key'}
        </Button>
      </div>
    </form>
  )
}

function HashField() {
  return (
    <div>
      <p className="mb-3 text-soft">
        Applications keep the key that they have from another gateway. Only its hash comes here:
      </p>
      <Field
        label="SHA-256 of the whole key"
        name="sha256"
        required
        pattern="[0-9a-fA-F]{64}"
        title="64 hexadecimal digits"
        autoComplete="off"
        spellCheck={false}
        data-first
      />
      <CliCommand className="mt-1.5" command={'printf %s "$KEY" | sha256sum'} />
    </div>
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
