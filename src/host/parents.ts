/**
 * The end of whoever started us. A starter killed with -9 sends no signal, so its process is
 * looked at; a program that waits for this never stays behind.
 */
import type { Clock, Timer } from '../base/index.ts'
import { isRunning, processStart } from './processes.ts'

const LOOK_EVERY_MS = 500

/**
 * Calls `run` once when one of the processes has ended.
 * @param pids processes that run now, as in `Config.parents`
 */
export function whenParentGone(pids: number[], clock: Clock, run: () => void): Timer {
  const parents = pids.map((pid) => ({ pid, start: processStart(pid) }))
  const timer = clock.every(LOOK_EVERY_MS, () => {
    if (parents.every(({ pid, start }) => start !== undefined && isRunning(pid, start))) return
    timer.cancel()
    run()
  })
  return timer
}
