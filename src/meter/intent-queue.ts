/**
 * Intents on their way into the journal, where they are durable. One group is written at a time,
 * and what comes meanwhile and a moment longer goes out together in the next. Each waits a bounded
 * time.
 */
import type { Clock } from '../base/index.ts'
import type { Journal } from './journal.ts'
import type { LedgerHealth } from './ledger-health.ts'
import type { LedgerMetrics } from './ledger-metrics.ts'
import type { OpenEntry } from './open-entry.ts'
import { WriteLane } from './write-lane.ts'

/**
 * A write costs much the same for one row as for twenty, so that rows gather that long while
 * another one is likely to come in that time.
 */
const GATHER_MS = 1
/** So many of the last rows tell how quickly they come. */
const GAPS = 8
const GAP_MS_MAX = 4 * GATHER_MS
/** A row has some hundred bytes, and 5 kB at most; a group must fit into a file. */
const GROUP_ROWS_MAX = 200

export interface IntentQueueOptions {
  journal: Journal
  clock: Clock
  health: LedgerHealth
  metrics: LedgerMetrics
  waitMsMax: number
  onDurable(entry: OpenEntry): void
  /** It took too long; one of the other three follows. */
  onStalled(entry: OpenEntry, cause: unknown): void
  /** The write failed, yet the row may be on the disk. */
  onDoubtful(entry: OpenEntry, cause: unknown): void
  /** The row is not on the disk and never will be. */
  onDropped(entry: OpenEntry, cause: unknown): void
  onCycle(): void
}

export class IntentQueue {
  readonly #options: IntentQueueOptions
  readonly #lane: WriteLane
  #waiting: OpenEntry[] = []
  #waitingSinceMs = 0
  #inFlight: OpenEntry[] = []
  #sentAtMs = 0
  #cameAtMs = Number.NEGATIVE_INFINITY
  /** Between two rows, on average; a long rest counts as a gap that is too long. */
  #gapMs = GAP_MS_MAX

  constructor(options: IntentQueueOptions) {
    this.#options = options
    this.#lane = new WriteLane(options.clock, () => this.#writeGroup())
  }

  /** Rows not durable yet. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.length
  }

  push(entry: OpenEntry): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#gapMs += (Math.min(nowMs - this.#cameAtMs, GAP_MS_MAX) - this.#gapMs) / GAPS
    this.#cameAtMs = nowMs
    if (this.#waiting.push(entry) > 1) return
    this.#waitingSinceMs = nowMs
    this.#lane.wake(this.#gatherMs)
  }

  /** Called now and then: gives up on what has waited too long. */
  tick(): void {
    const { clock, health, waitMsMax } = this.#options
    const dueMs = clock.monotonicMs() - waitMsMax
    const stalled = this.#inFlight.length > 0 && this.#sentAtMs <= dueMs
    if (stalled) {
      const cause = new Error(`the disk took longer than ${waitMsMax} ms`)
      health.diskFailed(cause)
      for (const entry of this.#inFlight) this.#options.onStalled(entry, cause)
    }
    if (this.#waiting.length > 0 && (stalled || this.#waitingSinceMs <= dueMs)) {
      const given = this.#waiting
      this.#waiting = []
      const cause = new Error('the disk took too long with earlier rows')
      for (const entry of given) this.#options.onDropped(entry, cause)
    }
  }

  async #writeGroup(): Promise<number | null> {
    const { journal, clock, health, metrics } = this.#options
    this.#inFlight = this.#waiting.slice(0, GROUP_ROWS_MAX)
    this.#waiting = this.#waiting.slice(GROUP_ROWS_MAX)
    if (this.#inFlight.length === 0) return null
    this.#sentAtMs = clock.monotonicMs()
    this.#waitingSinceMs = this.#sentAtMs
    try {
      const file = await journal.append(this.#inFlight.map(({ row }) => row))
      metrics.groupRows.observe('journal', this.#inFlight.length)
      metrics.writeSeconds.observe('journal', (clock.monotonicMs() - this.#sentAtMs) / 1000)
      this.#finish((entry) => {
        entry.file = file
        this.#options.onDurable(entry)
      })
    } catch (error) {
      health.diskFailed(error)
      this.#finish((entry) => this.#options.onDoubtful(entry, error))
    }
    this.#options.onCycle()
    return this.#waiting.length === 0 ? null : this.#gatherMs
  }

  get #gatherMs(): number {
    return this.#gapMs < GATHER_MS ? GATHER_MS : 0
  }

  #finish(each: (entry: OpenEntry) => void): void {
    const group = this.#inFlight
    this.#inFlight = []
    for (const entry of group) each(entry)
  }
}
