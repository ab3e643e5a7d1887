/**
 * The lines of a batch that are in flight, and the place that each takes in its lane. Whoever waits
 * for a place is told of every change.
 */
import type { GristmillError, Timer } from '../base/index.ts'
import type { RunningLine } from '../gateway/index.ts'
import type { Lane } from './batch-lane.ts'
import type { InputLine } from './line-format.ts'

export interface Outstanding extends InputLine {
  line: number
  lane: Lane
  attempt: number
  running: RunningLine | null
  /** Set while it waits for its next try. */
  retry: Timer | null
  /** What its last try was told to wait for. */
  told: GristmillError | null
  /** When that try began. */
  askedAtMs: number
  /** True while others may go before it. */
  isAside: boolean
}

/** One that has not been tried yet. */
export const outstanding = (
  input: InputLine & Pick<Outstanding, 'line' | 'lane' | 'attempt'>,
): Outstanding => ({
  ...input,
  running: null,
  retry: null,
  told: null,
  askedAtMs: 0,
  isAside: false,
})

export class OutstandingLines {
  readonly #lines = new Map<number, Outstanding>()
  #waiters: (() => void)[] = []

  get size(): number {
    return this.#lines.size
  }

  /** In the order in which they came into flight. */
  values(): Iterable<Outstanding> {
    return this.#lines.values()
  }

  /** Lines that wait for an engine, and lines that run on one. */
  inFlight(): { queued: number; running: number } {
    let running = 0
    for (const line of this.#lines.values()) if (line.running?.isWaiting === false) running++
    return { queued: this.#lines.size - running, running }
  }

  hold(line: Outstanding): void {
    if (this.#lines.has(line.line)) return
    this.#lines.set(line.line, line)
    line.lane.count(1, line.body.length)
  }

  setAside(line: Outstanding, isAside: boolean): void {
    if (line.isAside === isAside) return
    line.isAside = isAside
    line.lane.aside += isAside ? 1 : -1
    this.changed()
  }

  forget(line: Outstanding): void {
    this.setAside(line, false)
    if (this.#lines.delete(line.line)) line.lane.count(-1, -line.body.length)
    this.changed()
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.change()
  }

  /** Resolves at the next change. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Tells whoever waits. */
  changed(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}
