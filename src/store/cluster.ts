/** The data folder of the embedded PostgreSQL: created once, checked before every start. */
import { execFile } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Clock, childEnvironment, GristmillError } from '../base/index.ts'
import { commandLine, type Home, signalProcess, startChild } from '../host/index.ts'
import { type PostgresBinaries, prepareBinaries } from './binaries.ts'
import { type SystemUser, serverUser, unsearchableFolder } from './system-user.ts'

const run = promisify(execFile)

export const DATABASE_USER = 'gristmill'
export const DATABASE_NAME = 'gristmill'
const MAJOR = '18'
const INITDB_LOG_BYTES_MAX = 1024 * 1024

export interface Cluster {
  binaries: PostgresBinaries
  /** Who the server runs as; undefined means ourselves. */
  user: SystemUser | undefined
  dataFolder: string
  password: string
}

/**
 * The cluster of a home, created when there is none yet.
 * @throws GristmillError `home_unusable`, `database_failed`, `disk_full`, `runtime_missing`
 */
export async function openCluster(home: Home, clock: Clock, logFile: string): Promise<Cluster> {
  const user = serverUser()
  const folder = home.folder('postgres')
  const blocked = user && unsearchableFolder(folder, user)
  if (blocked) {
    const reason = `user ${user.name}, which PostgreSQL runs as, may not pass through ${blocked}`
    throw new GristmillError('home_unusable', { home: home.path, reason })
  }
  const dataFolder = join(folder, 'data')
  const password = home.secret('postgres').toString('hex')
  const cluster = { binaries: prepareBinaries(folder, user), user, dataFolder, password }
  if (!existsSync(dataFolder)) await createCluster(cluster, home, logFile)
  const found = readFileSync(join(dataFolder, 'PG_VERSION'), 'utf8').trim()
  if (found !== MAJOR) {
    const reason = `its files were written by PostgreSQL ${found}, this is ${MAJOR}`
    throw new GristmillError('database_failed', { reason, logFile })
  }
  await endForgottenServer(dataFolder, clock)
  return cluster
}

/** Environment of every PostgreSQL program: nothing of a PGDATA or a locale that is not there. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return childEnvironment({ LC_ALL: 'C', LANG: undefined, PGDATA: undefined, TZ: 'UTC' })
}

/** Built beside and renamed, so that an interrupted first start leaves nothing half made. */
async function createCluster(cluster: Cluster, home: Home, logFile: string): Promise<void> {
  const { user, binaries, dataFolder } = cluster
  const unfinished = `${dataFolder}.new`
  // A server that was killed while it made one may be about to write into it once more.
  const gone = { recursive: true, force: true, maxRetries: 20 }
  rmSync(unfinished, gone)
  mkdirSync(unfinished, { mode: 0o700 })
  const passwordFile = join(home.folder('postgres'), 'password.new')
  writeFileSync(passwordFile, cluster.password, { mode: 0o600 })
  if (user) for (const path of [unfinished, passwordFile]) chownSync(path, user.uid, user.gid)
  const options = { env: serverEnvironment(), uid: user?.uid, gid: user?.gid, cwd: '/' }
  try {
    await initialise(cluster, unfinished, passwordFile, home)
    const single = ['--single', '-D', unfinished, 'postgres']
    const created = run(binaries.postgres, single, options)
    created.child.stdin?.end(`create database ${DATABASE_NAME}\n`)
    await created
    renameSync(unfinished, dataFolder)
  } catch (error) {
    rmSync(unfinished, gone)
    throw creationError(error, home, logFile)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/** Runs `initdb` under a watcher, so that it ends with us; what it says is in the error. */
async function initialise(
  { binaries, user }: Cluster,
  folder: string,
  passwordFile: string,
  home: Home,
): Promise<void> {
  const identity = [`--username=${DATABASE_USER}`, `--pwfile=${passwordFile}`]
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8']
  const rest = ['--auth=scram-sha-256', '--data-checksums']
  const path = join(home.folder('logs'), 'initdb.log')
  rmSync(path, { force: true })
  const child = await startChild({
    name: 'initdb',
    command: binaries.initdb,
    args: [`--pgdata=${folder}`, ...identity, ...locale, ...rest],
    env: serverEnvironment(),
    cwd: '/',
    uid: user?.uid,
    gid: user?.gid,
    stop: [{ signal: 'SIGTERM', waitMs: 2000 }],
    orphanStop: [{ signal: 'SIGKILL', waitMs: 0 }],
    log: { path, maxBytes: INITDB_LOG_BYTES_MAX },
    pidFile: join(home.folder('run'), 'initdb.json'),
  })
  const { code, signal, reason } = await child.exited
  if (code === 0) return
  const how = reason ?? `initdb ended with ${signal ?? `code ${code}`}`
  throw Object.assign(new Error(how), { stderr: readFileSync(path, 'utf8') })
}

function creationError(error: unknown, home: Home, logFile: string): GristmillError {
  const { stderr, message } = error as { stderr?: string; message: string }
  const output = stderr || message
  writeFileSync(logFile, output, { flag: 'a', mode: 0o600 })
  if (output.includes('No space left on device')) {
    const details = { path: home.path, freeBytes: home.freeBytes() }
    return new GristmillError('disk_full', details, { cause: error })
  }
  const lines = output.split('\n').filter((line) => /error|fatal|could not/i.test(line))
  const reason = lines[0]?.trim() ?? message
  return new GristmillError('database_failed', { reason, logFile }, { cause: error })
}

/**
 * We hold the home's lock, so a server that still runs on these files belongs to nobody, and a
 * `postmaster.pid` that names some other process (ids start over in containers) is stale.
 */
async function endForgottenServer(dataFolder: string, clock: Clock): Promise<void> {
  const pidFile = join(dataFolder, 'postmaster.pid')
  if (!existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0])
  const isOurs = () => commandLine(pid)?.includes(dataFolder) ?? false
  const startMs = clock.monotonicMs()
  if (isOurs()) signalProcess(pid, 'SIGINT')
  while (isOurs()) {
    if (clock.monotonicMs() - startMs > 8000) signalProcess(pid, 'SIGKILL')
    await clock.sleep(20)
  }
  rmSync(pidFile, { force: true })
}
