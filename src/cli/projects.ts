/** `gristmill project`: what a tenant uses the pool for, and with which weight. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { ProjectView } from '../http/index.ts'
import type { AdminClient } from './client.ts'
import {
  type CliContext,
  confirm,
  connect,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'
import { positive } from './values.ts'

interface ProjectFlags extends RemoteFlags {
  tenant: string
  name?: string
  weight?: number
  yes?: true
}

const WEIGHT = 'share among the projects of its tenant'

/** Adds `project …` to the program. */
export function projectCommands(program: Command, context: CliContext): void {
  const group = program.command('project').description('projects: what a tenant uses the pool for')
  const { terminal } = context
  const ofTenant = (words: string) =>
    remote(group.command(words)).requiredOption('--tenant <tenant>', 'name or id')

  example(ofTenant('create <name>'), 'project create nightly --tenant Support --weight 0.5')
    .description('create a project')
    .option('--weight <number>', WEIGHT, positive)
    .action(async (name: string, { tenant, weight, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const path = `/api/tenants/${id}/projects`
      const created = await client.post<ProjectView>(path, { name, weight })
      show(context, flags, created, () =>
        terminal.print(`Created project ${created.name} (${created.id}).`),
      )
    })
  example(ofTenant('list'), 'project list --tenant Support')
    .description('list the projects of a tenant')
    .action(async ({ tenant, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const rows = await client.all<ProjectView>(`/api/tenants/${id}/projects`)
      show(context, flags, rows, () => printTable(terminal, rows, columns, 'No projects.'))
    })
  example(ofTenant('update <project>'), 'project update nightly --tenant Support --weight 2')
    .description('change a project, by name or id; what is not named stays')
    .option('--name <name>', 'new name')
    .option('--weight <number>', WEIGHT, positive)
    .action(async (project: string, { tenant, name, weight, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id } = await projectOf(client, tenant, project)
      const changed = await client.patch<ProjectView>(`/api/projects/${id}`, { name, weight })
      show(context, flags, changed, () =>
        terminal.print(`Project ${changed.name} (${changed.id}) has weight ${changed.weight}.`),
      )
    })
  example(ofTenant('remove <project>'), 'project remove nightly --tenant Support')
    .description('archive a project: its keys are revoked, its ledger rows stay')
    .option('--yes', 'do not ask')
    .action(async (project: string, { tenant, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id, name } = await projectOf(client, tenant, project)
      await confirm(context, flags, `Archive project ${name} and revoke its keys?`)
      await client.delete(`/api/projects/${id}`)
      show(context, flags, { id, removed: true }, () => terminal.print(`Archived ${name}.`))
    })
}

const columns: Column<ProjectView>[] = [
  { title: 'PROJECT', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'WEIGHT', value: ({ weight }) => String(weight), align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => moment(createdAt) },
]

async function projectOf(client: AdminClient, tenant: string, project: string) {
  return findProject(client, (await findTenant(client, tenant)).id, project)
}

/** A project of a tenant, by id or name. @throws GristmillError `not_found` */
export async function findProject(
  client: AdminClient,
  tenantId: string,
  nameOrId: string,
): Promise<ProjectView> {
  const projects = await client.all<ProjectView>(`/api/tenants/${tenantId}/projects`)
  const found = projects.find(({ id, name }) => id === nameOrId || name === nameOrId)
  if (!found) throw new GristmillError('not_found', { kind: 'project', id: nameOrId })
  return found
}
