/** Keeps one child running: restarts it with a growing pause when it ends by itself. */
import type { Clock } from '../base/index.ts'
import type { Child, ChildExit } from './child.ts'

export type SupervisionEvent =
  | { kind: 'started'; pid: number }
  | { kind: 'ended'; exit: ChildExit; restartInMs: number }
  | { kind: 'start_failed'; error: unknown; restartInMs: number }

export interface SuperviseOptions {
  clock: Clock
  /** Starts the child and resolves once it is ready for work. */
  start: () => Promise<Child>
  onEvent: (event: SupervisionEvent) => void
  /** First pause, milliseconds; doubles up to `pauseMsMax`. */
  pauseMs?: number
  pauseMsMax?: number
  /** Time a child must run for the pause to start over, milliseconds. */
  healthyAfterMs?: number
}

export interface Supervised {
  /** The running child, or undefined between two of them. */
  child(): Child | undefined
  /** Ends supervision and the child; resolves when it is gone. */
  stop(): Promise<void>
}

/**
 * Starts the child and keeps it running.
 * @throws whatever the first start throws; later failures are events
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { clock, start, onEvent, pauseMs = 250, pauseMsMax = 10_000 } = options
  const healthyAfterMs = options.healthyAfterMs ?? 60_000
  const stopping = new AbortController()
  let nextPauseMs = pauseMs
  let current: Child | undefined = await start()
  onEvent({ kind: 'started', pid: current.pid })

  const takePause = (ranMs: number) => {
    if (ranMs >= healthyAfterMs) nextPauseMs = pauseMs
    const taken = nextPauseMs
    nextPauseMs = Math.min(pauseMsMax, nextPauseMs * 2)
    return taken
  }
  const pause = (ms: number) => clock.sleep(ms, stopping.signal).catch(ignoreAbort)

  const startAgain = async (): Promise<Child | undefined> => {
    try {
      const child = await start()
      onEvent({ kind: 'started', pid: child.pid })
      return child
    } catch (error) {
      const restartInMs = takePause(0)
      onEvent({ kind: 'start_failed', error, restartInMs })
      await pause(restartInMs)
      return undefined
    }
  }

  const keepRunning = async () => {
    while (!stopping.signal.aborted) {
      const sinceMs = clock.monotonicMs()
      if (current) {
        const exit = await current.exited
        current = undefined
        if (stopping.signal.aborted) break
        const restartInMs = takePause(clock.monotonicMs() - sinceMs)
        onEvent({ kind: 'ended', exit, restartInMs })
        await pause(restartInMs)
      }
      if (!stopping.signal.aborted) current = await startAgain()
    }
    await current?.stop()
    current = undefined
  }
  const running = keepRunning()

  return {
    child: () => current,
    stop: async () => {
      stopping.abort(new Error('supervision ends'))
      await current?.stop()
      await running
    },
  }
}

/** The only reason a pause is cut short is `stop`, which the loop sees for itself. */
function ignoreAbort(): void {}
