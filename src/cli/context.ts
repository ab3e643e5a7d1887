/** What every command is given, and the parts of commands that are the same for all. */
import { type Command, Option } from 'commander'
import { type Clock, type Config, GristmillError, readConfig } from '../base/index.ts'
import { AdminClient } from './client.ts'
import type { Terminal } from './terminal.ts'

export interface CliContext {
  terminal: Terminal
  /** Environment variables; flags go before them. */
  environment: Record<string, string | undefined>
  clock: Clock
}

/** Ends a command that has said everything already with another exit code than 0. */
export class ExitWith extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit code ${code}`)
    this.code = code
  }
}

/** Flags of every command that talks to a running server. */
export interface RemoteFlags {
  json?: true
  url?: string
  apiKey?: string
  home?: string
}

/**
 * Configuration with the flags of this command line over the environment.
 * @param overrides by the variable that a flag is named after
 * @throws GristmillError `invalid_config`, in the words of whoever typed the flags
 */
export function configWith(
  context: CliContext,
  overrides: Record<string, string | undefined>,
): Config {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined)
  try {
    return readConfig({ ...context.environment, ...Object.fromEntries(given) })
  } catch (error) {
    if (!(error instanceof GristmillError && error.code === 'invalid_config')) throw error
    let reason = String(error.details.reason)
    for (const [name] of given) {
      reason = reason.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), flagOf(name))
    }
    throw new GristmillError('invalid_config', { reason }, { cause: error })
  }
}

/** `GRISTMILL_API_KEY` → `--api-key` */
const flagOf = (name: string) =>
  `--${name.replace('GRISTMILL_', '').toLowerCase().replaceAll('_', '-')}`

/** The client for the server that the flags, the environment or the data home name. */
export function connect(context: CliContext, flags: RemoteFlags): AdminClient {
  const config = configWith(context, {
    GRISTMILL_HOME: flags.home,
    GRISTMILL_URL: flags.url,
    GRISTMILL_API_KEY: flags.apiKey,
  })
  return new AdminClient(config)
}

/** Adds the flags that say which server is meant, and `--json`. */
export function remote(command: Command): Command {
  return withJson(command)
    .option('--url <url>', 'address of the server (default: the one on this machine)')
    .option('--api-key <key>', 'key with the scope "admin"; not needed on the same machine')
    .option('--home <folder>', 'data home of the server on this machine')
}

export function withJson(command: Command): Command {
  return command.addOption(new Option('--json', 'print JSON instead of text'))
}

/** Adds an example to the help of a command. */
export function example(command: Command, ...lines: string[]): Command {
  const text = lines.map((line) => `  $ gristmill ${line}`).join('\n')
  return command.addHelpText('after', `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${text}`)
}

/** Prints a result: as one JSON value where asked for, else the way the command tells it. */
export function show(
  context: CliContext,
  flags: { json?: true },
  value: unknown,
  tell: () => void,
): void {
  if (flags.json) context.terminal.print(JSON.stringify(value))
  else tell()
}

/**
 * Asks before something that cannot be undone.
 * @throws GristmillError `not_confirmed` where nobody can be asked, or the answer is no
 */
export async function confirm(
  context: CliContext,
  flags: { yes?: true },
  question: string,
): Promise<void> {
  if (flags.yes) return
  if (context.terminal.isInteractive) {
    const prompts = await import('@clack/prompts')
    const answer = await prompts.confirm({ message: question, initialValue: false })
    if (answer === true) return
  }
  throw new GristmillError('not_confirmed')
}
