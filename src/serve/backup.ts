/** Backups: everything that an installation needs to go on elsewhere, in one file. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'
import { type DumpHead, dumpDatabase } from '../store/index.ts'
import { BackupWriter } from './backup-file.ts'

/** What stands first in a backup. */
export const manifestSchema = z.object({
  format: z.literal(1),
  /** The version that wrote it. */
  gristmill: z.string(),
  at: z.iso.datetime(),
  server: z.string(),
  migrations: z.array(z.object({ version: z.number().int(), sha256: z.string() })),
  tables: z.array(z.object({ name: z.string(), columns: z.string() })),
  sequences: z.array(z.object({ name: z.string(), value: z.string() })),
})
export type Manifest = z.infer<typeof manifestSchema>

export const MANIFEST = 'manifest.json'
export const FOLDERS = ['secrets', 'journal'] as const

export interface BackupOptions {
  path: string
  databaseUrl: string
  /** The data home. */
  home: string
  /** True where a server writes: what its journal has is in the database already. */
  isRunning: boolean
  version: string
  nowMs: number
}

export interface BackupResult {
  path: string
  bytes: number
  tables: number
  rows: number
}

/** Made anew wherever they are needed. */
const NOT_KEPT = new Set(['postgres', 'cli-token'])
const PART_BYTES = 4 * 1024 * 1024

/**
 * Writes a backup of one moment, whatever goes on meanwhile.
 * @throws GristmillError `backup_refused` where the file exists, `database_unreachable`
 */
export async function writeBackup(options: BackupOptions): Promise<BackupResult> {
  const { path, databaseUrl, nowMs } = options
  const file = await BackupWriter.open(path, nowMs)
  let rows = 0
  let head: DumpHead | undefined
  try {
    await dumpDatabase(
      databaseUrl,
      async (found) => {
        head = found
        await file.add({ name: MANIFEST, content: manifestOf(found, options) })
        for (const entry of homeEntries(options)) await file.add(entry)
      },
      async ({ name }, parts) => {
        let number = 0
        for await (const content of inParts(parts)) {
          rows += linesIn(content)
          await file.add({ name: `rows/${name}/${String(++number).padStart(6, '0')}`, content })
        }
      },
    )
    const bytes = await file.close()
    return { path, bytes, tables: head?.tables.length ?? 0, rows }
  } catch (error) {
    await file.abandon()
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    throw new GristmillError('backup_refused', { reason: 'the disk is full' }, { cause: error })
  }
}

/** COPY writes a line for each row; those within values are escaped. */
export function linesIn(content: Buffer): number {
  let lines = 0
  for (let at = content.indexOf(10); at >= 0; at = content.indexOf(10, at + 1)) lines++
  return lines
}

function manifestOf(head: DumpHead, { version, nowMs }: BackupOptions): Buffer {
  const manifest: Manifest = {
    format: 1,
    gristmill: version,
    at: new Date(nowMs).toISOString(),
    ...head,
  }
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
}

function* homeEntries({ home, isRunning }: BackupOptions) {
  for (const folder of FOLDERS) {
    if (folder === 'journal' && isRunning) continue
    for (const entry of readdirSync(join(home, folder), { withFileTypes: true })) {
      const { name } = entry
      if (!entry.isFile() || (folder === 'secrets' && NOT_KEPT.has(name))) continue
      yield { name: `${folder}/${name}`, content: readFileSync(join(home, folder, name)) }
    }
  }
}

async function* inParts(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let bytes = 0
  for await (const part of parts) {
    held.push(part)
    bytes += part.length
    if (bytes < PART_BYTES) continue
    yield Buffer.concat(held)
    held = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(held)
}
