/** Restoring a backup into an empty home and an empty database. */
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { GristmillError, type Logger } from '../base/index.ts'
import type { Home } from '../host/index.ts'
import { connect, type DumpTable, DumpWriter, isEmpty, migrate } from '../store/index.ts'
import { FOLDERS, linesIn, MANIFEST, type Manifest, manifestSchema } from './backup.ts'
import { readBackup } from './backup-file.ts'

export interface RestoreOptions {
  path: string
  manifest: Manifest
  databaseUrl: string
  logger: Logger
}

/**
 * Reads a backup to its end, so that nothing is restored from one that is damaged.
 * @throws GristmillError `restore_refused`
 */
export async function checkBackup(path: string): Promise<Manifest> {
  let manifest: Manifest | undefined
  for await (const { name, content } of readBackup(path)) {
    if (manifest === undefined) manifest = name === MANIFEST ? parsed(content) : undefined
    if (manifest === undefined) throw refused(`${path} is not a backup of ours`)
  }
  if (manifest === undefined) throw refused(`${path} is empty`)
  return manifest
}

function parsed(content: Buffer): Manifest {
  const { data } = manifestSchema.safeParse(JSON.parse(content.toString()))
  if (data === undefined) throw refused('its manifest is not one that this version knows')
  return data
}

/** Secrets and the journal. They come before the database is made, since that makes its own. */
export async function restoreHome(path: string, home: Home): Promise<void> {
  for await (const { name, content } of readBackup(path)) {
    const folder = FOLDERS.find((one) => name === `${one}/${basename(name)}`)
    if (folder === undefined) continue
    writeFileSync(join(home.folder(folder), basename(name)), content, { mode: 0o600, flag: 'wx' })
  }
}

/**
 * The schema as it was, the rows, and then what a newer version adds to the schema.
 * @throws GristmillError `restore_refused` where the database is not empty; `database_too_new`
 *   where a newer version wrote it
 */
export async function restoreDatabase(options: RestoreOptions): Promise<{ rows: number }> {
  const { manifest, databaseUrl: url, logger } = options
  const { sql } = connect(url, { connections: 1, name: 'restore', statementMsMax: 0 })
  try {
    if (!(await isEmpty(sql))) throw refused('the database is not empty')
    await migrate({ url, logger, as: manifest.migrations })
    const rows = await sql.begin((transaction) => load(new DumpWriter(transaction), options))
    await migrate({ url, logger })
    return { rows }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function load(writer: DumpWriter, { path, manifest }: RestoreOptions): Promise<number> {
  const tables = new Map(manifest.tables.map((table) => [table.name, table]))
  let rows = 0
  await writer.begin()
  for await (const { name, content } of readBackup(path)) {
    const [, tableName] = /^rows\/(.+)\/\d+$/.exec(name) ?? []
    if (tableName === undefined) continue
    const table: DumpTable | undefined = tables.get(tableName)
    if (table === undefined) throw refused(`${path} has rows of ${tableName}, but no such table`)
    await writer.write(table, content)
    rows += linesIn(content)
  }
  await writer.end(manifest.sequences)
  return rows
}

const refused = (reason: string) => new GristmillError('restore_refused', { reason })
