/** `gristmill key`: keys are shown once, when they are made. */
import { type Command, Option } from 'commander'
import { GristmillError, serviceClasses } from '../base/index.ts'
import type { KeyCreated, KeyView, ProjectView } from '../http/index.ts'
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
import { list, span } from './values.ts'

interface KeyFlags extends RemoteFlags {
  tenant?: string
  project?: string
  name?: string
  scopes?: string[]
  class?: string
  expires?: number
  overlap?: number
  yes?: true
}

/** Adds `key …` to the program. */
export function keyCommands(program: Command, context: CliContext): void {
  const group = program.command('key').description('keys: how a tenant proves itself')
  example(
    remote(group.command('create')).requiredOption('--tenant <tenant>', 'name or id'),
    'key create --tenant Support --name "ticket bot" --expires 90d',
  )
    .description('create a key; it is shown this once')
    .option('--project <project>', 'name or id (default: the oldest project of the tenant)')
    .option('--name <name>', 'what it is for')
    .option('--scopes <list>', 'inference, end_users, usage:read, queue:read, admin', list)
    .addOption(new Option('--class <class>', 'default class').choices(serviceClasses))
    .option('--expires <span>', 'life of the key, such as 90d', span)
    .action((flags: KeyFlags) => createKey(context, flags))
  example(
    remote(group.command('list')).option('--tenant <tenant>', 'only of this one, name or id'),
    'key list --tenant Support',
  )
    .description('list keys, newest first')
    .action((flags: KeyFlags) => listKeys(context, flags))
  example(remote(group.command('rotate <id>')), 'key rotate key_01jd8m3k2v --overlap 1h')
    .description('give a key a new secret; the old one goes on working for the overlap')
    .option('--overlap <span>', 'how long the old secret works (default: 24h)', span)
    .action(async (id: string, flags: KeyFlags) => {
      const body = flags.overlap === undefined ? {} : { overlapS: flags.overlap }
      const path = `/api/keys/${encodeURIComponent(id)}/rotate`
      const rotated = await connect(context, flags).post<KeyCreated>(path, body)
      show(context, flags, rotated, () => tellKey(context, rotated, 'New secret of'))
    })
  example(remote(group.command('revoke <id>')), 'key revoke key_01jd8m3k2v')
    .description('revoke a key at once and for ever')
    .option('--yes', 'do not ask')
    .action(async (id: string, flags: KeyFlags) => {
      const client = connect(context, flags)
      await confirm(context, flags, `Revoke ${id}? What uses it stops working within a second.`)
      await client.delete(`/api/keys/${encodeURIComponent(id)}`)
      show(context, flags, { id, revoked: true }, () => context.terminal.print(`Revoked ${id}.`))
    })
}

async function createKey(context: CliContext, flags: KeyFlags): Promise<void> {
  const client = connect(context, flags)
  const tenant = await findTenant(client, flags.tenant ?? '')
  const created = await client.post<KeyCreated>('/api/keys', {
    tenantId: tenant.id,
    projectId: flags.project && (await findProject(client, tenant.id, flags.project)).id,
    name: flags.name,
    scopes: flags.scopes,
    defaultClass: flags.class,
    expiresAt:
      flags.expires && new Date(context.clock.nowMs() + flags.expires * 1000).toISOString(),
  })
  show(context, flags, created, () => tellKey(context, created, `Key of ${tenant.name}:`))
}

/** The key alone on standard output, so that `KEY=$(gristmill key create …)` works. */
function tellKey({ terminal }: CliContext, created: KeyCreated, title: string): void {
  terminal.note(`${title} ${created.name} (${created.id}); it is shown only now.`)
  terminal.print(created.key)
}

async function listKeys(context: CliContext, flags: KeyFlags): Promise<void> {
  const client = connect(context, flags)
  const tenant = flags.tenant === undefined ? undefined : await findTenant(client, flags.tenant)
  const rows = await client.all<KeyView>('/api/keys', { tenant: tenant?.id })
  const columns: Column<KeyView>[] = [
    { title: 'KEY', value: ({ name }) => name },
    { title: 'ID', value: ({ id }) => id },
    { title: 'BEGINS', value: ({ hint }) => (hint === '' ? 'imported' : `${hint}…`) },
    { title: 'SCOPES', value: ({ scopes }) => scopes.join(', ') },
    { title: 'STATE', value: ({ state }) => state },
    { title: 'EXPIRES', value: ({ expiresAt }) => (expiresAt ? moment(expiresAt) : 'never') },
    { title: 'LAST USED', value: ({ lastUsedAt }) => (lastUsedAt ? moment(lastUsedAt) : 'never') },
  ]
  show(context, flags, rows, () =>
    printTable(
      context.terminal,
      rows,
      columns,
      'No keys yet. Create one: gristmill key create --tenant NAME',
    ),
  )
}

async function findProject(
  client: AdminClient,
  tenantId: string,
  nameOrId: string,
): Promise<ProjectView> {
  const projects = await client.all<ProjectView>(`/api/tenants/${tenantId}/projects`)
  const found = projects.find(({ id, name }) => id === nameOrId || name === nameOrId)
  if (!found) throw new GristmillError('not_found', { kind: 'project', id: nameOrId })
  return found
}
