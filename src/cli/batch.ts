/** `gristmill batch`: many requests from a file, answered when there is room. */
import { type Command, InvalidArgumentError } from 'commander'
import { GristmillError } from '../base/index.ts'
import { BatchClient, type BatchSight } from './batch-client.ts'
import { checkFile, uploadFile } from './batch-file.ts'
import { copyResults, type ResultFlags } from './batch-results.ts'
import { batchColumns, describeBatch, progressOf, statusOf, windowOf } from './batch-text.ts'
import { watchBatch } from './batch-watch.ts'
import { type AdminClient, ServerError } from './client.ts'
import {
  type CliContext,
  configWith,
  connect,
  example,
  type RemoteFlags,
  show,
  withJson,
} from './context.ts'
import { printTable } from './table.ts'
import { bytes, count } from './units.ts'
import { tenantNames } from './usage.ts'
import { between } from './values.ts'

interface SubmitFlags extends RemoteFlags {
  endpoint?: string
  window: string
  metadata?: Record<string, string>
  watch?: true
}

/** Adds `batch …` to the program. */
export function batchCommands(program: Command, context: CliContext): void {
  const group = program.command('batch').description('many requests from a file, run in the rest')
  example(
    withServer(group.command('submit <file>'), OWN_KEY),
    'batch submit lines.jsonl --watch',
    'batch submit lines.jsonl --window 7d --metadata run=nightly',
  )
    .description('check a JSONL file of requests, send it and make a batch of it')
    .option('--endpoint <path>', 'what the lines ask for (default: what the first one names)')
    .option('--window <span>', 'time in which it should be done: 90m, 24h, 7d', window, '24h')
    .option('--metadata <key=value>', 'said of the batch, may be repeated', pair)
    .option('--watch', 'stay until it has ended')
    .action((file: string, flags: SubmitFlags) => submit(context, file, flags))
  example(withServer(group.command('list'), ANY_KEY), 'batch list --last 5')
    .description('batches with their progress, newest first')
    .option('--last <n>', 'how many', between(1, 10_000), 20)
    .action((flags: RemoteFlags & { last: number }) => list(context, flags))
  oneBatchCommands(group, context)
}

function oneBatchCommands(group: Command, context: CliContext): void {
  const { terminal, clock } = context
  example(withServer(group.command('status <id>'), ANY_KEY), 'batch status batch_01jd8m3k2v')
    .description('how far a batch is, when it will end, and what is wrong with it')
    .action(async (id: string, flags: RemoteFlags) => {
      const { batches } = open(context, flags)
      const batch = await batches.get(id)
      show(context, flags, batch, () => describeBatch(terminal, batch, clock.nowMs()))
    })
  example(withServer(group.command('watch <id>'), ANY_KEY), 'batch watch batch_01jd8m3k2v')
    .description('follow a batch to its end; ends with 1 unless it is completed')
    .action((id: string, flags: RemoteFlags) =>
      watchBatch(context, open(context, flags).batches, id, flags),
    )
  example(
    withServer(group.command('results <id>'), OWN_KEY),
    'batch results batch_01jd8m3k2v > answers.jsonl',
    'batch results batch_01jd8m3k2v --output answers.jsonl --errors errors.jsonl',
  )
    .description('the answers of a batch that has ended, as JSON lines')
    .option('--output <file>', 'write the answers there (default: standard output)')
    .option('--errors <file>', 'write the lines that failed there')
    .action(async (id: string, flags: RemoteFlags & ResultFlags, command: Command) => {
      if (flags.json && flags.output === undefined) {
        command.error('error: --json tells what was written, so it needs --output <file>')
      }
      const { client, batches } = openOwn(context, flags)
      await copyResults(context, client, batches, id, flags)
    })
  example(withServer(group.command('cancel <id>'), ANY_KEY), 'batch cancel batch_01jd8m3k2v')
    .description('stop a batch; what is done stays and can be read')
    .action(async (id: string, flags: RemoteFlags) => {
      const batch = await open(context, flags).batches.cancel(id)
      show(context, flags, batch, () =>
        terminal.print(`${batch.id} is ${statusOf(batch)}: ${progressOf(batch)}.`),
      )
    })
}

const OWN_KEY = 'key of the tenant (default: GRISTMILL_API_KEY)'
const ANY_KEY = 'key of the tenant, or one with the scope "admin"; not needed on the same machine'

function withServer(command: Command, aboutKey: string): Command {
  return withJson(command)
    .option('--url <url>', 'address of the server (default: the one on this machine)')
    .option('--api-key <key>', aboutKey)
    .option('--home <folder>', 'data home of the server on this machine')
}

interface Opened {
  client: AdminClient
  batches: BatchClient
}

function open(context: CliContext, flags: RemoteFlags): Opened {
  const client = connect(context, flags)
  return { client, batches: new BatchClient(client, context.clock) }
}

/** For what only a tenant's key can do. @throws GristmillError `invalid_config` without one */
function openOwn(context: CliContext, flags: RemoteFlags): Opened {
  const { clientApiKey } = configWith(context, { GRISTMILL_API_KEY: flags.apiKey })
  if (clientApiKey !== undefined) return open(context, flags)
  const reason =
    'a key of the tenant is needed, as GRISTMILL_API_KEY or by --api-key; ' +
    '"gristmill key create --tenant NAME" makes one'
  throw new GristmillError('invalid_config', { reason })
}

async function submit(context: CliContext, path: string, flags: SubmitFlags): Promise<void> {
  const { terminal } = context
  const { endpoint, window, metadata = {} } = flags
  const file = await checkFile(path, {
    endpoint,
    limits: configWith(context, {}).limits,
    onProblem: (line, problem) => terminal.note(`${path}:${line}: ${problem}`),
  })
  // Whatever is wrong with the file can be said without a key and without a server.
  const { client, batches } = openOwn(context, flags)
  terminal.note(`Sending ${count(file.lines)} lines (${bytes(file.bytes)}) to ${client.url}`)
  const inputFileId = await uploadFile(client, file)
  const fields = { inputFileId, endpoint: file.endpoint, window, metadata }
  const made = await create(client, batches, fields)
  if (flags.watch) {
    terminal.note(`Batch ${made.id}, ${windowOf(made)}`)
    return watchBatch(context, batches, made.id, flags)
  }
  show(context, flags, made, () => {
    terminal.print(made.id)
    terminal.note(`It runs ${windowOf(made)}. Next: gristmill batch watch ${made.id}`)
  })
}

/** A file of which no batch was made is of no use and counts towards the tenant's quota. */
async function create(
  client: AdminClient,
  batches: BatchClient,
  fields: Parameters<BatchClient['create']>[0],
): Promise<BatchSight> {
  try {
    return await batches.create(fields)
  } catch (error) {
    const isRefused = error instanceof ServerError && error.status < 500
    if (isRefused) await client.delete(`/v1/files/${encodeURIComponent(fields.inputFileId)}`)
    throw error
  }
}

async function list(context: CliContext, flags: RemoteFlags & { last: number }): Promise<void> {
  const { client, batches } = open(context, flags)
  const rows = await batches.list(flags.last)
  const isOfAll = !flags.json && rows.some(({ tenantId }) => tenantId !== undefined)
  const names = isOfAll ? await tenantNames(client) : new Map<string, string>()
  show(context, flags, rows, () =>
    printTable(
      context.terminal,
      rows,
      batchColumns(names),
      'No batches yet. Make one: gristmill batch submit FILE',
    ),
  )
}

function window(text: string): string {
  if (/^[1-9]\d{0,8}[smhd]$/.test(text)) return text
  throw new InvalidArgumentError('Give a span such as 90m, 24h or 7d.')
}

function pair(text: string, others: Record<string, string> = {}): Record<string, string> {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError('Give a key and a value as in run=nightly.')
  }
  return { ...others, [key]: value }
}
