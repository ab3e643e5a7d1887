/** What a running server leaves in its home, so that the command line finds it. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from '../host/index.ts'

const SERVER_FILE = 'server.json'
const TOKEN_FILE = 'cli-token'

/** @returns how to take the file away again */
export function writeServerFile(home: Home, content: Record<string, unknown>): () => void {
  const path = join(home.path, SERVER_FILE)
  writeFileSync(path, `${JSON.stringify(content)}\n`, { mode: 0o600 })
  return () => rmSync(path, { force: true })
}

/** The token by which the command line of the same OS user proves itself; readable by us only. */
export function localToken(home: Home): string {
  const token = home.secret(TOKEN_FILE).toString('hex')
  const path = join(home.path, TOKEN_FILE)
  writeFileSync(path, token, { mode: 0o600 })
  return readFileSync(path, 'utf8')
}
