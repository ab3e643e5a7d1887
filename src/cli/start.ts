/** `gristmill start`: the server in the foreground, and what to do with it once it runs. */
import { type Command, Option } from 'commander'
import type { Config } from '../base/index.ts'
import { whenParentGone } from '../host/index.ts'
import type { Running, StartOptions } from '../main.ts'
import { type CliContext, configWith, example, show, withJson } from './context.ts'
import { progressMessages } from './progress.ts'
import { between } from './values.ts'

export type StartServer = (config: Config, options: StartOptions) => Promise<Running>

export interface StartFlags {
  config?: string
  port?: number
  host?: string
  home?: string
  model?: string
  embeddingModel?: string
  engine?: string
  logLevel?: string
  json?: true
}

/** Adds `start` to the program. */
export function startCommand(program: Command, context: CliContext, start: StartServer): void {
  example(withStartOptions(program.command('start')), 'start', 'start --port 8080 --engine none')
    .description('start the server: pool, API and console')
    .action(async (flags: StartFlags) => {
      const config = startConfig(context, flags)
      const onProgress = progressMessages(context.terminal, context.clock)
      const running = await start(config, { onProgress })
      // Before anything is said: whoever reads that it runs may stop it at once.
      const stopped = whenStopped(context, config)
      announce(context, flags, running)
      await stopped
      await running.close()
      context.terminal.note('Stopped.')
    })
}

export function withStartOptions(command: Command): Command {
  return withJson(command)
    .option(
      '--port <n>',
      'port to listen on; 0 takes a free one (default: 4400)',
      between(0, 65_535),
    )
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--config <file>', 'file of NAME=value lines; flags and the environment go before it')
    .option('--home <folder>', 'data home')
    .option('--model <name|path>', 'model of the embedded engine')
    .option('--embedding-model <name|path>', 'model of a second one that only embeds texts')
    .addOption(new Option('--engine <kind>', 'engine to start').choices(['embedded', 'none']))
    .option('--log-level <level>', 'least severe log lines written (default: warn)')
}

export function startConfig(context: CliContext, flags: StartFlags): Config {
  return configWith(context, {
    GRISTMILL_CONFIG: flags.config,
    GRISTMILL_PORT: flags.port?.toString(),
    GRISTMILL_HOST: flags.host,
    GRISTMILL_HOME: flags.home,
    GRISTMILL_MODEL: flags.model,
    GRISTMILL_EMBEDDING_MODEL: flags.embeddingModel,
    GRISTMILL_ENGINE: flags.engine,
    GRISTMILL_LOG_LEVEL: flags.logLevel,
  })
}

function announce(context: CliContext, flags: StartFlags, running: Running): void {
  const { url, adminLink, apiKey, model, embeddingModel, toyModel, home } = running
  const line = { url, pid: process.pid, home, apiKey, adminLink, model, embeddingModel, toyModel }
  // Who reads the JSON line learns of these too.
  if (flags.json) for (const note of running.notes) context.terminal.note(note)
  show(context, flags, line, () => tell(context, running))
}

function tell({ terminal, environment }: CliContext, running: Running): void {
  const { url, adminLink, apiKey, model, embeddingModel, toyModel, home } = running
  const { print, paint } = terminal
  print('')
  print(`${paint('bold', 'Gristmill')} runs at ${paint('cyan', url)}`)
  print('')
  if (adminLink !== null) print(`  Become its owner  ${adminLink}`)
  print(`  Model             ${model ?? 'none yet: gristmill engine add http://host:8000'}`)
  if (toyModel) print(paint('yellow', '                    a toy: what it says makes no sense'))
  if (embeddingModel !== null) print(`  Embeddings        ${embeddingModel}`)
  print(`  Data              ${home}`)
  for (const note of running.notes) print(paint('yellow', `  ${note}`))
  if (apiKey !== null && model !== null) {
    print('')
    print('Try it in another terminal:')
    print('')
    for (const line of curlLines(url, apiKey, model)) print(`  ${line}`)
  }
  if (apiKey === null) {
    print('')
    print('Keys are shown once. A new one:  gristmill key create --tenant NAME')
  }
  print('')
  if (environment.npm_lifecycle_event) {
    print(paint('dim', `For the commands, first:  alias gristmill='npm run -s gristmill --'`))
  }
  print(paint('dim', 'Ctrl-C stops it.'))
}

/** A request that works as it is pasted. */
export function curlLines(url: string, apiKey: string, model: string): string[] {
  const body = {
    model,
    messages: [{ role: 'user', content: 'What is a gristmill?' }],
    temperature: 0,
    stream: true,
  }
  return [
    `curl -N ${url}/v1/chat/completions \\`,
    `  -H 'Authorization: Bearer ${apiKey}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify(body)}'`,
  ]
}

/** What starts us passes a signal on that the terminal has sent us already: one, not two. */
const SAME_SIGNAL_MS = 1000

/** Resolves at the first signal to stop; a second one ends the process at once. */
function whenStopped({ terminal, clock }: CliContext, config: Config): Promise<void> {
  const { parents, limits } = config
  return new Promise((resolve) => {
    let firstMs: number | undefined
    const stop = (why: string) => {
      if (firstMs === undefined) {
        firstMs = clock.monotonicMs()
        const seconds = Math.ceil(limits.shutdownMsMax / 1000)
        terminal.note(`${why}: running requests get up to ${seconds} s. Ctrl-C ends at once.`)
        return resolve()
      }
      if (clock.monotonicMs() - firstMs < SAME_SIGNAL_MS) return
      terminal.note('Ended at once; what ran is settled at the next start.')
      process.exit(130)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => stop('Stopping'))
    }
    if (parents.length > 0) whenParentGone(parents, clock, () => stop('What started us has ended'))
  })
}
