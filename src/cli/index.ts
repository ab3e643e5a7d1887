/** The command line: one file per group of commands, on top of everything else. */
export { EXIT_FAILED, EXIT_USAGE, runCli } from './cli.ts'
export type { CliContext } from './context.ts'
export { systemTerminal } from './terminal.ts'
