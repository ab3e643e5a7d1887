/** `gristmill ledger`: what a period cost, closing it, statements, and the proof of the books. */
import { type Command, Option } from 'commander'
import { nanosOfBooked } from '../base/index.ts'
import type { ChargebackView, ChargedTenantView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { closeCommands } from './ledger-close.ts'
import { compareCommand } from './ledger-compare.ts'
import { focusCommand } from './ledger-focus.ts'
import { reconcileCommands } from './ledger-reconcile.ts'
import { statementCommands } from './ledger-statements.ts'
import { trendCommand } from './ledger-trend.ts'
import { verifyCommand } from './ledger-verify.ts'
import { type Column, printTable } from './table.ts'
import { count, duration, moment, money } from './units.ts'
import { tenantNames } from './usage.ts'
import { time } from './values.ts'

const DAY_MS = 86_400_000

interface ChargebackFlags extends RemoteFlags {
  from?: string
  to?: string
  rule: string
}

/** Adds `ledger …` to the program. */
export function ledgerCommands(program: Command, context: CliContext): void {
  const group = program
    .command('ledger')
    .description('the books: what a period cost, closing it, statements, and their proof')
  example(
    remote(group.command('chargeback')),
    'ledger chargeback --from 2026-11-01 --to 2026-12-01 --rule use',
  )
    .description('what engines and rented services cost in a time, shared among tenants')
    .option('--from <time>', 'begin (default: 24 hours ago)', time)
    .option('--to <time>', 'end (default: now)', time)
    .addOption(
      new Option('--rule <rule>', "who pays for what was nobody's")
        .choices(['operator', 'weight', 'use'])
        .default('operator'),
    )
    .action((flags: ChargebackFlags) => chargeback(context, flags))
  trendCommand(group, context)
  compareCommand(group, context)
  closeCommands(group, context)
  statementCommands(group, context)
  focusCommand(group, context)
  reconcileCommands(group, context)
  verifyCommand(group, context)
}

async function chargeback(context: CliContext, flags: ChargebackFlags): Promise<void> {
  const client = connect(context, flags)
  const nowMs = context.clock.nowMs()
  const query = {
    from: flags.from ?? new Date(nowMs - DAY_MS).toISOString(),
    to: flags.to ?? new Date(nowMs).toISOString(),
    rule: flags.rule,
  }
  const view = await client.get<ChargebackView>('/api/chargeback', query)
  const names = flags.json ? new Map<string, string>() : await tenantNames(client)
  show(context, flags, view, () => tell(context, view, names))
}

function tell(
  { terminal }: CliContext,
  view: ChargebackView,
  names: ReadonlyMap<string, string>,
): void {
  const { fromAt, toAt, tenants, unallocated, engines, engineCost, overflowCost } = view
  terminal.note(`From ${moment(fromAt)} to ${moment(toAt)}`)
  printTable(terminal, tenants, columns(names), 'Nobody used an engine in this time.')
  if (unallocated) terminal.print(`Unallocated ${unallocated.total}, kept by the operator.`)
  terminal.print(`Engines cost ${engineCost}, rented services ${overflowCost}.`)
  for (const { name, uncostedS } of engines) {
    if (uncostedS === 0) continue
    const hint = `gristmill engine cost set ${name} --machine 2.10`
    terminal.note(`${name}: no cost is set for ${duration(uncostedS * 1000)} of this (${hint})`)
  }
}

function columns(names: ReadonlyMap<string, string>): Column<ChargedTenantView>[] {
  const sum = (title: string, kind: string): Column<ChargedTenantView> => ({
    title,
    value: ({ lines }) => total(lines.filter((line) => line.kind === kind)),
    align: 'right',
  })
  return [
    { title: 'TENANT', value: ({ tenantId }) => names.get(tenantId) ?? tenantId },
    sum('ENTITLED', 'entitled'),
    sum('BORROWED', 'borrowed'),
    sum('WASTED', 'wasted'),
    sum('IDLE SHARE', 'shared'),
    { title: 'OVERFLOW', value: ({ overflow }) => total(overflow), align: 'right' },
    { title: 'TOTAL', value: (tenant) => tenant.total, align: 'right' },
    { title: 'LENT', value: ({ lentS }) => duration(lentS * 1000), align: 'right' },
    {
      title: 'TOKENS SAVED',
      value: ({ cachedTokens, hitTokens }) => count(cachedTokens + hitTokens),
      align: 'right',
    },
  ]
}

const total = (rows: readonly { amount: string }[]) =>
  money(String(rows.reduce((sum, { amount }) => sum + nanosOfBooked(amount), 0n)))
