/** What a command writes to: standard output for results, standard error for everything else. */
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

export interface Terminal {
  /** Writes to standard output as it is. */
  write(text: string): void
  /** A line on standard output: what the command was asked for. */
  print(line: string): void
  /** A line on standard error: progress, remarks, errors. */
  note(line: string): void
  /** Replaces the last `status` on a terminal; elsewhere a line of its own. */
  status(line: string): void
  /** Colours text where standard output is a terminal that wants colours. */
  paint(style: Style, text: string): string
  /** True where a person can be asked. */
  readonly isInteractive: boolean
  /** True where standard output is a terminal. */
  readonly isTerminal: boolean
}

/** The terminal of this process. `styleText` honours NO_COLOR, FORCE_COLOR and what is no TTY. */
export function systemTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  let statusShown = false
  const endStatus = () => {
    if (statusShown) stderr.write('\n')
    statusShown = false
  }
  return {
    write: (text) => void stdout.write(text),
    print(line) {
      endStatus()
      stdout.write(`${line}\n`)
    },
    note(line) {
      endStatus()
      stderr.write(`${line}\n`)
    },
    status(line) {
      stderr.write(stderr.isTTY ? `\r\x1b[2K${line}` : `${line}\n`)
      statusShown = stderr.isTTY
    },
    paint: (style, text) => styleText(style, text, { stream: stdout, validateStream: true }),
    isInteractive: stdin.isTTY === true && stdout.isTTY === true,
    isTerminal: stdout.isTTY === true,
  }
}

/** Text from elsewhere without control characters, which could steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd')
}
