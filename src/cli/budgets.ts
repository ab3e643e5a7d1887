/** `gristmill budget`: what may be spent in a time, and how that stands. */
import { type Command, Option } from 'commander'
import type { BudgetView } from '../http/index.ts'
import { alertCommands } from './budget-alerts.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'

const PATH = '/api/budgets'

interface CreateFlags extends RemoteFlags {
  tenant: string
  project?: string
  key?: string
  endUser?: string
  unit: string
  limit: string
  period: string
  soft?: true
  clamp?: true
}

interface ChangeFlags extends RemoteFlags {
  name?: string
  limit?: string
  hard?: boolean
  clamp?: boolean
}

/** Adds `budget …` to the program. */
export function budgetCommands(program: Command, context: CliContext): void {
  const group = program.command('budget').description('budgets: what may be spent in a time')
  listBudgets(group, context)
  createBudget(group, context)
  changeBudgets(group, context)
  alertCommands(group, context)
}

function listBudgets(group: Command, context: CliContext): void {
  example(remote(group.command('list')), 'budget list', 'budget list --tenant Support')
    .description('list budgets as they stand')
    .option('--tenant <tenant>', 'only of this one, name or id')
    .action(async ({ tenant, ...flags }: RemoteFlags & { tenant?: string }) => {
      const client = connect(context, flags)
      const id = tenant && (await findTenant(client, tenant)).id
      const path = id ? `${PATH}?tenant=${id}` : PATH
      const { rows } = await client.get<{ rows: BudgetView[] }>(path)
      show(context, flags, rows, () =>
        printTable(context.terminal, rows, columns, 'No budgets: nothing bounds what is spent.'),
      )
    })
}

function createBudget(group: Command, context: CliContext): void {
  example(
    remote(group.command('create <name>')),
    'budget create november --tenant Support --limit 250 --period month',
    'budget create trial --tenant Support --end-user "*" --unit tokens --limit 20000 --period day',
  )
    .description('bound what a tenant, a project, a key or end users may spend in a time')
    .requiredOption('--tenant <tenant>', 'whose it is, name or id')
    .option('--project <id>', 'only this project')
    .option('--key <id>', 'only this key')
    .option('--end-user <name>', 'only this end user; "*": each end user')
    .addOption(
      new Option('--unit <unit>', 'what is counted')
        .choices(['money', 'tokens', 'engine_seconds'])
        .default('money'),
    )
    .requiredOption('--limit <amount>', 'how much of it')
    .addOption(
      new Option('--period <period>', 'when it renews')
        .choices(['hour', 'day', 'week', 'month', 'total'])
        .makeOptionMandatory(),
    )
    .option('--soft', 'only tell, refuse nothing')
    .option('--clamp', 'make an answer shorter where it would not fit otherwise')
    .action(async (name: string, flags: CreateFlags) => {
      const client = connect(context, flags)
      const { id: tenantId } = await findTenant(client, flags.tenant)
      const { unit, limit, period, project: projectId, key: keyId, endUser } = flags
      const how = { isHard: flags.soft !== true, clamps: flags.clamp === true }
      const body = { name, tenantId, projectId, keyId, endUser, unit, limit, period, ...how }
      const made = await client.post<BudgetView>(PATH, body)
      show(context, flags, made, () => context.terminal.print(`Created ${inWords(made)}.`))
    })
}

function changeBudgets(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('update <id>')), 'budget update bud_01… --limit 400')
    .description('change a budget; what is not named stays')
    .option('--name <name>', 'new name')
    .option('--limit <amount>', 'new limit')
    .option('--hard', 'refuse what does not fit')
    .option('--no-hard', 'only tell')
    .option('--clamp', 'make answers shorter that would not fit otherwise')
    .option('--no-clamp', 'refuse them')
    .action(async (id: string, { name, limit, hard, clamp, ...flags }: ChangeFlags) => {
      const body = { name, limit, isHard: hard, clamps: clamp }
      const changed = await connect(context, flags).patch<BudgetView>(`${PATH}/${id}`, body)
      show(context, flags, changed, () => terminal.print(`Now ${inWords(changed)}.`))
    })
  example(remote(group.command('end <id>')), 'budget end bud_01…')
    .description('end a budget: nothing is refused for it any more')
    .action(async (id: string, flags: RemoteFlags) => {
      await connect(context, flags).delete(`${PATH}/${id}`)
      show(context, flags, { id, ended: true }, () => terminal.print(`Ended ${id}.`))
    })
}

const inWords = ({ name, id, limit, unit, currency, period }: BudgetView) =>
  `${name} (${id}): ${limit} ${currency ?? unit.replace('_', '-')}, ${periodInWords(period)}`

const periodInWords = (period: string) => (period === 'total' ? 'once' : `every ${period}`)

function scopeOf({ projectId, keyId, endUser }: BudgetView): string {
  if (endUser !== null) return endUser === '*' ? 'each end user' : `end user ${endUser}`
  return projectId ?? keyId ?? 'tenant'
}

const columns: Column<BudgetView>[] = [
  { title: 'BUDGET', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'FOR', value: scopeOf },
  { title: 'KIND', value: ({ isHard }) => (isHard ? 'hard' : 'soft') },
  { title: 'LIMIT', value: ({ limit }) => limit, align: 'right' },
  { title: 'SPENT', value: ({ spent }) => spent, align: 'right' },
  { title: 'SET ASIDE', value: ({ reserved }) => reserved, align: 'right' },
  { title: 'LEFT', value: ({ left }) => left, align: 'right' },
  { title: 'UNIT', value: ({ currency, unit }) => currency ?? unit.replace('_', '-') },
  { title: 'RENEWS', value: ({ renewsAt }) => moment(renewsAt) },
]
