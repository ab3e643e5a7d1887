/** Structured logs, one JSON object a line. Prompts, answers and keys never reach them. */

import type { Logger } from 'pino'
import { pino } from 'pino'

export type { Logger } from 'pino'

const SECRET_PATHS = ['authorization', 'apiKey', 'secret', 'password', 'messages', 'prompt', 'body']

/**
 * A logger writing to stderr, so that stdout stays free for what a command prints.
 * @param level `trace` … `fatal` or `silent`
 * @param program name put into every line
 */
export function createLogger(level: string, program: string): Logger {
  const redact = SECRET_PATHS.flatMap((path) => [path, `*.${path}`, `*.*.${path}`])
  return pino({ level, base: { program }, redact }, pino.destination({ fd: 2, sync: false }))
}
