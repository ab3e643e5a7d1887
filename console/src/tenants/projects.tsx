/** A tenant's projects: what it uses the pool for. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ProjectView, TenantView } from '../api/contract.ts'
import { useProjects } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { RowButton } from '../parts/row-button.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { day, percent } from '../units.ts'

export function Projects({ tenant }: { tenant: TenantView }) {
  const { data: projects, error, refetch } = useProjects(tenant.id)
  const mayWrite = useMay('tenants:write')
  const [open, setOpen] = useState<ProjectView | 'new' | null>(null)
  const [leaving, setLeaving] = useState<ProjectView | null>(null)
  const total = projects?.reduce((sum, { weight }) => sum + weight, 0) ?? 1
  const columns: Column<ProjectView>[] = [
    { title: 'Project', show: ({ name }) => name, csv: ({ name }) => name },
    { title: 'Weight', show: ({ weight }) => weight, csv: ({ weight }) => weight, isNumber: true },
    {
      title: `Due of ${tenant.name}’s service`,
      note: 'Its weight ÷ the weights of all projects of the tenant',
      show: ({ weight }) => percent(weight / total),
      csv: ({ weight }) => weight / total,
      isNumber: true,
    },
    {
      title: 'Since',
      show: ({ createdAt }) => day(createdAt),
      csv: ({ createdAt }) => createdAt,
      isNumber: true,
    },
  ]
  if (mayWrite) {
    columns.push({
      title: '',
      show: (project) => (
        <span className="inline-flex gap-3">
          <RowButton onClick={() => setOpen(project)}>Change</RowButton>
          {(projects?.length ?? 0) > 1 && (
            <RowButton onClick={() => setLeaving(project)}>Archive</RowButton>
          )}
        </span>
      ),
      isNumber: true,
    })
  }
  return (
    <>
      <DataTable
        title="Projects"
        note={mayWrite && <RowButton onClick={() => setOpen('new')}>New project</RowButton>}
        name={`projects-${tenant.name}`}
        columns={columns}
        rows={projects}
        rowId={({ id }) => id}
        error={error}
        onRetry={() => void refetch()}
        empty="Projects divide a tenant’s share among what it uses the pool for."
      />
      <Dialog
        title={open === 'new' ? 'New project' : `Change ${open?.name ?? ''}`}
        isOpen={open !== null}
        onClose={() => setOpen(null)}
      >
        <ProjectForm
          tenant={tenant}
          {...(open !== 'new' && open !== null && { project: open })}
          onClose={() => setOpen(null)}
        />
      </Dialog>
      <ArchiveProject tenant={tenant} project={leaving} onClose={() => setLeaving(null)} />
    </>
  )
}

interface ArchiveProjectProps {
  tenant: TenantView
  /** null while closed. */
  project: ProjectView | null
  onClose: () => void
}

function ArchiveProject({ tenant, project, onClose }: ArchiveProjectProps) {
  const archive = useChange(['/api/tenants', '/api/keys'], onClose)
  const name = project?.name ?? ''
  return (
    <Confirm
      title={`Archive ${name}?`}
      isOpen={project !== null}
      onClose={onClose}
      action={`Archive ${name}`}
      command={`gristmill project remove ${shellWord(name)} --tenant ${shellWord(tenant.name)}`}
      isBusy={archive.isPending}
      error={archive.error}
      onConfirm={() =>
        project && archive.mutate({ method: 'DELETE', path: `/api/projects/${project.id}` })
      }
    >
      Its keys stop working at once. Its ledger rows stay, and so does its usage.
    </Confirm>
  )
}

interface ProjectFormProps {
  tenant: TenantView
  project?: ProjectView
  onClose: () => void
}

function ProjectForm({ tenant, project, onClose }: ProjectFormProps) {
  const save = useChange(['/api/tenants'], onClose)
  const [name, setName] = useState(project?.name ?? '')
  const [weight, setWeight] = useState(String(project?.weight ?? 1))
  const path = project ? `/api/projects/${project.id}` : `/api/tenants/${tenant.id}/projects`
  const submit = (form: FormData) =>
    save.mutate({
      method: project ? 'PATCH' : 'POST',
      path,
      body: { name: textOf(form, 'name'), weight: Number(textOf(form, 'weight')) },
    })
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="Name"
        name="name"
        required
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.target.value)}
        data-first
      />
      <Field
        label="Weight"
        name="weight"
        type="number"
        min={0.001}
        step="any"
        required
        value={weight}
        onChange={(event) => setWeight(event.target.value)}
        hint={`Share among the projects of ${tenant.name}.`}
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={commandOf(tenant, project, name, weight)} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {project === undefined ? 'Create' : 'Save'}
        </Button>
      </div>
    </form>
  )
}

/** What the form will do, as a command; only what differs is named. */
function commandOf(
  tenant: TenantView,
  project: ProjectView | undefined,
  name: string,
  weight: string,
): string {
  const verb = project === undefined ? 'create' : 'update'
  const which = shellWord(project?.name ?? (name || 'NAME'))
  const rename = project !== undefined && name !== project.name ? ` --name ${shellWord(name)}` : ''
  const weigh = weight === String(project?.weight ?? 1) ? '' : ` --weight ${weight}`
  return `gristmill project ${verb} ${which} --tenant ${shellWord(tenant.name)}${rename}${weigh}`
}
