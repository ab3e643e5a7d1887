/** `gristmill backup` and `restore`: on the machine of the data home, since its keys go along. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { type Config, createLogger, GristmillError } from '../base/index.ts'
import { isRunning, openHome } from '../host/index.ts'
import { readServerFile } from './client.ts'
import { type CliContext, configWith, connect, example, show, withJson } from './context.ts'
import { bytes, count, moment } from './units.ts'

interface BackupFlags {
  json?: true
  home?: string
}

/** Adds `backup` and `restore` to the program. @param version of this program */
export function backupCommands(program: Command, context: CliContext, version: string): void {
  const { terminal } = context
  const local = (name: string) =>
    withJson(program.command(name)).option('--home <folder>', 'data home on this machine')
  example(local('backup <file>'), 'backup /mnt/backups/gristmill-2026-11-29.tar.gz')
    .description('write everything into one file, also while the server runs; it holds secrets')
    .action(async (file: string, flags: BackupFlags) => {
      const config = configWith(context, { GRISTMILL_HOME: flags.home })
      const path = resolve(file)
      const written = await backup(context, config, flags, path, version)
      show(context, flags, written, () => {
        const { rows, tables } = written
        terminal.print(`${path}: ${bytes(written.bytes)}`)
        terminal.print(`${count(rows)} rows of ${count(tables)} tables, and the keys of the home.`)
      })
    })
  example(local('restore <file>'), 'restore gristmill-2026-11-29.tar.gz --home /srv/gristmill')
    .description('fill an empty data home (and DATABASE_URL, where it is set) from a backup')
    .action(async (file: string, flags: BackupFlags) => {
      const config = configWith(context, { GRISTMILL_HOME: flags.home })
      const restored = await restore(context, config, resolve(file))
      show(context, flags, restored, () => {
        const { at, rows } = restored
        terminal.print(`Restored ${config.home} as it was at ${moment(at)}: ${count(rows)} rows.`)
        terminal.note('Start it, then prove its books: gristmill ledger verify')
      })
    })
}

async function backup(
  context: CliContext,
  config: Config,
  flags: BackupFlags,
  path: string,
  version: string,
) {
  const { clock } = context
  if (existsSync(path)) throw refusedBackup(`${path} exists already`)
  const running = readServerFile(config.home)
  const made = { path, home: config.home, version, nowMs: clock.nowMs() }
  const { writeBackup } = await serveRoom()
  if (running !== undefined && isRunning(running.pid, undefined)) {
    // What has ended is in the database, not only in the journal and in memory.
    await connect(context, flags).post('/api/ledger/flush')
    return await writeBackup({ ...made, databaseUrl: running.databaseUrl, isRunning: true })
  }
  if (!existsSync(join(config.home, 'secrets'))) {
    throw refusedBackup(`${config.home} is no data home`)
  }
  return await withDatabase(context, config, 'gristmill backup', (databaseUrl) =>
    writeBackup({ ...made, databaseUrl, isRunning: false }),
  )
}

async function restore(context: CliContext, config: Config, path: string) {
  const { home } = config
  if (existsSync(home) && readdirSync(home).length > 0) {
    throw new GristmillError('restore_refused', { reason: `${home} is not empty` })
  }
  const { checkBackup, restoreDatabase, restoreHome } = await serveRoom()
  const manifest = await checkBackup(path)
  try {
    const logger = createLogger(config.logLevel, 'gristmill')
    const filled = await openHome(config, context.clock, { what: 'gristmill restore' })
    await restoreHome(path, filled).finally(() => filled.release())
    const { rows } = await withDatabase(context, config, 'gristmill restore', (databaseUrl) =>
      restoreDatabase({ path, manifest, databaseUrl, logger }),
    )
    return { home, at: manifest.at, gristmill: manifest.gristmill, rows }
  } catch (error) {
    // It was empty, and what is half restored must not be started.
    for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true })
    throw error
  }
}

/** While no server runs: that of `DATABASE_URL`, or the embedded one for as long as it takes. */
async function withDatabase<T>(
  { clock }: CliContext,
  config: Config,
  what: string,
  work: (databaseUrl: string) => Promise<T>,
): Promise<T> {
  const home = await openHome(config, clock, { what })
  try {
    if (config.databaseUrl !== undefined) return await work(config.databaseUrl)
    const logger = createLogger(config.logLevel, 'gristmill')
    const { startEmbedded } = await import('../store/index.ts')
    const server = await startEmbedded({ home, clock, logger })
    try {
      return await work(server.url)
    } finally {
      await server.stop()
    }
  } finally {
    home.release()
  }
}

/** Loaded only here: most of the server comes with it, for which no other command is to wait. */
const serveRoom = () => import('../serve/index.ts')

const refusedBackup = (reason: string) => new GristmillError('backup_refused', { reason })
