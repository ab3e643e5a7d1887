/** `gristmill replay`: plays a trace against a running server, with prompts that stand in. */
import { type Command, Option } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { TenantView } from '../http/index.ts'
import type { TraceRow } from '../pool/index.ts'
import { firstModel } from './chat.ts'
import { chatEvents } from './chat-events.ts'
import type { AdminClient } from './client.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { promptFor } from './replay-text.ts'
import { type Column, printTable } from './table.ts'
import { readTraceFile } from './trace-file.ts'
import { count, duration } from './units.ts'
import { between, positive } from './values.ts'

interface ReplayFlags extends RemoteFlags {
  trace: string
  speed: number
  seconds?: number
  model?: string
  tenants: number
  seed: number
}

/** Requests at once; more are not sent, since waiting here would no longer be the trace. */
const IN_FLIGHT_MAX = 2000
/** How long requests may go on after the last one was sent. */
const PATIENCE_MS = 120_000

/** Adds `replay` to the program. */
export function replayCommand(program: Command, context: CliContext): void {
  example(remote(program.command('replay')), 'replay --trace traffic.csv --speed 2 --seconds 300')
    .description(
      'send the requests of a trace at their times, with made-up prompts of their length',
    )
    .requiredOption('--trace <file>', 'a trace: the own form (docs/traces.md) or a published one')
    .addOption(new Option('--speed <k>', 'times as fast').argParser(positive).default(1))
    .option('--seconds <n>', 'stop after so long', positive)
    .option('--model <name>', 'model (default: the first one served)')
    .option('--tenants <n>', 'tenants to split a trace over that has none', between(1, 1000), 8)
    .option('--seed <n>', 'of the split', between(0, 2 ** 31), 1)
    .action((flags: ReplayFlags) => replay(context, flags))
}

/** What came of one request. */
interface Sent {
  tenant: string
  askedTokens: number
  outputTokens: number
  ttftMs: number | null
  totalMs: number
  outcome: 'done' | 'failed' | 'unfinished' | 'not sent'
}

async function replay(context: CliContext, flags: ReplayFlags): Promise<void> {
  const { clock, terminal } = context
  const client = connect(context, flags)
  const untilMs = (flags.seconds ?? Number.POSITIVE_INFINITY) * 1000 * flags.speed
  const rows = readTraceFile(flags.trace, flags).filter(({ atMs }) => atMs < untilMs)
  const tenantOf = await tenantMap(client, rows)
  const model = flags.model ?? (await firstModel(client))
  terminal.note(`${count(rows.length)} requests to ${model}, ${flags.speed} times as fast.`)
  const stop = new AbortController()
  const sent: Sent[] = []
  const running = new Set<Promise<void>>()
  const startMs = clock.monotonicMs()
  for (const [serial, row] of rows.entries()) {
    const dueMs = startMs + row.atMs / flags.speed
    const waitMs = dueMs - clock.monotonicMs()
    if (waitMs > 0) await clock.sleep(waitMs)
    const one = { tenant: row.tenant, askedTokens: row.outputTokens, outputTokens: 0, totalMs: 0 }
    if (running.size >= IN_FLIGHT_MAX) {
      sent.push({ ...one, ttftMs: null, outcome: 'not sent' })
      continue
    }
    const result: Sent = { ...one, ttftMs: null, outcome: 'unfinished' }
    sent.push(result)
    const path = `/api/playground/chat?tenant=${tenantOf.get(row.tenant)}`
    const body = bodyOf(row, serial, model)
    const work = ask(context, client, path, body, result, stop.signal)
    running.add(work)
    void work.then(() => running.delete(work))
  }
  const timeout = clock.after(PATIENCE_MS, () => stop.abort())
  await Promise.all(running)
  timeout.cancel()
  const report = byTenant(sent)
  show(context, flags, report, () => printTable(terminal, report, columns, 'Nothing was sent.'))
}

function bodyOf(row: TraceRow, serial: number, model: string) {
  return {
    model,
    messages: [{ role: 'user', content: promptFor(row, serial) }],
    // Engines that know the field go on to the length of the trace; others may end before it.
    ignore_eos: true,
    max_tokens: Math.max(1, row.outputTokens),
    service_tier: row.serviceClass,
    stream: true,
    stream_options: { include_usage: true },
  }
}

/** Never rejects: what goes wrong is a result. */
async function ask(
  { clock, terminal }: CliContext,
  client: AdminClient,
  path: string,
  body: unknown,
  result: Sent,
  signal: AbortSignal,
): Promise<void> {
  const startMs = clock.monotonicMs()
  try {
    const response = await client.open('POST', path, { body, signal })
    for await (const event of chatEvents(response)) {
      if (event.content !== '') result.ttftMs ??= clock.monotonicMs() - startMs
      result.outputTokens = event.outputTokens ?? result.outputTokens
    }
    result.outcome = 'done'
  } catch (error) {
    if (!signal.aborted) {
      if (!(error instanceof Error)) throw error
      result.outcome = 'failed'
      terminal.note(`${result.tenant}: ${error.message}`)
    }
  }
  result.totalMs = clock.monotonicMs() - startMs
}

/** Tenants of the trace that exist here stay; the others are dealt out to those there are. */
async function tenantMap(
  client: AdminClient,
  rows: readonly TraceRow[],
): Promise<Map<string, string>> {
  const known = await client.all<TenantView>('/api/tenants')
  if (known.length === 0) throw new GristmillError('not_found', { kind: 'tenant', id: '(none)' })
  const names = [...new Set(rows.map(({ tenant }) => tenant))]
  return new Map(
    names.map((name, i) => {
      const same = known.find((tenant) => tenant.id === name || tenant.name === name)
      return [name, (same ?? known[i % known.length])?.id ?? '']
    }),
  )
}

interface TenantResult {
  tenant: string
  requests: number
  done: number
  failed: number
  unfinished: number
  notSent: number
  ttftP50Ms: number | null
  ttftP99Ms: number | null
  outputTokens: number
  askedTokens: number
}

function byTenant(sent: readonly Sent[]): TenantResult[] {
  const groups = [...Map.groupBy(sent, ({ tenant }) => tenant)]
  const all: [string, Sent[]][] = [...groups.sort(([a], [b]) => (a < b ? -1 : 1))]
  if (groups.length > 1) all.push(['all', [...sent]])
  return all.map(([tenant, own]) => {
    const of = (outcome: Sent['outcome']) => own.filter((one) => one.outcome === outcome).length
    // Who got nothing counts with the time that was waited.
    const ttftMs = own
      .filter(({ outcome }) => outcome === 'done' || outcome === 'unfinished')
      .map((one) => one.ttftMs ?? one.totalMs)
      .sort((a, b) => a - b)
    const at = (share: number) => ttftMs[Math.max(0, Math.ceil(ttftMs.length * share) - 1)] ?? null
    return {
      tenant,
      requests: own.length,
      done: of('done'),
      failed: of('failed'),
      unfinished: of('unfinished'),
      notSent: of('not sent'),
      ttftP50Ms: at(0.5),
      ttftP99Ms: at(0.99),
      outputTokens: own.reduce((sum, one) => sum + one.outputTokens, 0),
      askedTokens: own.reduce((sum, one) => sum + one.askedTokens, 0),
    }
  })
}

const number = (title: string, value: (row: TenantResult) => string): Column<TenantResult> => ({
  title,
  value,
  align: 'right',
})

const columns: Column<TenantResult>[] = [
  { title: 'TENANT', value: ({ tenant }) => tenant },
  number('REQUESTS', ({ requests }) => count(requests)),
  number('DONE', ({ done }) => count(done)),
  number('FAILED', ({ failed }) => count(failed)),
  number('UNFINISHED', ({ unfinished }) => count(unfinished)),
  number('NOT SENT', ({ notSent }) => count(notSent)),
  number('TTFT P50', ({ ttftP50Ms }) => duration(ttftP50Ms)),
  number('TTFT P99', ({ ttftP99Ms }) => duration(ttftP99Ms)),
  number('OUTPUT TOKENS', ({ outputTokens }) => count(outputTokens)),
  number('OF ASKED', ({ askedTokens }) => count(askedTokens)),
]
