/** A tenant's projects: what it uses the pool for. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { ProjectView, TenantView } from '../api/contract.ts'
import { useProjects } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand, shellWord } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { RowButton } from '../parts/row-button.tsx'
import { day, percent } from '../units.ts'

export function Projects({ tenant }: { tenant: TenantView }) {
  const { data: projects, error, refetch } = useProjects(tenant.id)
  const mayWrite = useMay('tenants:write')
  const [open, setOpen] = useState<ProjectView | 'new' | null>(null)
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
      show: (project) => <RowButton onClick={() => setOpen(project)}>Change</RowButton>,
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
    </>
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
        defaultValue={project?.weight ?? 1}
        hint={`Share among the projects of ${tenant.name}.`}
      />
      {save.error !== null && <ErrorNote error={save.error} />}
      {project === undefined && (
        <CliCommand
          command={`gristmill project create ${shellWord(name || 'NAME')} --tenant ${shellWord(tenant.name)}`}
        />
      )}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={save.isPending}>
          {project === undefined ? 'Create' : 'Save'}
        </Button>
      </div>
    </form>
  )
}
