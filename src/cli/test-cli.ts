/** Runs command lines in this process and keeps what they write; for the tests of this room. */
import { systemClock } from '../base/index.ts'
import { runCli } from './cli.ts'
import type { StartServer } from './start.ts'
import type { Terminal } from './terminal.ts'

export interface Outcome {
  code: number
  out: string
  err: string
}

const noStart: StartServer = async () => {
  throw new Error('no server is started in this test')
}

/**
 * @param words the command line after the program's name
 * @param environment variables that the command sees; nothing else is in its environment
 * @param onStatus told when it shows how far it is
 */
export async function cli(
  words: string[],
  environment: Record<string, string>,
  start: StartServer = noStart,
  onStatus: () => void = () => {},
): Promise<Outcome> {
  let out = ''
  let err = ''
  const terminal: Terminal = {
    write: (content) => {
      // Bytes one by one, so that what is no text comes back as it was.
      out += typeof content === 'string' ? content : Buffer.from(content).toString('latin1')
    },
    print: (line) => {
      out += `${line}\n`
    },
    note: (line) => {
      err += `${line}\n`
    },
    status: (...lines) => {
      err += `${lines.join('\n')}\n`
      onStatus()
    },
    paint: (_, text) => text,
    isInteractive: false,
    isTerminal: false,
  }
  const code = await runCli(words, { terminal, environment, clock: systemClock }, start)
  return { code, out, err }
}
