/** `gristmill tenant`: who shares the pool, and with which weight. */
import { type Command, Option } from 'commander'
import { GristmillError, serviceClasses } from '../base/index.ts'
import type { TenantView } from '../http/index.ts'
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
import { type LimitFlags, limitsInWords, limitsOf, withLimitOptions } from './limit-options.ts'
import { type Column, printTable } from './table.ts'
import { count, moment } from './units.ts'
import { between, list, positive } from './values.ts'

interface TenantFlags extends RemoteFlags, LimitFlags {
  name?: string
  weight?: number
  classes?: string[]
  defaultClass?: string
  models?: string[]
  keepResponses?: number
  pricePlan?: string
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

/** Adds `tenant …` to the program, and returns it. */
export function tenantCommands(program: Command, context: CliContext): Command {
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
  return group
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
  return withLimitOptions(command)
    .option('--weight <number>', 'share of the pool relative to other tenants', positive)
    .option('--classes <list>', 'classes its keys may ask for, comma-separated', list)
    .addOption(
      new Option('--default-class <class>', 'class of requests that name none').choices(
        serviceClasses,
      ),
    )
    .option('--models <list>', 'models its keys may use, comma-separated, or "all"', list)
    .option(
      '--keep-responses <days>',
      'days that its responses are kept; 0 keeps none',
      between(0, 3650),
    )
    .option('--price-plan <name>', 'prices that it has, or "none" for those of everybody')
}

function bodyOf(flags: TenantFlags): Record<string, unknown> {
  return {
    name: flags.name,
    weight: flags.weight,
    classes: flags.classes,
    defaultClass: flags.defaultClass,
    models: flags.models?.[0] === 'all' ? null : flags.models,
    responseDays: flags.keepResponses,
    pricePlan: flags.pricePlan === 'none' ? null : flags.pricePlan,
    ...limitsOf(flags),
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
  line('Responses', keptInWords(tenant.responseDays))
  line('Price plan', tenant.pricePlan ?? 'none')
  line('Keys', count(tenant.keyCount))
  line('Projects', count(tenant.projectCount))
  line('Created', moment(tenant.createdAt))
}

const keptInWords = (days: number) =>
  days === 0 ? 'not kept' : `kept for ${days} ${days === 1 ? 'day' : 'days'}`
