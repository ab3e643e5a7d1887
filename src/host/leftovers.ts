/** Children of a holder that died: still stopping under their watchers when we come to start. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, GristmillError } from '../base/index.ts'
import type { StopStep } from './child.ts'
import { commandLine, processStart, signalProcess } from './processes.ts'

interface Leftover {
  file: string
  name: string
  command: string
  /** Absent in what an earlier version wrote. */
  args?: string[]
  watcherPid: number
  childPid: number
  stop: StopStep[]
}

const WAIT_MS_MAX = 12_000
const KILL_AFTER_MS = 9000
const LOOK_EVERY_MS = 50

/**
 * Waits until no child recorded in `folder` runs any more, at most 12 s. A child whose watcher
 * was killed too is stopped from here.
 * @param onWait called once, in words, when there is something to wait for
 * @throws GristmillError `home_locked` when one refuses to go
 */
export async function waitForLeftovers(
  folder: string,
  home: string,
  clock: Clock,
  onWait: (message: string) => void,
): Promise<void> {
  const startMs = clock.monotonicMs()
  const signalled = new Set<number>()
  for (let first = true; ; first = false) {
    const running = readLeftovers(folder).filter((leftover) => stillRuns(leftover))
    if (running.length === 0) return
    const waitedMs = clock.monotonicMs() - startMs
    const names = running.map((r) => `${r.name} (process ${r.childPid})`).join(' and ')
    if (first) onWait(`Waiting for ${names} of an earlier run to stop.`)
    for (const leftover of running) {
      const { childPid, watcherPid } = leftover
      if (waitedMs > KILL_AFTER_MS) signalProcess(childPid, 'SIGKILL')
      else if (!processStart(watcherPid) && !signalled.has(childPid)) {
        signalled.add(childPid)
        signalProcess(childPid, leftover.stop[0]?.signal ?? 'SIGKILL')
      }
    }
    const since = 'it died'
    const pid = running[0]?.childPid
    const what = `${names} of an earlier run, which does not stop`
    if (waitedMs > WAIT_MS_MAX) throw new GristmillError('home_locked', { home, pid, what, since })
    await clock.sleep(LOOK_EVERY_MS)
  }
}

/**
 * A process id may have been given to somebody else since, as after the machine has started anew;
 * the whole command line tells, as there are other programs of Node.js.
 */
function stillRuns(leftover: Leftover): boolean {
  const { command, args = [], childPid } = leftover
  const runs = commandLine(childPid)?.startsWith([command, ...args].join(' ').trim()) ?? false
  if (runs && processStart(childPid) !== undefined) return true
  rmSync(leftover.file, { force: true })
  return false
}

function readLeftovers(folder: string): Leftover[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const file = join(folder, name)
      try {
        return [{ file, ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<Leftover, 'file'>) }]
      } catch (error) {
        // Gone meanwhile: its watcher removes the record when the child has ended.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
        // Cut short by a full disk or a crash: it names nobody.
        if (!(error instanceof SyntaxError)) throw error
        rmSync(file, { force: true })
        return []
      }
    })
}
