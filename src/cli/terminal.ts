/** What a command writes to: standard output for results, standard error for everything else. */
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

export interface Terminal {
  /** Writes to standard output as it is. */
  write: (content: string | Uint8Array) => void
  /** A line on standard output: what the command was asked for. */
  print: (line: string) => void
  /** A line on standard error: progress, remarks, errors. */
  note: (line: string) => void
  /** Lines that replace those of the last `status` on a terminal; elsewhere they just follow. */
  status: (...lines: string[]) => void
  /** Colours text where standard output is a terminal that wants colours. */
  paint: (style: Style, text: string) => string
  /** True where a person can be asked. */
  readonly isInteractive: boolean
  /** True where standard output is a terminal. */
  readonly isTerminal: boolean
}

/** The terminal of this process. `styleText` honours NO_COLOR, FORCE_COLOR and what is no TTY. */
export function systemTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  let statusLines = 0
  const endStatus = () => {
    if (statusLines > 0) stderr.write('\n')
    statusLines = 0
  }
  stdout.on('error', endWithReader)
  return {
    write: (content) => void stdout.write(content),
    print(line) {
      endStatus()
      stdout.write(`${line}\n`)
    },
    note(line) {
      endStatus()
      stderr.write(`${line}\n`)
    },
    status(...lines) {
      if (!stderr.isTTY) return void stderr.write(`${lines.join('\n')}\n`)
      // Longer lines would wrap, and going up by lines would miss the first one.
      const fitting = lines.map((line) => line.slice(0, stderr.columns - 1))
      const up = statusLines > 1 ? `\x1b[${statusLines - 1}A` : ''
      stderr.write(`${up}\r\x1b[J${fitting.join('\n')}`)
      statusLines = lines.length
    },
    paint: (style, text) => styleText(style, text, { stream: stdout, validateStream: true }),
    isInteractive: stdin.isTTY === true && stdout.isTTY === true,
    isTerminal: stdout.isTTY === true,
  }
}

/** Whoever read the output has gone, as `head` does, and wants no more. A server drains first. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.kill(process.pid, 'SIGTERM')
}

/** Text from elsewhere without control characters, which could steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd')
}
