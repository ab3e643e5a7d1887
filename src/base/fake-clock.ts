/** A clock that moves only when it is told to; for unit tests and the simulator. */
import type { Clock, Timer } from './clock.ts'

interface Alarm {
  atMs: number
  order: number
  run: () => void
  periodMs: number | undefined
}

export class FakeClock implements Clock {
  #nowMs: number
  #order = 0
  #alarms: Alarm[] = []
  readonly #epochMs: number

  /** @param epochMs wall-clock time at monotonic zero, in milliseconds since the Unix epoch */
  constructor(epochMs = 1_700_000_000_000) {
    this.#nowMs = 0
    this.#epochMs = epochMs
  }

  nowMs(): number {
    return this.#epochMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#set(delayMs, run, undefined)
  }

  every(periodMs: number, run: () => void): Timer {
    return this.#set(periodMs, run, periodMs)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const timer = this.after(delayMs, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(signal.reason as Error)
      })
    })
  }

  /** Moves time forward by `ms`, running every alarm that falls due in order of its time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const due = this.#alarms.filter((alarm) => alarm.atMs <= untilMs)
      const first = due.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (!first) break
      this.#nowMs = Math.max(this.#nowMs, first.atMs)
      if (first.periodMs === undefined) this.#alarms = this.#alarms.filter((a) => a !== first)
      else first.atMs += first.periodMs
      first.run()
    }
    this.#nowMs = untilMs
  }

  #set(delayMs: number, run: () => void, periodMs: number | undefined): Timer {
    const alarm = { atMs: this.#nowMs + delayMs, order: this.#order++, run, periodMs }
    this.#alarms.push(alarm)
    return {
      cancel: () => {
        this.#alarms = this.#alarms.filter((a) => a !== alarm)
      },
    }
  }
}
