/**
 * Intents on their way into the database. Each waits a bounded time; a busy gateway gathers for a
 * few milliseconds because a write costs the same for one row as for twenty.
 */
import type { Clock } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import type { LedgerHealth } from './ledger-health.ts'
import type { LedgerMetrics } from './ledger-metrics.ts'
import { writeIntents } from './ledger-rows.ts'
import type { OpenEntry } from './open-entry.ts'
import { WriteLane, writeAround } from './write-lane.ts'

/** Below this rate groups would stay small, so waiting for more rows is not worth its delay. */
const GATHER_FROM_PER_S = 500
const GATHER_ROWS = 16
const GATHER_MS_MAX = 8
const GROUP_ROWS_MAX = 1000

export interface IntentQueueOptions {
  sql: Queries
  clock: Clock
  health: LedgerHealth
  metrics: LedgerMetrics
  waitMsMax: number
  onDurable(entry: OpenEntry): void
  /** It took too long; one of the other three follows. */
  onStalled(entry: OpenEntry, cause: unknown): void
  /** The write failed, yet the row may be in the database. */
  onDoubtful(entry: OpenEntry, cause: unknown): void
  /** The row is not in the database and never will be. */
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
  #openedSinceTick = 0
  #gatherMs = 0

  constructor(options: IntentQueueOptions) {
    this.#options = options
    this.#lane = new WriteLane(options.clock, () => this.#writeGroup())
  }

  /** Rows not durable yet. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.length
  }

  push(entry: OpenEntry): void {
    this.#openedSinceTick++
    if (this.#waiting.push(entry) === 1) {
      this.#waitingSinceMs = this.#options.clock.monotonicMs()
      this.#lane.wake(this.#gatherMs)
    } else if (this.#waiting.length === GATHER_ROWS * 2) this.#lane.wake()
  }

  hurry(): void {
    if (this.#waiting.length > 0) this.#lane.wake()
  }

  /** Called every `periodMs`: measures the rate and gives up on what has waited too long. */
  tick(periodMs: number): void {
    const ratePerS = (this.#openedSinceTick * 1000) / periodMs
    this.#openedSinceTick = 0
    this.#gatherMs =
      ratePerS < GATHER_FROM_PER_S ? 0 : Math.min(GATHER_MS_MAX, (GATHER_ROWS * 1000) / ratePerS)
    const { clock, health, waitMsMax } = this.#options
    const dueMs = clock.monotonicMs() - waitMsMax
    const stalled = this.#inFlight.length > 0 && this.#sentAtMs <= dueMs
    if (stalled) {
      const cause = new Error(`the database took longer than ${waitMsMax} ms`)
      health.failed(cause)
      for (const entry of this.#inFlight) this.#options.onStalled(entry, cause)
    }
    if (this.#waiting.length > 0 && (stalled || this.#waitingSinceMs <= dueMs)) {
      const given = this.#waiting
      this.#waiting = []
      const cause = new Error('the database took too long with earlier rows')
      for (const entry of given) this.#options.onDropped(entry, cause)
    }
  }

  async #writeGroup(): Promise<number | null> {
    const { sql, clock, health, metrics } = this.#options
    this.#inFlight = this.#waiting.slice(0, GROUP_ROWS_MAX)
    this.#waiting = this.#waiting.slice(GROUP_ROWS_MAX)
    if (this.#inFlight.length === 0) return null
    this.#sentAtMs = clock.monotonicMs()
    const bad = new Map<OpenEntry, unknown>()
    try {
      await writeAround(
        this.#inFlight,
        (rows) =>
          writeIntents(
            sql,
            rows.map((entry) => entry.intent),
          ),
        (entry, error) => bad.set(entry, error),
      )
      metrics.groupRows.observe({ kind: 'intent' }, this.#inFlight.length)
      const tookMs = clock.monotonicMs() - this.#sentAtMs
      metrics.writeSeconds.observe({ kind: 'intent' }, tookMs / 1000)
      metrics.badRows.inc({ kind: 'intent' }, bad.size)
      this.#finish((entry) => {
        if (bad.has(entry)) this.#options.onDropped(entry, bad.get(entry))
        else this.#options.onDurable(entry)
      })
      health.wrote()
    } catch (error) {
      health.failed(error)
      this.#finish((entry) => this.#options.onDoubtful(entry, error))
    }
    this.#options.onCycle()
    return this.#waiting.length > 0 ? this.#gatherMs : null
  }

  #finish(each: (entry: OpenEntry) => void): void {
    const group = this.#inFlight
    this.#inFlight = []
    for (const entry of group) each(entry)
  }
}
