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
/**
 * A group that gathers goes out when it has so many rows, is so old, or nothing came for a step.
 */
const GATHER_ROWS = 32
const GATHER_MS_MAX = 16
const GATHER_STEP_MS = 2
/** How long gathering is off once it is seen that callers wait for us, ticks. */
const REST_TICKS = 20
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
  #gathers = false
  /** Rows that waited at the last look. */
  #gathered = 0
  /** Groups since the last tick, and those that stopped growing before they were full or old. */
  #groups = 0
  #quietGroups = 0
  #restTicks = 0

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
      this.#gathered = 0
      this.#lane.wake(this.#gathers ? GATHER_STEP_MS : 0)
    } else if (this.#waiting.length === GATHER_ROWS) this.#lane.wake()
  }

  hurry(): void {
    this.#gathers = false
    if (this.#waiting.length > 0) this.#lane.wake()
  }

  /** Called every `periodMs`: measures the rate and gives up on what has waited too long. */
  tick(periodMs: number): void {
    this.#decideToGather((this.#openedSinceTick * 1000) / periodMs)
    this.#openedSinceTick = 0
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

  /**
   * Gathering pays where requests come whether or not we answer (a third of the processor time at
   * 2,000 a second). A few callers that each wait for their answer fill a group at once and then
   * fall silent; there it only makes them slower.
   */
  #decideToGather(ratePerS: number): void {
    if (this.#restTicks > 0) this.#restTicks--
    else if (this.#gathers && this.#quietGroups * 2 > this.#groups) this.#restTicks = REST_TICKS
    this.#gathers = this.#restTicks === 0 && ratePerS >= GATHER_FROM_PER_S
    this.#groups = 0
    this.#quietGroups = 0
  }

  async #writeGroup(): Promise<number | null> {
    const { sql, clock, health, metrics } = this.#options
    if (this.#gathers && this.#mayGrow()) return GATHER_STEP_MS
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
      metrics.groupRows.observe('intent', this.#inFlight.length)
      metrics.writeSeconds.observe('intent', (clock.monotonicMs() - this.#sentAtMs) / 1000)
      if (bad.size > 0) metrics.badRows.inc({ kind: 'intent' }, bad.size)
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
    if (this.#waiting.length === 0) return null
    return this.#gathers ? GATHER_STEP_MS : 0
  }

  /** Whether more rows are worth waiting for. */
  #mayGrow(): boolean {
    const rows = this.#waiting.length
    const grew = rows > this.#gathered
    this.#gathered = rows
    const ageMs = this.#options.clock.monotonicMs() - this.#waitingSinceMs
    const ready = rows >= GATHER_ROWS || ageMs >= GATHER_MS_MAX
    if (!ready && grew) return true
    this.#groups++
    if (!ready) this.#quietGroups++
    return false
  }

  #finish(each: (entry: OpenEntry) => void): void {
    const group = this.#inFlight
    this.#inFlight = []
    for (const entry of group) each(entry)
  }
}
