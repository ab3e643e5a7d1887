/** The command line as a whole: its commands, its exit codes, and errors as one line. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { type GristmillError, toGristmillError } from '../base/index.ts'
import { auditCommand } from './audit.ts'
import { backupCommands } from './backup.ts'
import { batchCommands } from './batch.ts'
import { budgetCommands } from './budgets.ts'
import { chatCommand } from './chat.ts'
import { ServerError } from './client.ts'
import { clusterCommand } from './cluster.ts'
import { configCommands } from './config.ts'
import { type CliContext, ExitWith } from './context.ts'
import { creditCommands } from './credits.ts'
import { demoCommand } from './demo.ts'
import { discountCommands } from './discounts.ts'
import { doctorCommand } from './doctor.ts'
import { engineCommands } from './engines.ts'
import { importCommands } from './import.ts'
import { keyCommands } from './keys.ts'
import { ledgerCommands } from './ledger.ts'
import { modelCommands } from './models.ts'
import { planCommand } from './plan.ts'
import { priceCommands } from './prices.ts'
import { projectCommands } from './projects.ts'
import { replayCommand } from './replay.ts'
import { retentionCommand } from './retention.ts'
import { routeCommands } from './routes.ts'
import { serviceAccountCommands } from './service-accounts.ts'
import { type StartServer, startCommand } from './start.ts'
import { tenantTraceCommand } from './tenant-traces.ts'
import { tenantCommands } from './tenants.ts'
import { printable } from './terminal.ts'
import { traceCommands } from './trace.ts'
import { queueCommand, usageCommand } from './usage.ts'
import { userCommands } from './users.ts'

export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

/**
 * Runs one command line.
 * @param words what stands after the program's name
 * @param start starts a server in this process
 * @returns the exit code: 0 done, 1 failed, 2 not understood
 */
export async function runCli(
  words: readonly string[],
  context: CliContext,
  start: StartServer,
): Promise<number> {
  const { terminal } = context
  const program = createProgram(context, start)
  try {
    await program.parseAsync(words, { from: 'user' })
    return 0
  } catch (thrown) {
    if (thrown instanceof ExitWith) return thrown.code
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_USAGE
    terminal.note(terminal.paint('red', 'gristmill: ') + printable(lineFor(thrown)))
    if (isCurious(context) && thrown instanceof Error) terminal.note(thrown.stack ?? '')
    return EXIT_FAILED
  }
}

function createProgram(context: CliContext, start: StartServer): Command {
  const program = new Command('gristmill')
    .description('One pool of language-model engines that many teams use as if it were their own.')
    .version(version(), '--version')
    .showSuggestionAfterError()
    // Needed for those of a group that has options and commands of the same names.
    .enablePositionalOptions()
    .addHelpText('after', '\nBegin with:\n  $ gristmill start')
  startCommand(program, context, start)
  configCommands(program, context)
  engineCommands(program, context)
  clusterCommand(program, context)
  retentionCommand(program, context)
  modelCommands(program, context)
  routeCommands(program, context)
  tenantTraceCommand(tenantCommands(program, context), context)
  projectCommands(program, context)
  keyCommands(program, context)
  serviceAccountCommands(program, context)
  userCommands(program, context)
  importCommands(program, context)
  chatCommand(program, context)
  batchCommands(program, context)
  queueCommand(program, context)
  usageCommand(program, context)
  priceCommands(program, context)
  budgetCommands(program, context)
  creditCommands(program, context)
  discountCommands(program, context)
  ledgerCommands(program, context)
  planCommand(program, context)
  traceCommands(program, context)
  replayCommand(program, context)
  auditCommand(program, context)
  backupCommands(program, context, version())
  doctorCommand(program, context)
  demoCommand(program, context, start)
  settle(program, context)
  return program
}

/** The same for every command: output through the terminal, errors thrown, help hinted at. */
function settle(command: Command, context: CliContext): void {
  const { terminal } = context
  command.exitOverride().helpCommand(false)
  command.configureOutput({
    writeOut: (text) => terminal.write(text),
    writeErr: (text) => terminal.note(text.trimEnd()),
  })
  command.showHelpAfterError(`(${pathOf(command)} --help shows how)`)
  for (const child of command.commands) settle(child, context)
}

function pathOf(command: Command): string {
  const { parent } = command
  return parent ? `${pathOf(parent)} ${command.name()}` : command.name()
}

/** What is wrong and what to do, in one line; only what nobody foresaw shows where it came from. */
function lineFor(thrown: unknown): string {
  if (thrown instanceof ServerError) return thrown.message
  const error = toGristmillError(thrown)
  if (error.code !== 'internal_error') return lineOf(error)
  const { message } = thrown instanceof Error ? thrown : new Error(String(thrown))
  return `${message || 'something went wrong'} — run it again with GRISTMILL_LOG_LEVEL=debug, or ask doctor.`
}

const isCurious = ({ environment }: CliContext) =>
  ['debug', 'trace'].includes(environment.GRISTMILL_LOG_LEVEL ?? '')

/** What is wrong with a value says what to do: there is no field to correct, nothing to send. */
const lineOf = ({ code, message, fix }: GristmillError) =>
  code === 'invalid_value' ? message : `${message.replace(/\.$/, '')} — ${fix}`

/** Of the package; in a checkout and in a build it lies at the same distance. */
function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
