/** `gristmill user`: the people of the console. */
import { type Command, Option } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { RoleName, UserInvited, UserView } from '../http/index.ts'
import { accessRuleCommands } from './access-rules.ts'
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
import { list } from './values.ts'

const roles: RoleName[] = ['owner', 'operator', 'member', 'viewer', 'finance']

/** Adds `user …` to the program. */
export function userCommands(program: Command, context: CliContext): void {
  const group = program.command('user').description('people who sign in to the console')
  const { terminal } = context
  example(remote(group.command('list')), 'user list')
    .description('list people')
    .action(async (flags: RemoteFlags) => {
      const rows = await connect(context, flags).all<UserView>('/api/users')
      show(context, flags, rows, () =>
        printTable(terminal, rows, userColumns, 'Nobody yet. Open: gristmill user invite-link'),
      )
    })
  interface InviteFlags extends RemoteFlags {
    role: RoleName
    name?: string
    tenants?: string[]
  }
  example(
    remote(group.command('invite <email>')),
    'user invite anna@example.org --role member --tenants Support',
  )
    .description('invite a person; prints a one-time link to hand over')
    .addOption(new Option('--role <role>', 'role').choices(roles).default('member'))
    .option('--name <name>', 'name (default: the part before the @)')
    .option('--tenants <list>', 'tenants the person may act for, names or ids', list)
    .action(async (email: string, { role, name, tenants = [], ...flags }: InviteFlags) => {
      const client = connect(context, flags)
      const found = await Promise.all(tenants.map((one) => findTenant(client, one)))
      const invited = await client.post<UserInvited>('/api/users', {
        email,
        role,
        name: name ?? email.replace(/@.*$/, ''),
        tenantIds: found.map(({ id }) => id),
      })
      show(context, flags, invited, () => tellLink(context, invited.link, email))
    })
  example(
    remote(group.command('invite-link [email]')),
    'user invite-link',
    'user invite-link anna@example.org',
  )
    .description('a new one-time link: for a person, or without one to make an owner')
    .action(async (email: string | undefined, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const path =
        email === undefined
          ? '/api/link/owner'
          : `/api/users/${(await findUser(client, email)).id}/invite`
      const made = await client.post<{ link: string }>(path)
      show(context, flags, { link: made.link }, () => tellLink(context, made.link, email))
    })
  userChangeCommands(group, context)
  accessRuleCommands(group, context)
}

function userChangeCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  interface ChangeFlags extends RemoteFlags {
    role?: RoleName
    name?: string
    tenants?: string[]
    yes?: true
  }
  example(
    remote(group.command('change <user>')),
    'user change anna@example.org --role operator',
    'user change anna@example.org --tenants Support,Research',
  )
    .description('change name, role or tenants, by email or id; what is not named stays')
    .addOption(new Option('--role <role>', 'role').choices(roles))
    .option('--name <name>', 'name')
    .option('--tenants <list>', 'tenants they may act for, names or ids, or "all"', list)
    .action(async (user: string, { role, name, tenants, ...flags }: ChangeFlags) => {
      const client = connect(context, flags)
      const { id } = await findUser(client, user)
      const named = tenants?.[0] === 'all' ? [] : tenants
      const found = named && (await Promise.all(named.map((one) => findTenant(client, one))))
      const tenantIds = found?.map((tenant) => tenant.id)
      const changed = await client.patch<UserView>(`/api/users/${id}`, { role, name, tenantIds })
      show(context, flags, changed, () =>
        terminal.print(`${changed.name} (${changed.email}) is ${changed.role}.`),
      )
    })
  example(remote(group.command('remove <user>')), 'user remove anna@example.org')
    .description('remove a person, by email or id; their sessions end at once')
    .option('--yes', 'do not ask')
    .action(async (user: string, flags: ChangeFlags) => {
      const client = connect(context, flags)
      const { id, email } = await findUser(client, user)
      await confirm(context, flags, `Remove ${email}? Their sessions end at once.`)
      await client.delete(`/api/users/${id}`)
      show(context, flags, { id, removed: true }, () => terminal.print(`Removed ${email}.`))
    })
}

const userColumns: Column<UserView>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'EMAIL', value: ({ email }) => email },
  { title: 'ROLE', value: ({ role }) => role },
  {
    title: 'TENANTS',
    value: ({ tenantIds }) => (tenantIds.length === 0 ? 'all of the role' : tenantIds.join(', ')),
  },
  { title: 'SINCE', value: ({ createdAt }) => moment(createdAt) },
]

async function findUser(client: AdminClient, emailOrId: string): Promise<UserView> {
  const users = await client.all<UserView>('/api/users')
  const wanted = emailOrId.toLowerCase()
  const user = users.find(({ id, email }) => id === emailOrId || email.toLowerCase() === wanted)
  if (!user) throw new GristmillError('not_found', { kind: 'user', id: emailOrId })
  return user
}

function tellLink({ terminal }: CliContext, link: string, email: string | undefined): void {
  terminal.note(`One-time link ${email === undefined ? 'that makes an owner' : `for ${email}`}:`)
  terminal.print(link)
}
