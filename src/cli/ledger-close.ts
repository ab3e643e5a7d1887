/** `gristmill ledger close` and `reopen`. */
import { type Command, Option } from 'commander'
import type { ClosedView, StatementView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { printStatements } from './ledger-statements.ts'
import { findTenant } from './tenants.ts'
import { month, statementNumber, time } from './values.ts'

interface CloseFlags extends RemoteFlags {
  period?: { from: string; to: string }
  from?: string
  to?: string
  rule: string
  basis: string
  tenant?: string[]
}

export function closeCommands(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    remote(group.command('close')),
    'ledger close --period 2026-11 --rule use',
    'ledger close --from 2026-11-01 --to 2026-11-15 --tenant Support',
  )
    .description('close a period: a numbered statement for each tenant')
    .option('--period <month>', 'a month in UTC, such as 2026-11', month)
    .addOption(new Option('--from <time>', 'begin').argParser(time).conflicts('period'))
    .addOption(new Option('--to <time>', 'end').argParser(time).conflicts('period'))
    .addOption(
      new Option('--rule <rule>', "who pays for what was nobody's")
        .choices(['operator', 'weight', 'use'])
        .default('operator'),
    )
    .addOption(
      new Option('--basis <basis>', 'what is billed: the share of costs, or use at the price book')
        .choices(['cost', 'prices'])
        .default('cost'),
    )
    .option('--tenant <tenant...>', 'only these, names or ids')
    .action(async ({ period, from, to, rule, basis, tenant, ...flags }: CloseFlags) => {
      const client = connect(context, flags)
      const found = tenant && (await Promise.all(tenant.map((one) => findTenant(client, one))))
      const tenants = found?.map(({ id }) => id)
      const body = { from, to, ...period, rule, basis, tenants }
      const closed = await client.post<ClosedView>('/api/ledger/close', body)
      show(context, flags, closed, () => {
        printStatements(terminal, closed.statements)
        for (const warning of closed.warnings) terminal.note(warning)
      })
    })
  example(remote(group.command('reopen <number>')), 'ledger reopen 12 --reason "cost was wrong"')
    .description('take a statement back by a credit note; its period can be closed again')
    .requiredOption('--reason <words>', 'why; it stands on the credit note')
    .action(async (number: string, { reason, ...flags }: RemoteFlags & { reason: string }) => {
      const path = `/api/statements/${statementNumber(number)}/reopen`
      const note = await connect(context, flags).post<StatementView>(path, { reason })
      show(context, flags, note, () => printStatements(terminal, [note]))
    })
}
