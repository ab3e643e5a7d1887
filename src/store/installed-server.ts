/**
 * A PostgreSQL installed on this machine (Debian's packages), started for tests: what people
 * point DATABASE_URL at is older than the embedded one. Never used by the program.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, freePort, startChild } from '../host/index.ts'
import { serverEnvironment } from './cluster.ts'
import { serverUser } from './system-user.ts'

export interface InstalledServer {
  /** Reached over TCP with a password, as servers elsewhere are. */
  url: string
  /** Kills it with -9 or stops it, and starts it again with the same address. */
  restart(how: 'kill' | 'stop', between?: () => Promise<void>): Promise<void>
  stop(): Promise<void>
}

/** Where Debian puts the programs of PostgreSQL 15. */
export const INSTALLED_15 = '/usr/lib/postgresql/15/bin'

/** Why the tests against PostgreSQL 15 are skipped here, with the command that enables them. */
export const skippedWithout15: string | false = existsSync(join(INSTALLED_15, 'postgres'))
  ? false
  : 'PostgreSQL 15 is not installed; apt-get install postgresql-15 enables this group'

const PASSWORD = 'a/pass:word@here'

/** @param folder with `initdb` and `postgres` */
export async function startInstalledServer(folder: string): Promise<InstalledServer> {
  const user = serverUser()
  const root = mkdtempSync(join(tmpdir(), 'gristmill-installed-'))
  const passwordFile = join(root, 'password')
  writeFileSync(passwordFile, PASSWORD)
  chmodSync(root, 0o700)
  if (user) for (const path of [root, passwordFile]) chownSync(path, user.uid, user.gid)
  const data = join(root, 'data')
  const options = { uid: user?.uid, gid: user?.gid, env: serverEnvironment(), cwd: '/' }
  const flags = ['--username=tester', `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const initdb = join(folder, 'initdb')
  execFileSync(initdb, ['-D', data, '--encoding=UTF8', '--no-sync', ...flags], options)
  const port = await freePort()
  const start = async () => {
    const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: root, fsync: 'off' }
    const ready = Promise.withResolvers<void>()
    const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = await startChild({
      name: 'postgresql 15',
      command: '/bin/sh',
      // Its log goes to stderr; we need to read from it when it is ready.
      args: [
        '-c',
        'exec "$0" "$@" 2>&1',
        join(folder, 'postgres'),
        '-D',
        data,
        '-p',
        `${port}`,
        ...given,
      ],
      ...options,
      stop: [{ signal: 'SIGINT', waitMs: 5000 }],
      orphanStop: [{ signal: 'SIGQUIT', waitMs: 5000 }],
      onStdoutLine: (line) => {
        if (line.includes('ready to accept connections')) ready.resolve()
      },
    })
    await ready.promise
    return child
  }
  let child: Child = await start()
  return {
    url: `postgresql://tester:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`,
    restart: async (how, between) => {
      await (how === 'kill' ? child.kill() : child.stop())
      await between?.()
      child = await start()
    },
    stop: async () => {
      await child.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
