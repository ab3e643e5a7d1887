/**
 * The lock of a data home: one file that names its holder. A holder counts as alive while its
 * process runs, or, when it is on another host sharing the folder, while it touches the file.
 */
import {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { type Clock, GristmillError } from '../base/index.ts'
import { isRunning, processStart } from './processes.ts'

interface Holder {
  pid: number
  /** See `processStart`; a later process with the same id has another one. */
  start: string | undefined
  host: string
  /** What it is, in words, for the message to whoever comes second. */
  what: string
  sinceMs: number
}

const TOUCH_MS = 2000
const FOREIGN_ALIVE_MS = 10_000

/**
 * Takes the lock, over a dead holder if need be.
 * @param path the lock file
 * @param what this process in words, such as `gristmill start`
 * @returns a function that gives the lock back
 * @throws GristmillError `home_locked` when somebody alive holds it
 */
export function takeLock(path: string, home: string, what: string, clock: Clock): () => void {
  const mine = `${path}.${process.pid}`
  const holder: Holder = {
    pid: process.pid,
    start: processStart(process.pid),
    host: hostname(),
    what,
    sinceMs: clock.nowMs(),
  }
  writeFileSync(mine, JSON.stringify(holder), { mode: 0o644 })
  try {
    while (!linkIfFree(mine, path)) removeIfDead(path, home, clock)
  } finally {
    rmSync(mine, { force: true })
  }
  const touch = clock.every(TOUCH_MS, () => {
    const now = new Date(clock.nowMs())
    utimesSync(path, now, now)
  })
  return () => {
    touch.cancel()
    rmSync(path, { force: true })
  }
}

/** A link appears with its whole content or not at all, which O_EXCL and a write do not promise. */
function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeIfDead(path: string, home: string, clock: Clock): void {
  const text = readIfThere(path)
  if (text === undefined) return
  const holder = parseHolder(text)
  if (holder && isAlive(holder, path, clock)) {
    const since = new Date(holder.sinceMs).toISOString()
    const what = holder.host === hostname() ? holder.what : `${holder.what} on host ${holder.host}`
    throw new GristmillError('home_locked', { home, pid: holder.pid, what, since })
  }
  // Two processes may find the same dead holder; whoever moves the file looks at what it moved.
  const moved = `${path}.${process.pid}.dead`
  try {
    renameSync(path, moved)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (readFileSync(moved, 'utf8') !== text) linkIfFree(moved, path)
  rmSync(moved)
}

function isAlive(holder: Holder, path: string, clock: Clock): boolean {
  if (holder.host === hostname()) return isRunning(holder.pid, holder.start)
  const touched = statSync(path, { throwIfNoEntry: false })
  return touched !== undefined && clock.nowMs() - touched.mtimeMs < FOREIGN_ALIVE_MS
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** What is not a holder's record (a half-written file of a full disk) locks nothing. */
function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder>
    return typeof holder.pid === 'number' && holder.host ? (holder as Holder) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
