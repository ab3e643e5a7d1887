/** `gristmill budget alerts`: when somebody is told of a budget, and what they were told. */
import type { Command } from 'commander'
import type { BudgetAlertsView, BudgetAlertView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'
import { between, list } from './values.ts'

interface AlertFlags extends RemoteFlags {
  percent?: string[]
  email?: string[]
  forecast?: boolean
}

/** Adds them to `budget`. */
export function alertCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    remote(group.command('alerts <id>')),
    'budget alerts bud_01…',
    'budget alerts bud_01… --percent 75,100 --email ada@example.org',
  )
    .description('when somebody is told of a budget, and when it will be empty; or change that')
    .option('--percent <list>', 'at these percentages of the limit; "none": at none', list)
    .option('--email <list>', 'besides the webhook of the tenant; "none": nobody', list)
    .option('--forecast', 'also when it will be used up before it renews')
    .option('--no-forecast', 'not then')
    .action(async (id: string, { percent, email, forecast, ...flags }: AlertFlags) => {
      const client = connect(context, flags)
      const path = `/api/budgets/${id}/alerts`
      const { outlook: _, ...before } = await client.get<BudgetAlertsView>(path)
      const isChange = [percent, email, forecast].some((one) => one !== undefined)
      const change = {
        percents: percent === undefined ? before.percents : noneOr(percent).map(between(1, 100)),
        emails: email === undefined ? before.emails : noneOr(email),
        onForecast: forecast ?? before.onForecast,
      }
      const view = isChange
        ? await client.put<BudgetAlertsView>(path, change)
        : await client.get<BudgetAlertsView>(path)
      show(context, flags, view, () => {
        for (const line of inWords(view)) terminal.print(line)
      })
    })
  example(remote(group.command('told')), 'budget told', 'budget told --tenant Support')
    .description('what was told of budgets, the newest first')
    .option('--tenant <tenant>', 'only of this one, name or id')
    .action(async ({ tenant, ...flags }: RemoteFlags & { tenant?: string }) => {
      const client = connect(context, flags)
      const query = { tenant: tenant && (await findTenant(client, tenant)).id }
      const rows = await client.all<BudgetAlertView>('/api/budget-alerts', query)
      show(context, flags, rows, () =>
        printTable(terminal, rows, columns, 'Nothing was told of any budget.'),
      )
    })
}

const noneOr = (given: string[]) => (given.length === 1 && given[0] === 'none' ? [] : given)

function inWords({ percents, onForecast, emails, outlook }: BudgetAlertsView): string[] {
  const at = percents.length === 0 ? 'At no percentage' : `At ${percents.join(', ')} %`
  const who = emails.length === 0 ? '' : ` and ${emails.join(', ')}`
  const lines = [`${at}${onForecast ? ', and on forecast' : ''}: the webhook of the tenant${who}.`]
  const { kind, emptyAt, steps } = outlook
  if (emptyAt !== null) {
    const { expected, earliest, latest } = emptyAt
    const until = latest === null ? 'when it renews' : moment(latest)
    lines.push(
      `At this pace it is empty on ${moment(expected)}.`,
      `Nine times out of ten between ${moment(earliest)} and ${until}.`,
    )
  } else if (kind === 'lasts') lines.push('At this pace it lasts until it renews.')
  else if (kind === 'few') lines.push(`Too little is known of its pace: ${steps} steps.`)
  return lines
}

const columns: Column<BudgetAlertView>[] = [
  { title: 'AT', value: ({ at }) => moment(at) },
  { title: 'BUDGET', value: ({ budgetName }) => budgetName },
  { title: 'TENANT', value: ({ tenantName }) => tenantName },
  {
    title: 'WHAT',
    value: ({ percent, emptyAt }) =>
      percent === null ? `empty on ${moment(emptyAt?.expected ?? null)}` : `${percent} % spent`,
  },
  {
    title: 'E-MAILS',
    value: ({ mails }) => mails.map(({ address, state }) => `${address} ${state}`).join(', '),
  },
]
