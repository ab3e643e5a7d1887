/**
 * `gristmill demo`: three tenants on one pool, first unfairly and then fairly, and what it cost.
 */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import { isRunning } from '../host/index.ts'
import type { DemoRow, DemoView } from '../http/index.ts'
import type { Running } from '../main.ts'
import { AdminClient, readServerFile } from './client.ts'
import {
  type CliContext,
  configWith,
  connect,
  example,
  type RemoteFlags,
  remote,
} from './context.ts'
import { progressMessages } from './progress.ts'
import { type StartServer, startConfig } from './start.ts'
import { type Column, printTable } from './table.ts'
import { count, duration, percent } from './units.ts'
import { between } from './values.ts'

interface DemoFlags extends RemoteFlags {
  seconds?: number
}

const LOOK_EVERY_MS = 1000
const HALVES: Record<DemoRow['half'], string> = { fcfs: 'first come, first served', fair: 'fair' }

/** Adds `demo` to the program. */
export function demoCommand(program: Command, context: CliContext, start: StartServer): void {
  example(remote(program.command('demo')), 'demo', 'demo --seconds 30')
    .description('flood the pool with one tenant and see the others, unfairly and then fairly')
    .option('--seconds <n>', 'length of each half (default: 60)', between(5, 600))
    .action(async (flags: DemoFlags) => {
      const { client, own } = await serverFor(context, flags, start)
      const interrupt = new AbortController()
      const onSignal = () => interrupt.abort()
      process.once('SIGINT', onSignal)
      process.once('SIGTERM', onSignal)
      try {
        const view = await follow(context, client, flags, interrupt.signal)
        if (flags.json) context.terminal.print(JSON.stringify(view))
        else tell(context, view)
      } finally {
        await own?.close()
      }
    })
}

/** The server that runs, or one of our own for the time of the demo. */
async function serverFor(
  context: CliContext,
  flags: DemoFlags,
  start: StartServer,
): Promise<{ client: AdminClient; own?: Running }> {
  const { home, clientUrl } = configWith(context, {
    GRISTMILL_HOME: flags.home,
    GRISTMILL_URL: flags.url,
  })
  const local = readServerFile(home)
  if (clientUrl !== undefined || (local !== undefined && isRunning(local.pid, undefined))) {
    return { client: connect(context, flags) }
  }
  const { terminal, clock } = context
  terminal.note('No server runs, so one is started for the demo.')
  const config = startConfig(context, flags.home === undefined ? {} : { home: flags.home })
  const own = await start(config, { onProgress: progressMessages(terminal, clock) })
  return { client: new AdminClient({ ...config, clientUrl: own.url }), own }
}

async function follow(
  { terminal, clock }: CliContext,
  client: AdminClient,
  { seconds }: DemoFlags,
  signal: AbortSignal,
): Promise<DemoView> {
  let view = await client.post<DemoView | null>(
    '/api/demo',
    seconds === undefined ? {} : { seconds },
  )
  terminal.note(`Three tenants share ${client.url}; the mill floor there shows them live.`)
  while (view?.state === 'running') {
    if (signal.aborted) {
      await client.delete('/api/demo')
      throw new GristmillError('demo_cancelled')
    }
    terminal.status(...liveLines(view))
    await clock.sleep(LOOK_EVERY_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    view = await client.get<DemoView | null>('/api/demo')
  }
  if (view?.state !== 'done') throw new GristmillError('demo_cancelled')
  return view
}

function liveLines({ half, secondsLeft, rows }: DemoView): string[] {
  const title = `${HALVES[half]}, ${Math.ceil(secondsLeft)} s left`
  const own = rows.filter((row) => row.half === half)
  return [title, ...own.map((row) => `  ${row.tenant.padEnd(12)} ${inWords(row)}`)]
}

function inWords(row: DemoRow): string {
  const first =
    row.ttftP50Ms === null ? 'no first token yet' : `first token ${duration(row.ttftP50Ms)}`
  return `${first}, ${count(row.outputTokens)} tokens, share ${percent(row.share)}`
}

const columns: Column<DemoRow>[] = [
  { title: 'ORDER', value: ({ half }) => HALVES[half] },
  { title: 'TENANT', value: ({ tenant }) => tenant },
  { title: 'REQUESTS', value: ({ requests }) => count(requests), align: 'right' },
  { title: 'UNFINISHED', value: ({ unfinished }) => count(unfinished), align: 'right' },
  { title: 'FIRST TOKEN P50', value: ({ ttftP50Ms }) => duration(ttftP50Ms), align: 'right' },
  {
    title: 'P99',
    value: ({ ttftP99Ms, ttftP99AtLeast }) => `${ttftP99AtLeast ? '≥ ' : ''}${duration(ttftP99Ms)}`,
    align: 'right',
  },
  { title: 'TOKENS', value: ({ outputTokens }) => count(outputTokens), align: 'right' },
  { title: 'SHARE', value: ({ share }) => percent(share), align: 'right' },
]

function tell({ terminal }: CliContext, { rows }: DemoView): void {
  terminal.print('')
  printTable(terminal, rows, columns, 'Nothing was measured.')
  terminal.print('')
  terminal.print('First token: from sending a request to its first text. A request that had none')
  terminal.print('when its half ended counts with the time it had waited (≥).')
}
