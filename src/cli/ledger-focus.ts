/** `gristmill ledger focus`: statements for tools of finance. */
import { type Command, Option } from 'commander'
import { GristmillError } from '../base/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote } from './context.ts'
import { copyBody } from './copy-body.ts'
import { month } from './values.ts'

interface FocusFlags extends RemoteFlags {
  period: ReturnType<typeof month>
  format: 'csv' | 'parquet'
  focusVersion: '1.3' | '1.2'
}

export function focusCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  example(
    remote(group.command('focus')),
    'ledger focus --period 2026-11 > november.csv',
    'ledger focus --period 2026-11 --format parquet > november.parquet',
  )
    .description('the statements of a month that stand, as FOCUS, for tools of finance')
    .requiredOption('--period <month>', 'a month in UTC, such as 2026-11', month)
    .addOption(
      new Option('--format <format>', 'of the file').choices(['csv', 'parquet']).default('csv'),
    )
    .addOption(
      new Option('--focus-version <version>', 'whose columns')
        .choices(['1.3', '1.2'])
        .default('1.3'),
    )
    .action(async ({ period, format, focusVersion, ...flags }: FocusFlags) => {
      if (format === 'parquet' && terminal.isTerminal) {
        const reason = 'it is not text; send it into a file: > november.parquet'
        throw new GristmillError('invalid_value', { param: '--format', reason })
      }
      const query = new URLSearchParams({ ...period, format, version: focusVersion })
      const path = `/api/ledger/focus?${query.toString()}`
      await copyBody(terminal, await connect(context, flags).open('GET', path))
    })
}
