/**
 * Time. Every room takes a `Clock` so that tests and the simulator can hold it still;
 * nothing outside this file reads the machine's clock or sets a timer.
 */

/** A timer that has been set; `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. For records, never for durations. */
  nowMs(): number
  /** Monotonic time in milliseconds with a fraction; for durations and scheduling. */
  monotonicMs(): number
  /**
   * Calls `run` once after `delayMs`, or 24 days where that is less. The timer does not keep the
   * process alive.
   */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` every `periodMs`. The timer does not keep the process alive. */
  every(periodMs: number, run: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** Timers of Node wait no longer: one that is set to more runs at once. */
const TIMER_MS_MAX = 2 ** 31 - 1
const within = (ms: number) => Math.min(ms, TIMER_MS_MAX)

/** The machine's clock. `sleep` keeps the process alive, `after` and `every` do not. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, within(delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  every(periodMs, run) {
    const handle = setInterval(run, within(periodMs))
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const onAbort = () => {
        clearTimeout(handle)
        reject(signal?.reason as Error)
      }
      const handle = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, within(delayMs))
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
}
