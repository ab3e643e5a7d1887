/**
 * The embedded PostgreSQL: a child of this process, reached through a Unix socket in the home.
 *
 * A socket and not a port: nothing else on the machine can collide with it or try passwords on
 * it, and the address stays the same over restarts. `psql` takes the URL as it is.
 */
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { type Child, type Home, startChild, supervise } from '../host/index.ts'
import {
  type Cluster,
  DATABASE_NAME,
  DATABASE_USER,
  openCluster,
  serverEnvironment,
} from './cluster.ts'

export interface EmbeddedDatabase {
  /** For `openDatabase` and `psql`: `postgresql://user:password@%2Fsocket%2Ffolder:5432/name`. */
  readonly url: string
  readonly logFile: string
  /** Process id of the server, undefined while it is being restarted. */
  pid(): number | undefined
  /** Stops the server; running transactions are rolled back. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  home: Home
  clock: Clock
  logger: Logger
  /** Further server settings; tests trade durability for speed with them. */
  settings?: Record<string, string>
}

const PORT = 5432
const LOG_BYTES_MAX = 10 * 1024 * 1024
const START_MS_MAX = 60_000
/** `sun_path` holds 103 bytes on macOS and 107 on Linux; `/.s.PGSQL.5432` takes 14. */
const SOCKET_FOLDER_BYTES_MAX = 103 - 14

const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '50',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  fsync: 'on',
  synchronous_commit: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  // Statements and their values can hold what people wrote; they stay out of the log.
  log_min_error_statement: 'panic',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
}

/**
 * Starts the embedded server, creating its files on first use, and keeps it running.
 * @throws GristmillError `database_failed`, `home_unusable`, `disk_full`, `runtime_missing`
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const { home, clock, logger } = options
  const logFile = join(home.folder('logs'), 'postgres.log')
  const cluster = await openCluster(home, clock, logFile)
  const socketFolder = createSocketFolder(home, cluster)
  const settings = { ...SETTINGS, unix_socket_directories: socketFolder, ...options.settings }
  const server = await supervise({
    clock,
    start: () => startServer(cluster, home, settings, logFile, clock),
    onEvent: (event) => {
      if (event.kind === 'started') logger.debug({ pid: event.pid }, 'database started')
      else logger.error(event, 'database ended, starting it again')
    },
  })
  const host = encodeURIComponent(socketFolder)
  return {
    url: `postgresql://${DATABASE_USER}:${cluster.password}@${host}:${PORT}/${DATABASE_NAME}`,
    logFile,
    pid: () => server.child()?.pid,
    stop: async () => {
      await server.stop()
      if (!socketFolder.startsWith(home.path))
        rmSync(socketFolder, { recursive: true, force: true })
    },
  }
}

/** In the home, or in the temporary folder when the home's path is too long for a socket. */
function createSocketFolder(home: Home, { user }: Cluster): string {
  const preferred = join(home.folder('postgres'), 'socket')
  const fits = Buffer.byteLength(preferred) <= SOCKET_FOLDER_BYTES_MAX
  if (fits) mkdirSync(preferred, { recursive: true, mode: 0o700 })
  const folder = fits ? preferred : mkdtempSync(join(tmpdir(), 'gristmill-'))
  if (user) chownSync(folder, user.uid, user.gid)
  return folder
}

async function startServer(
  cluster: Cluster,
  home: Home,
  settings: Record<string, string>,
  logFile: string,
  clock: Clock,
): Promise<Child> {
  const logOffset = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = await startChild({
    name: 'postgresql',
    command: cluster.binaries.postgres,
    args: ['-D', cluster.dataFolder, '-p', String(PORT), ...flags],
    env: serverEnvironment(),
    cwd: '/',
    uid: cluster.user?.uid,
    gid: cluster.user?.gid,
    // SIGINT: fast shutdown; SIGQUIT: immediate, recovered from the log at the next start.
    stop: [
      { signal: 'SIGINT', waitMs: 10_000 },
      { signal: 'SIGQUIT', waitMs: 3000 },
    ],
    orphanStop: [
      { signal: 'SIGINT', waitMs: 4000 },
      { signal: 'SIGQUIT', waitMs: 2000 },
    ],
    log: { path: logFile, maxBytes: LOG_BYTES_MAX },
    pidFile: join(home.folder('run'), 'postgresql.json'),
  })
  let ended = false
  void child.exited.then(() => {
    ended = true
  })
  const startMs = clock.monotonicMs()
  while (!isReady(cluster.dataFolder, child.pid)) {
    if (ended) throw startError(home, logFile, logOffset)
    if (clock.monotonicMs() - startMs > START_MS_MAX) {
      await child.stop()
      const reason = `not ready after ${START_MS_MAX / 1000} s`
      throw new GristmillError('database_failed', { reason, logFile })
    }
    await clock.sleep(10)
  }
  return child
}

/** The server writes its state into the eighth line of `postmaster.pid`. */
function isReady(dataFolder: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function startError(home: Home, logFile: string, logOffset: number): GristmillError {
  const log = readFileSync(logFile).subarray(logOffset).toString('utf8')
  if (log.includes('No space left on device')) {
    return new GristmillError('disk_full', { path: home.path, freeBytes: home.freeBytes() })
  }
  const lines = log.match(/(?:FATAL|PANIC): .*/g)
  const reason = lines?.at(-1)?.replace(/^\w+: +/, '') ?? 'it ended without a word'
  return new GristmillError('database_failed', { reason, logFile })
}
