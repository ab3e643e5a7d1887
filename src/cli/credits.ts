/** `gristmill credit`: what tenants have paid before they ask. */
import type { Command } from 'commander'
import { systemRandom } from '../base/index.ts'
import type { BudgetView, CreditBooked, CreditView, TenantView } from '../http/index.ts'
import { isRefusal } from './client.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'

const PATH = '/api/credits'

interface NoteFlags extends RemoteFlags {
  note: string
  idempotencyKey?: string
}

/** Adds `credit …` to the program. */
export function creditCommands(program: Command, context: CliContext): void {
  const group = program
    .command('credit')
    .description('prepaid credit: once a tenant has any, it is let in as far as that goes')
  listCredits(group, context)
  bookCredits(group, context)
}

function listCredits(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('list')), 'credit list --tenant Support')
    .description('list what was paid in and back, the newest first, and what is left')
    .option('--tenant <tenant>', 'only of this one, name or id')
    .action(async ({ tenant, ...flags }: RemoteFlags & { tenant?: string }) => {
      const client = connect(context, flags)
      const query = { tenant: tenant && (await findTenant(client, tenant)).id }
      const tenants = await client.all<TenantView>('/api/tenants')
      const names = new Map(tenants.map(({ id, name }) => [id, name]))
      const nameOf = (id: string) => names.get(id) ?? id
      const credits = await client.all<CreditView>(PATH, query)
      const path = query.tenant ? `/api/budgets?tenant=${query.tenant}` : '/api/budgets'
      const { rows } = await client.get<{ rows: BudgetView[] }>(path)
      const balances = rows.filter(({ isPrepaid }) => isPrepaid)
      show(context, flags, { credits, balances }, () => {
        printTable(terminal, credits, columns(nameOf), 'No credit: nobody pays before they ask.')
        for (const one of balances) terminal.print(inWords(nameOf(one.tenantId), one))
      })
    })
}

function bookCredits(group: Command, context: CliContext): void {
  const book = async (
    { note, idempotencyKey: key = newKey(), ...flags }: NoteFlags,
    tenant: string,
    row: { kind: CreditView['kind']; amount: string },
  ) => {
    const client = connect(context, flags)
    const { id: tenantId, name } = await findTenant(client, tenant)
    const body = { tenantId, ...row, note }
    const booked = await client
      .postOnce<CreditBooked>(PATH, body, key, context.clock)
      .catch((error: unknown) => {
        if (!isRefusal(error)) {
          const again = `repeat it with --idempotency-key ${key}, and it is booked once`
          context.terminal.note(`Whether this was booked is not known: ${again}.`)
        }
        throw error
      })
    show(context, flags, booked, () => context.terminal.print(inWords(name, booked.budget)))
  }
  const withNote = (command: Command, what: string) =>
    remote(command)
      .requiredOption('--note <words>', what)
      .option('--idempotency-key <key>', 'what was booked with the same key is not booked again')
  example(
    withNote(group.command('add <tenant> <amount>'), 'what was paid, such as the invoice'),
    'credit add Support 250 --note "invoice 2026-118"',
  )
    .description('add what a tenant has paid')
    .action((tenant: string, amount: string, flags: NoteFlags) =>
      book(flags, tenant, { kind: 'top_up', amount }),
    )
  example(
    withNote(group.command('refund <tenant> <amount>'), 'why'),
    'credit refund Support 40 --note "contract ended"',
  )
    .description('pay back what is left, or a part of it')
    .action((tenant: string, amount: string, flags: NoteFlags) =>
      book(flags, tenant, { kind: 'refund', amount }),
    )
  example(
    withNote(group.command('correct <tenant> <amount>'), 'which row, and what was wrong'),
    'credit correct Support 25 --note "crd_01… was 225"',
    'credit correct Support 25 --less --note "crd_02… was 275"',
  )
    .description('correct a row before by a new one')
    .option('--less', 'the tenant has less by it; it may have used more then than is left')
    .action((tenant: string, amount: string, { less, ...flags }: NoteFlags & { less?: true }) =>
      book(flags, tenant, { kind: 'correction', amount: less ? `-${amount}` : amount }),
    )
}

const newKey = () => Buffer.from(systemRandom.bytes(16)).toString('base64url')

const inWords = (name: string, { limit, spent, left, reserved, currency }: BudgetView) =>
  `${name}: ${left} ${currency} left of ${limit}; ${spent} used, ${reserved} set aside.`

const columns = (nameOf: (tenantId: string) => string): Column<CreditView>[] => [
  { title: 'AT', value: ({ at }) => moment(at) },
  { title: 'ID', value: ({ id }) => id },
  { title: 'TENANT', value: ({ tenantId }) => nameOf(tenantId) },
  { title: 'KIND', value: ({ kind }) => kind.replace('_', '-') },
  { title: 'AMOUNT', value: ({ amount, currency }) => `${amount} ${currency}`, align: 'right' },
  { title: 'NOTE', value: ({ note }) => note },
  { title: 'BY', value: ({ actor }) => actor },
]
