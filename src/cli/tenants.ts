/** `gristmill tenant` and `gristmill project`: who shares the pool, and with which weight. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { GristmillError, serviceClasses } from '../base/index.ts'
import type { LimitsView, ProjectView, TenantView } from '../http/index.ts'
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
import { count, duration, moment } from './units.ts'
import { list, positive, wholeNumber } from './values.ts'

interface TenantFlags extends RemoteFlags {
  name?: string
  weight?: number
  classes?: string[]
  defaultClass?: string
  models?: string[]
  concurrency?: Bound
  queueDepth?: Bound
  tokensPerMinute?: Bound
  maxWaitMs?: Bound
  yes?: true
}

const columns: Column<TenantView>[] = [
  { title: 'TENANT', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'WEIGHT', value: ({ weight }) => String(weight), align: 'right' },
  { title: 'CLASSES', value: ({ classes }) => classes.join(', ') },
  { title: 'KEYS', value: ({ keyCount }) => count(keyCount), align: 'right' },
  { title: 'PROJECTS', value: ({ projectCount }) => count(projectCount), align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => moment(createdAt) },
]

/** Adds `tenant …` to the program. */
export function tenantCommands(program: Command, context: CliContext): void {
  const group = program.command('tenant').description('tenants: who shares the pool, and how')
  const { terminal } = context

  example(
    withTenantOptions(remote(group.command('create <name>'))),
    'tenant create "Support" --weight 2',
  )
    .description('create a tenant with a project named "default"')
    .action(async (name: string, flags: TenantFlags) => {
      const created = await connect(context, flags).post<TenantView>('/api/tenants', {
        ...bodyOf(flags),
        name,
      })
      show(context, flags, created, () => {
        terminal.print(`Created tenant ${created.name} (${created.id}), weight ${created.weight}.`)
        terminal.note(`Next: gristmill key create --tenant ${JSON.stringify(created.name)}`)
      })
    })
  example(remote(group.command('list')), 'tenant list')
    .description('list tenants')
    .action(async (flags: RemoteFlags) => {
      const rows = await connect(context, flags).all<TenantView>('/api/tenants')
      show(context, flags, rows, () =>
        printTable(
          terminal,
          rows,
          columns,
          'No tenants yet. Create one: gristmill tenant create NAME',
        ),
      )
    })
  example(remote(group.command('show <tenant>')), 'tenant show Support')
    .description('show one tenant, by name or id')
    .action(async (tenant: string, flags: RemoteFlags) => {
      const found = await findTenant(connect(context, flags), tenant)
      show(context, flags, found, () => describe(context, found))
    })
  tenantChangeCommands(group, context)
}

function tenantChangeCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    withTenantOptions(remote(group.command('update <tenant>'))).option('--name <name>', 'new name'),
    'tenant update Support --weight 3 --concurrency 8',
  )
    .description('change a tenant; what is not named stays')
    .action(async (tenant: string, flags: TenantFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const changed = await client.patch<TenantView>(`/api/tenants/${id}`, bodyOf(flags))
      show(context, flags, changed, () => describe(context, changed))
    })
  example(remote(group.command('remove <tenant>')), 'tenant remove Support')
    .description('archive a tenant: its keys are revoked, its ledger rows stay')
    .option('--yes', 'do not ask')
    .action(async (tenant: string, flags: TenantFlags) => {
      const client = connect(context, flags)
      const { id, name, keyCount } = await findTenant(client, tenant)
      await confirm(context, flags, `Archive tenant ${name} and revoke its ${keyCount} keys?`)
      await client.delete(`/api/tenants/${id}`)
      show(context, flags, { id, removed: true }, () => terminal.print(`Archived ${name}.`))
    })
}

/** Adds `project …` to the program. */
export function projectCommands(program: Command, context: CliContext): void {
  const group = program.command('project').description('projects: what a tenant uses the pool for')
  const { terminal } = context
  interface ProjectFlags extends RemoteFlags {
    tenant: string
    weight?: number
  }
  example(
    remote(group.command('create <name>')).requiredOption('--tenant <tenant>', 'name or id'),
    'project create nightly --tenant Support --weight 0.5',
  )
    .description('create a project')
    .option('--weight <number>', 'share among the projects of its tenant', positive)
    .action(async (name: string, { tenant, weight, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const path = `/api/tenants/${id}/projects`
      const created = await client.post<ProjectView>(path, { name, weight })
      show(context, flags, created, () =>
        terminal.print(`Created project ${created.name} (${created.id}).`),
      )
    })
  example(
    remote(group.command('list')).requiredOption('--tenant <tenant>', 'name or id'),
    'project list --tenant Support',
  )
    .description('list the projects of a tenant')
    .action(async ({ tenant, ...flags }: ProjectFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const rows = await client.all<ProjectView>(`/api/tenants/${id}/projects`)
      show(context, flags, rows, () => printTable(terminal, rows, projectColumns, 'No projects.'))
    })
}

const projectColumns: Column<ProjectView>[] = [
  { title: 'PROJECT', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'WEIGHT', value: ({ weight }) => String(weight), align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => moment(createdAt) },
]

/**
 * A tenant by id or by name.
 * @throws GristmillError `not_found`, `conflict` where several have the name
 */
export async function findTenant(client: AdminClient, nameOrId: string): Promise<TenantView> {
  const tenants = await client.all<TenantView>('/api/tenants')
  const byId = tenants.find(({ id }) => id === nameOrId)
  if (byId) return byId
  const [found, ...others] = tenants.filter(({ name }) => name === nameOrId)
  if (!found) throw new GristmillError('not_found', { kind: 'tenant', id: nameOrId })
  if (others.length === 0) return found
  const reason = `${others.length + 1} tenants are named ${nameOrId}; say the id of one`
  throw new GristmillError('conflict', { reason })
}

function withTenantOptions(command: Command): Command {
  return command
    .option('--weight <number>', 'share of the pool relative to other tenants', positive)
    .option('--classes <list>', 'classes its keys may ask for, comma-separated', list)
    .addOption(
      new Option('--default-class <class>', 'class of requests that name none').choices(
        serviceClasses,
      ),
    )
    .option('--models <list>', 'models its keys may use, comma-separated, or "all"', list)
    .option('--concurrency <n>', 'requests running at once, or "none"', limit)
    .option('--queue-depth <n>', 'requests waiting at once, or "none"', limit)
    .option('--tokens-per-minute <n>', 'prompt and output tokens in a minute, or "none"', limit)
    .option('--max-wait-ms <ms>', 'longest wait for an engine, or "none"', limit)
}

type Bound = number | 'none'

function limit(text: string): Bound {
  if (text === 'none') return text
  const value = wholeNumber(text)
  if (value === undefined) throw new InvalidArgumentError('Give a whole number, or "none".')
  return value
}

function bodyOf(flags: TenantFlags): Record<string, unknown> {
  const bound = (value: Bound | undefined) => (value === 'none' ? null : value)
  const limits = {
    concurrencyMax: bound(flags.concurrency),
    queueDepthMax: bound(flags.queueDepth),
    tokensPerMinute: bound(flags.tokensPerMinute),
    waitMsMax: bound(flags.maxWaitMs),
  }
  const hasLimits = Object.values(limits).some((value) => value !== undefined)
  return {
    name: flags.name,
    weight: flags.weight,
    classes: flags.classes,
    defaultClass: flags.defaultClass,
    models: flags.models?.[0] === 'all' ? null : flags.models,
    ...(hasLimits && { limits }),
  }
}

function describe({ terminal }: CliContext, tenant: TenantView): void {
  const line = (title: string, value: string) =>
    terminal.print(`${terminal.paint('dim', title.padEnd(14))} ${value}`)
  line('Tenant', `${tenant.name} (${tenant.id})`)
  line('Weight', String(tenant.weight))
  line('Classes', `${tenant.classes.join(', ')}; ${tenant.defaultClass} where none is named`)
  line('Models', tenant.models?.join(', ') ?? 'all')
  line('Limits', limitsInWords(tenant.limits))
  line('Keys', count(tenant.keyCount))
  line('Projects', count(tenant.projectCount))
  line('Created', moment(tenant.createdAt))
}

/** The limits of a tenant or key as one line. */
export function limitsInWords(limits: LimitsView): string {
  const parts = [
    limits.concurrencyMax !== null && `${count(limits.concurrencyMax)} running`,
    limits.queueDepthMax !== null && `${count(limits.queueDepthMax)} waiting`,
    limits.tokensPerMinute !== null && `${count(limits.tokensPerMinute)} tokens/min`,
    limits.waitMsMax !== null && `waits ${duration(limits.waitMsMax)} at most`,
  ].filter((part) => part !== false)
  return parts.length === 0 ? 'none of its own' : parts.join(', ')
}
