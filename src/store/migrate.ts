/** Brings the schema up to date: plain `.sql` files, in order of number, each in a transaction. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GristmillError, type Logger } from '../base/index.ts'
import { connect, connectionError, type Queries, type Sql } from './connection.ts'

export interface MigrateOptions {
  url: string
  logger: Logger
  /** Folder of `NNNN_name.sql` files; ours by default. */
  folder?: string
  /** Only these, so that the schema is as it was then; all where absent. */
  as?: readonly Pick<Migration, 'version' | 'sha256'>[]
}

interface Migration {
  version: number
  name: string
  text: string
  sha256: string
}

const OUR_FOLDER = fileURLToPath(new URL('./migrations', import.meta.url))
/** Any number, the same for every program that migrates this database. */
const LOCK_KEY = 7_147_001
const LOCK_MS_MAX = 1000
const LOCK_NOT_AVAILABLE = '55P03'
const PAUSE_S = 1

/**
 * Applies what is missing; gateways that start together take turns. Files of different rooms have
 * their own ranges of numbers, so one may be applied after another with a higher number.
 * @returns versions applied now
 * @throws GristmillError `database_too_new`, `migration_changed`, `database_unreachable`
 */
export async function migrate(options: MigrateOptions): Promise<number[]> {
  const known = asOf(readMigrations(options.folder ?? OUR_FOLDER), options.as)
  // No statement limit: a migration may take its time, and so may waiting for our turn.
  const { sql } = connect(options.url, { connections: 1, name: 'migrations', statementMsMax: 0 })
  try {
    await sql`select pg_advisory_lock(${LOCK_KEY})`
    await sql`
      create table if not exists schema_migrations (
        version int primary key,
        name text not null,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`
    const missing = missingFrom(await appliedTo(sql), known)
    for (const migration of missing) await applyOnce(sql, migration, options.logger)
    const versions = missing.map((migration) => migration.version)
    if (versions.length > 0)
      options.logger.debug({ versions }, 'database schema brought up to date')
    return versions
  } catch (error) {
    throw connectionError(options.url, error)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** @throws GristmillError `database_too_new`, `migration_changed` where it was never like that */
function asOf(all: Migration[], then: MigrateOptions['as']): Migration[] {
  if (then === undefined) return all
  missingFrom(
    then.map((one) => ({ ...one, name: `${one.version}` })),
    all,
  )
  return all.filter(({ version }) => then.some((one) => one.version === version))
}

function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
  return files.sort().map((file) => {
    const match = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file)
    if (!match) throw new Error(`${file} is not named NNNN_name.sql`)
    const text = readFileSync(join(folder, file), 'utf8')
    const sha256 = createHash('sha256').update(text).digest('hex')
    return { version: Number(match[1]), name: match[2] as string, text, sha256 }
  })
}

type Applied = Pick<Migration, 'version' | 'name' | 'sha256'>

async function appliedTo(sql: Queries): Promise<Applied[]> {
  return sql<Applied[]>`select version, name, sha256 from schema_migrations order by version`
}

function missingFrom(applied: Applied[], known: Migration[]): Migration[] {
  const byVersion = new Map(known.map((migration) => [migration.version, migration]))
  if (byVersion.size < known.length) throw new Error('two migrations have the same number')
  for (const { version, name, sha256 } of applied) {
    const ours = byVersion.get(version)
    if (!ours) {
      const newest = known.at(-1)?.version ?? 0
      throw new GristmillError('database_too_new', { found: version, known: newest })
    }
    if (ours.sha256 !== sha256) throw new GristmillError('migration_changed', { version, name })
  }
  const done = new Set(applied.map(({ version }) => version))
  return known.filter(({ version }) => !done.has(version))
}

/**
 * Whoever waits for a table is waited for by all who come after, so that a backup which reads it
 * would stop the gateways that run: nobody waits long, and it is tried again.
 */
async function applyOnce(sql: Sql, migration: Migration, logger: Logger): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await apply(sql, migration)
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error
      const { version, name } = migration
      if (tries === 0)
        logger.warn({ version, name }, 'a migration waits for tables that are in use')
      await sql`select pg_sleep(${PAUSE_S})`
    }
  }
}

async function apply(sql: Sql, { version, name, text, sha256 }: Migration): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction.unsafe(`set local lock_timeout = ${LOCK_MS_MAX}`)
    await transaction.unsafe(text)
    await transaction`
      insert into schema_migrations (version, name, sha256) values (${version}, ${name}, ${sha256})`
  })
}
