/** `gristmill trace`: traffic without a word of it, from published files and the own ledger. */
import { type Command, Option } from 'commander'
import { type ServiceClass, serviceClasses } from '../base/index.ts'
import type { RequestView } from '../http/index.ts'
import { ledgerTraceRow, type TraceRow, traceHeader, traceLine } from '../pool/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote } from './context.ts'
import { findTenant } from './tenants.ts'
import { readTraceFile } from './trace-file.ts'
import { count } from './units.ts'
import { between, positive } from './values.ts'

const HOUR_MS = 3_600_000

/** Adds `trace import` and `trace export` to the program. */
export function traceCommands(program: Command, context: CliContext): void {
  const trace = program.command('trace').description('traces of traffic, for plan and replay')
  example(trace.command('import'), 'trace import --file azure.csv > traffic.csv')
    .description('a published trace (Azure, Mooncake, Arena, lengths) in the own form')
    .requiredOption('--file <file>', 'the trace')
    .addOption(
      new Option('--class <class>', 'of requests without one')
        .choices(serviceClasses)
        .default('standard'),
    )
    .option('--tenants <n>', 'tenants to split a trace over that has none', between(1, 1000), 8)
    .option('--seed <n>', 'of the split', between(0, 2 ** 31), 1)
    .action((flags: { file: string; class: ServiceClass; tenants: number; seed: number }) => {
      const { file, class: serviceClass, tenants, seed } = flags
      write(context, readTraceFile(file, { tenants, seed, serviceClass }))
    })
  example(remote(trace.command('export')), 'trace export --hours 24 > traffic.csv')
    .description('requests of the ledger as a trace; lengths and times, no prompts')
    .option('--hours <n>', 'how far back', positive, 24)
    .option('--tenant <tenant>', 'only this one, name or id')
    .action((flags: RemoteFlags & { hours: number; tenant?: string }) =>
      exportTrace(context, flags),
    )
}

async function exportTrace(
  context: CliContext,
  flags: RemoteFlags & { hours: number; tenant?: string },
): Promise<void> {
  const client = connect(context, flags)
  const sinceMs = context.clock.nowMs() - flags.hours * HOUR_MS
  const tenant = flags.tenant && (await findTenant(client, flags.tenant)).id
  const found: { atMs: number; row: TraceRow }[] = []
  for await (const request of client.rows<RequestView>('/api/requests', { tenant })) {
    if (request.settledAt === null || request.hitInputTokens !== null) continue
    // Those that ended last come first, and none ends before it arrives.
    if (Date.parse(request.settledAt) < sinceMs) break
    const atMs = Date.parse(request.arrivedAt)
    if (atMs >= sinceMs) found.push({ atMs, row: ledgerTraceRow(request, 0) })
  }
  found.sort((a, b) => a.atMs - b.atMs)
  const beginMs = found[0]?.atMs ?? 0
  write(
    context,
    found.map(({ atMs, row }) => ({ ...row, atMs: atMs - beginMs })),
  )
}

function write({ terminal }: CliContext, rows: readonly TraceRow[]): void {
  terminal.print(traceHeader)
  for (const row of rows) terminal.print(traceLine(row))
  terminal.note(`${count(rows.length)} requests.`)
}
