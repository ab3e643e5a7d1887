/** `gristmill service-account`: accounts of programs, bound to a tenant and without a password. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { ServiceAccountView, TenantView } from '../http/index.ts'
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
import { printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'

const PATH = '/api/service-accounts'

interface Flags extends RemoteFlags {
  tenant?: string
  subject?: string
  name?: string
  yes?: true
}

/** Adds `service-account …` to the program. */
export function serviceAccountCommands(program: Command, context: CliContext): void {
  const group = program.command('service-account').description('accounts of programs')
  const { terminal } = context
  example(
    remote(group.command('list')).option('--tenant <tenant>', 'only of this one, name or id'),
    'service-account list --tenant Support',
  )
    .description('list accounts of programs')
    .action(async (flags: Flags) => {
      const client = connect(context, flags)
      const tenant = flags.tenant && (await findTenant(client, flags.tenant)).id
      const rows = await client.all<ServiceAccountView>(PATH, { tenant })
      const tenants = await client.all<TenantView>('/api/tenants')
      const nameOf = (id: string) => tenants.find((one) => one.id === id)?.name ?? id
      const columns = [
        { title: 'NAME', value: ({ name }: ServiceAccountView) => name },
        { title: 'TENANT', value: ({ tenantId }: ServiceAccountView) => nameOf(tenantId) },
        { title: 'KEYS', value: ({ keyCount }: ServiceAccountView) => String(keyCount) },
        { title: 'SUBJECT', value: (one: ServiceAccountView) => one.tokenSubject ?? '–' },
        { title: 'STATE', value: (one: ServiceAccountView) => (one.isDisabled ? 'off' : 'on') },
        { title: 'SINCE', value: ({ createdAt }: ServiceAccountView) => moment(createdAt) },
        { title: 'ID', value: ({ id }: ServiceAccountView) => id },
      ]
      show(context, flags, rows, () => printTable(terminal, rows, columns, 'None yet.'))
    })
  example(
    remote(group.command('create <name>'))
      .requiredOption('--tenant <tenant>', 'whose it is, name or id')
      .option('--subject <sub>', 'subject of tokens of the identity provider that stand for it'),
    'service-account create nightly --tenant Support',
    'service-account create nightly --tenant Support --subject nightly-job',
  )
    .description('create an account of a program')
    .action(async (name: string, flags: Flags) => {
      const client = connect(context, flags)
      const { id: tenantId } = await findTenant(client, flags.tenant ?? '')
      const body = { name, tenantId, ...(flags.subject && { tokenSubject: flags.subject }) }
      const made = await client.post<ServiceAccountView>(PATH, body)
      show(context, flags, made, () => {
        terminal.print(`Made ${made.name} (${made.id}).`)
        terminal.note(`A key: gristmill key create --tenant ${flags.tenant} --account ${made.id}`)
      })
    })
  changeCommands(group, context)
}

function changeCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  for (const [verb, isDisabled, effect] of [
    ['disable', true, 'its keys and tokens stop at once'],
    ['enable', false, 'its keys and tokens go on'],
  ] as const) {
    example(remote(group.command(`${verb} <account>`)), `service-account ${verb} nightly`)
      .description(`${verb} one, by name or id; ${effect}`)
      .action(async (account: string, flags: Flags) => {
        const client = connect(context, flags)
        const { id } = await findAccount(client, account)
        const changed = await client.patch<ServiceAccountView>(`${PATH}/${id}`, { isDisabled })
        show(context, flags, changed, () => terminal.print(`${changed.name}: ${effect}.`))
      })
  }
  example(remote(group.command('remove <account>')), 'service-account remove nightly')
    .description('remove one, by name or id; its keys are revoked')
    .option('--yes', 'do not ask')
    .action(async (account: string, flags: Flags) => {
      const client = connect(context, flags)
      const { id, name, keyCount } = await findAccount(client, account)
      await confirm(context, flags, `Remove ${name}? Its ${keyCount} keys stop for ever.`)
      await client.delete(`${PATH}/${id}`)
      show(context, flags, { id, removed: true }, () => terminal.print(`Removed ${name}.`))
    })
}

async function findAccount(client: AdminClient, nameOrId: string): Promise<ServiceAccountView> {
  const all = await client.all<ServiceAccountView>(PATH)
  const found = all.filter(({ id, name }) => id === nameOrId || name === nameOrId)
  const [one] = found
  if (found.length === 1 && one !== undefined) return one
  if (one === undefined) throw new GristmillError('not_found', { kind: 'account', id: nameOrId })
  const reason = `${found.length} tenants have one of this name; give its id`
  throw new GristmillError('invalid_value', { param: 'account', reason })
}
