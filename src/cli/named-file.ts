/** Files that somebody named on the command line. */
import { readFileSync } from 'node:fs'
import { GristmillError } from '../base/index.ts'

/**
 * @param path `-` is standard input
 * @throws GristmillError `invalid_value` naming it where it cannot be read
 */
export function readNamedFile(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

const words: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
}

/** Why a file cannot be read. @throws what is no failure of reading */
export function unreadable(path: string, cause: unknown): GristmillError {
  const { code } = cause as NodeJS.ErrnoException
  if (cause instanceof GristmillError || code === undefined) throw cause
  const reason = words[code] ?? `it cannot be read (${code})`
  return new GristmillError('invalid_value', { param: path, reason }, { cause })
}
