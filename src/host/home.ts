/**
 * The data home: the one folder that holds everything the program keeps. Opening it creates its
 * folders, takes its lock and waits for children of a run that died.
 */
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Clock, GristmillError, type Random, systemRandom } from '../base/index.ts'
import { takeLock } from './home-lock.ts'
import { waitForLeftovers } from './leftovers.ts'

/**
 * `run` holds records of running children and sockets, `cache` what can be made again;
 * `calibration` what was measured about engines on this machine, `journal` what the ledger's
 * database does not have yet.
 */
const FOLDER_MODES = {
  models: 0o755,
  postgres: 0o711,
  logs: 0o700,
  journal: 0o700,
  calibration: 0o755,
  cache: 0o755,
  run: 0o700,
  secrets: 0o700,
} as const

export type HomeFolder = keyof typeof FOLDER_MODES

export interface Home {
  /** Absolute path of the data home. */
  readonly path: string
  /** Absolute path of one of its folders, which exists. */
  folder(name: HomeFolder): string
  /** 32 random bytes, the same ever after; made on first use, readable by us only. */
  secret(name: string): Buffer
  /** Makes another secret of a name; it takes the place of the one before when told so. */
  renewSecret(name: string): RenewedSecret
  /** One that was made and perhaps used, but not put in its place: a run died in between. */
  pendingSecret(name: string): Buffer | undefined
  /** Free bytes for us on the disk under the home. */
  freeBytes(): number
  /** Gives the lock back; the home must not be used afterwards. */
  release(): void
}

export interface RenewedSecret {
  secret: Buffer
  commit(): void
}

export interface OpenHomeOptions {
  /** This process in words, told to whoever finds the home locked. */
  what: string
  /** Called in words when the start has to wait. */
  onWait?: (message: string) => void
  /** Free disk space below which the home is refused, bytes. */
  freeBytesMin?: number
  random?: Random
}

/** Enough for the database to start and to write for a while. */
const FREE_BYTES_MIN = 128 * 1024 * 1024

/**
 * Opens the data home and takes its lock.
 * @throws GristmillError `home_locked`, `home_unusable`, `disk_full`
 */
export async function openHome(
  config: { home: string },
  clock: Clock,
  options: OpenHomeOptions,
): Promise<Home> {
  const path = config.home
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  }
  const folder = (name: HomeFolder) => join(path, name)
  try {
    createFolders(path)
  } catch (error) {
    throw unusable(path, error)
  }
  if (freeBytes() < (options.freeBytesMin ?? FREE_BYTES_MIN)) {
    throw new GristmillError('disk_full', { path, freeBytes: freeBytes() })
  }
  const unlock = await takeLockIn(path, options.what, clock)
  try {
    await waitForLeftovers(folder('run'), path, clock, options.onWait ?? (() => {}))
  } catch (error) {
    unlock()
    throw error
  }
  const random = options.random ?? systemRandom
  const secret = (name: string) => readOrCreateSecret(join(folder('secrets'), name), random)
  const pathOf = (name: string) => join(folder('secrets'), name)
  const renewSecret = (name: string) => renewedSecret(pathOf(name), random)
  const pendingSecret = (name: string) => readSecret(pendingPath(pathOf(name)))
  return { path, folder, secret, renewSecret, pendingSecret, freeBytes, release: unlock }
}

function createFolders(path: string): void {
  // Others may pass through, as the user that PostgreSQL runs as must, but not look around.
  mkdirSync(path, { recursive: true, mode: 0o711 })
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  for (const [name, mode] of Object.entries(FOLDER_MODES)) {
    mkdirSync(join(path, name), { recursive: true })
    chmodSync(join(path, name), mode)
  }
}

/** A holder that was just killed takes a moment to be gone. */
const HOLDER_GOES_MS = 300

async function takeLockIn(path: string, what: string, clock: Clock): Promise<() => void> {
  const startMs = clock.monotonicMs()
  for (;;) {
    try {
      return takeLock(join(path, 'lock'), path, what, clock)
    } catch (error) {
      if (!(error instanceof GristmillError)) throw unusable(path, error)
      if (clock.monotonicMs() - startMs > HOLDER_GOES_MS) throw error
      await clock.sleep(50)
    }
  }
}

function readOrCreateSecret(path: string, random: Random): Buffer {
  const known = readSecret(path)
  if (known !== undefined) return known
  writeSecret(path, random.bytes(32))
  return readFileSync(path)
}

function readSecret(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** Written beside and renamed, so that a crash leaves no short secret. */
function writeSecret(path: string, bytes: Uint8Array): void {
  writeFileSync(`${path}.new`, bytes, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

const pendingPath = (path: string) => `${path}.pending`

/** On disk before anything is sealed with it, so that a crash at any moment loses nothing. */
function renewedSecret(path: string, random: Random): RenewedSecret {
  const pending = pendingPath(path)
  writeSecret(pending, random.bytes(32))
  return { secret: readFileSync(pending), commit: () => renameSync(pending, path) }
}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'its file system is read-only',
  ENOTDIR: 'part of the path is a file',
  EEXIST: 'there is a file of that name',
  ENAMETOOLONG: 'the path is too long',
}

function unusable(home: string, error: unknown): GristmillError {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') {
    return new GristmillError('disk_full', { path: home, freeBytes: 0 }, { cause: error })
  }
  const reason = REASONS[code] ?? message
  return new GristmillError('home_unusable', { home, reason }, { cause: error })
}
