/**
 * A real, migrated, empty PostgreSQL for the tests of every room: one embedded server per test
 * process, or a database of its own on `GRISTMILL_TEST_DATABASE_URL`. Never used by the program.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type Clock, createLogger, readConfig, systemClock, systemRandom } from '../base/index.ts'
import { openHome, processStart } from '../host/index.ts'
import { connect } from './connection.ts'
import { type Database, openDatabase } from './database.ts'
import { type EmbeddedDatabase, startEmbedded } from './embedded.ts'
import { migrate } from './migrate.ts'

export interface TestDatabase extends Database {
  /** The embedded server, unless the database is on a given one. */
  readonly server: EmbeddedDatabase | undefined
  /** Empties every table. */
  reset(): Promise<void>
  /** Closes the connections, stops the server and removes its files. */
  close(): Promise<void>
}

/** Nothing in a test outlives its process, so nothing needs to reach the disk. */
const FAST = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
}

const MIGRATIONS = join(import.meta.dirname, 'migrations')

const clock = systemClock
const logger = createLogger('silent', 'test')

/**
 * Opens a migrated, empty database.
 * @param options `connections` of the pool (8); `settings` of the embedded server, such as
 *   `{ fsync: 'on' }` where a test is about durability; `serverClock` by which the embedded server
 *   is started again when it ends by itself
 */
export async function openTestDatabase(
  options: { connections?: number; settings?: Record<string, string>; serverClock?: Clock } = {},
): Promise<TestDatabase> {
  const { testDatabaseUrl } = readConfig()
  const place = testDatabaseUrl
    ? await placeOnServer(testDatabaseUrl)
    : await placeInOwnServer(options.settings ?? {}, options.serverClock ?? clock)
  try {
    await migrate({ url: place.url, logger })
    const connections = options.connections ?? 8
    const database = await openDatabase({ url: place.url, clock, logger, connections })
    return {
      ...database,
      server: place.server,
      reset: () => emptyTables(database),
      close: async () => {
        await database.close()
        await place.remove()
      },
    }
  } catch (error) {
    await place.remove()
    throw error
  }
}

interface Place {
  url: string
  server: EmbeddedDatabase | undefined
  remove(): Promise<void>
}

/** Puts an initialised, migrated, empty cluster with its password into an empty home. */
export async function prepareHome(folder: string): Promise<void> {
  const template = await openTemplate()
  // Keeps owners and times, and shares blocks where the file system can.
  execFileSync('cp', ['-a', join(template, 'postgres'), join(template, 'secrets'), folder])
}

async function placeInOwnServer(
  settings: Record<string, string>,
  serverClock: Clock,
): Promise<Place> {
  removeAbandoned()
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
  chmodSync(folder, 0o711)
  await prepareHome(folder)
  const home = await openHome({ home: folder }, clock, { what: 'test' })
  const all = { ...FAST, ...settings }
  const server = await startEmbedded({ home, clock: serverClock, logger, settings: all })
  const remove = async () => {
    await server.stop()
    home.release()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url: server.url, server, remove }
}

const PREFIX = 'gristmill-test-'

/** Homes of test processes that were killed. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0])
    const path = join(tmpdir(), name)
    if (Number.isInteger(pid) && !processStart(pid) && !existsSync(serverPidFile(path)))
      rmSync(path, { recursive: true, force: true })
  }
}

const serverPidFile = (home: string) => join(home, 'postgres', 'data', 'postmaster.pid')

/** Made once per machine, user, version of the server, state of the migrations, and month. */
async function openTemplate(): Promise<string> {
  const path = join(tmpdir(), `gristmill-template-18-${userInfo().uid}-${migrationsHash()}`)
  if (existsSync(path)) return path
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-template-`))
  chmodSync(folder, 0o711)
  const home = await openHome({ home: folder }, clock, { what: 'test template' })
  const server = await startEmbedded({ home, clock, logger, settings: FAST })
  await migrate({ url: server.url, logger })
  await server.stop()
  home.release()
  try {
    renameSync(folder, path)
  } catch (error) {
    // Another test process was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    rmSync(folder, { recursive: true })
  }
  return path
}

/** Of the migrations, and of the month, since one of them looks at it. */
function migrationsHash(): string {
  const hash = createHash('sha256').update(new Date(clock.nowMs()).toISOString().slice(0, 7))
  for (const name of readdirSync(MIGRATIONS).sort()) {
    hash.update(name).update(readFileSync(join(MIGRATIONS, name)))
  }
  return hash.digest('hex').slice(0, 16)
}

async function placeOnServer(serverUrl: string): Promise<Place> {
  const name = `gristmill_test_${Buffer.from(systemRandom.bytes(6)).toString('hex')}`
  const { sql } = connect(serverUrl, { connections: 1, name: 'tests', statementMsMax: 0 })
  await sql.unsafe(`create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const remove = async () => {
    await sql.unsafe(`drop database ${name} with (force)`)
    await sql.end()
  }
  return { url: url.href, server: undefined, remove }
}

/** Only those that hold something: to empty one takes long, also where it is empty. */
async function emptyTables({ sql }: Database): Promise<void> {
  await sql.begin(async (transaction) => {
    // Append-only tables refuse to be emptied; as a replica the server runs no such triggers.
    await transaction`set local session_replication_role = replica`
    await transaction`
      do $$
      declare
        name text;
        holds boolean;
        names text[] := '{}';
      begin
        for name in
          select format('%I.%I', schemaname, tablename) from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema')
            and tablename <> 'schema_migrations'
        loop
          execute 'select exists (select from ' || name || ')' into holds;
          if holds then names := names || name; end if;
        end loop;
        if cardinality(names) > 0 then
          execute 'truncate ' || array_to_string(names, ', ') || ' restart identity cascade';
        end if;
      end $$`
  })
}
