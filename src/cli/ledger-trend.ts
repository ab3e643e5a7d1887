/** `gristmill ledger trend`: what months cost, and what the running one will. */
import type { Command } from 'commander'
import { nanosOfBooked } from '../base/index.ts'
import type { CostTrendView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { money } from './units.ts'

/** Adds it to `ledger`. */
export function trendCommand(group: Command, context: CliContext): void {
  example(remote(group.command('trend')), 'ledger trend', 'ledger trend --months 24')
    .description('what engines and rented services cost by month, and will in the running one')
    .option('--months <count>', 'so many, with the running one', '12')
    .action(async ({ months, ...flags }: RemoteFlags & { months: string }) => {
      const view = await connect(context, flags).get<CostTrendView>('/api/costs', { months })
      show(context, flags, view, () => tell(context, view))
    })
}

function tell({ terminal }: CliContext, { months, forecast }: CostTrendView): void {
  printTable(terminal, months, columns, 'Nothing has cost anything yet.')
  const { month, days, fromAt } = forecast
  if (month === null) {
    terminal.note(`Too little data for a forecast: ${days} whole days of at least 7.`)
    return
  }
  const [expected, low, high] = [month.expected, month.low, month.high].map(amount)
  const name = fromAt.slice(0, 7)
  terminal.print(`${name} will come to about ${expected}, nine times out of ten ${low} to ${high}.`)
}

const amount = (text: string) => money(String(nanosOfBooked(text)))

const columns: Column<CostTrendView['months'][number]>[] = [
  { title: 'MONTH', value: ({ fromAt }) => fromAt.slice(0, 7) },
  { title: 'AT WORK', value: ({ used }) => amount(used), align: 'right' },
  { title: 'IDLE', value: ({ idle }) => amount(idle), align: 'right' },
  { title: 'RENTED', value: ({ rented }) => amount(rented), align: 'right' },
]
