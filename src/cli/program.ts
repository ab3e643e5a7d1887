/**
 * The entry of the `gristmill` command. The server is loaded only by the commands that start it.
 */
import { childEnvironment, systemClock } from '../base/index.ts'
import { runCli, systemTerminal } from './index.ts'
import type { StartServer } from './start.ts'

const start: StartServer = async (config, options) => {
  const { startGristmill } = await import('../main.ts')
  return startGristmill(config, options)
}

const context = {
  terminal: systemTerminal(),
  environment: childEnvironment(),
  clock: systemClock,
}
process.exitCode = await runCli(process.argv.slice(2), context, start)
// What a start that failed had begun besides, such as fetching a model, keeps nobody waiting.
if (process.exitCode !== 0) process.exit()
