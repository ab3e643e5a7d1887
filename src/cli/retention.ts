/** `gristmill retention`: what is kept how long, what goes next, and what went. */
import type { Command } from 'commander'
import type { DroppedMonthView, KeptKindView, KeptMonthView, RetentionView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { bytes, count, moment } from './units.ts'

export function retentionCommand(program: Command, context: CliContext): void {
  example(remote(program.command('retention')), 'retention')
    .description('what is kept how long, how much of it there is, what goes next and what went')
    .action(async (flags: RemoteFlags) => {
      const view = await connect(context, flags).get<RetentionView>('/api/retention')
      show(context, flags, view, () => tell(context, view))
    })
}

function tell({ terminal }: CliContext, { requests, kinds }: RetentionView): void {
  const { kept, next, dropped, months } = requests
  const filled = kept.filter((month) => month.requests > 0)
  printTable(terminal, filled, monthColumns, 'No request is kept.')
  if (next !== null) {
    terminal.print(
      `Requests are kept for ${count(months)} whole months; the oldest go on ${dayOf(next.dueAt)}.`,
    )
    if (next.keptBy !== null) terminal.print(`They stay until all is closed. ${next.keptBy}`)
  }
  if (dropped.length > 0) {
    terminal.print('')
    printTable(terminal, dropped, dropColumns, '')
  }
  terminal.print('')
  printTable(terminal, kinds, kindColumns, '')
  if (kinds.some(({ size }) => size?.isEstimate)) {
    terminal.note("Rows with ~ are PostgreSQL's estimate.")
  }
}

const dayOf = (iso: string) => iso.slice(0, 10)
/** `2026-11`; a month ends with the first moment of the next one. */
const monthBefore = (iso: string) => new Date(Date.parse(iso) - 1).toISOString().slice(0, 7)

const rows = (value: number, isEstimate: boolean) => `${isEstimate ? '~' : ''}${count(value)}`

const monthColumns: Column<KeptMonthView>[] = [
  {
    title: 'MONTH',
    value: ({ fromAt, untilAt }) => `${fromAt === null ? 'until ' : ''}${monthBefore(untilAt)}`,
  },
  {
    title: 'REQUESTS',
    value: ({ requests, isEstimate }) => rows(requests, isEstimate),
    align: 'right',
  },
  { title: 'ON DISK', value: (month) => bytes(month.bytes), align: 'right' },
  { title: 'GOES ON', value: ({ dueAt }) => dayOf(dueAt) },
]

const dropColumns: Column<DroppedMonthView>[] = [
  { title: 'WENT UNTIL', value: ({ untilAt }) => monthBefore(untilAt) },
  { title: 'REQUESTS', value: ({ requests }) => count(requests), align: 'right' },
  {
    title: 'TOKENS',
    value: ({ inputTokens, outputTokens }) => count(inputTokens + outputTokens),
    align: 'right',
  },
  { title: 'CHARGE', value: ({ charge }) => charge, align: 'right' },
  { title: 'ON', value: ({ at }) => moment(at) },
]

const kindColumns: Column<KeptKindView>[] = [
  { title: 'KEPT', value: ({ name }) => name },
  { title: 'FOR', value: keptFor },
  { title: 'SET BY', value: ({ setting }) => setting ?? '' },
  {
    title: 'ROWS',
    value: ({ size }) => (size === null ? 'in memory' : rows(size.rows, size.isEstimate)),
    align: 'right',
  },
  {
    title: 'ON DISK',
    value: ({ size }) => (size === null ? '' : bytes(size.bytes)),
    align: 'right',
  },
]

function keptFor({ keptFor: time, byTenant }: KeptKindView): string {
  if (byTenant !== null) {
    const { tenants, daysMin, daysMax } = byTenant
    if (tenants === 0) return 'no tenant wants it'
    const days = daysMin === daysMax ? `${daysMin}` : `${daysMin} to ${daysMax}`
    return `${days} days, of ${count(tenants)} tenants`
  }
  return time === null ? 'ever' : `${count(time.amount)} ${time.unit} after ${time.after}`
}
