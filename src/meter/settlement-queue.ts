/**
 * Everything that goes into the database: intents that are durable already, progress, settlements.
 * One lane for all of them, so that each follows its intent and progress never a settlement.
 */
import type { Clock, Logger } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import type { Journal } from './journal.ts'
import { KeptRows } from './kept-rows.ts'
import type { LedgerHealth } from './ledger-health.ts'
import type { LedgerMetrics, RowKind } from './ledger-metrics.ts'
import { writeIntents, writeProgress, writeSettlements } from './ledger-rows.ts'
import { moveLowWater } from './low-water.ts'
import type { OpenEntry } from './open-entry.ts'
import type { Progress, Settlement } from './types.ts'
import { WriteLane, writeAround } from './write-lane.ts'

/** Rows gather this long; nobody waits for them. */
const GATHER_MS = 50
/** So many are a group worth writing at once. */
const GATHER_ROWS = 200
const GROUP_ROWS_MAX = 1000
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 1000

export interface SettlementQueueOptions {
  sql: Queries
  /** Where settlements and progress are durable while the database is away. */
  journal: Journal
  clock: Clock
  logger: Logger
  health: LedgerHealth
  metrics: LedgerMetrics
  /** How long the database may take before requests are refused. */
  stallMsMax: number
  /**
   * False: what was set aside in budgets for an intent that the database does not have may be
   * somebody else's when it is back.
   */
  isAlone: boolean
  /** The database has an intent, or refuses it for good. */
  onBooked: (entry: OpenEntry) => void
  /** A request is closed for good, or its settlement could not be written at all. */
  onClosed: (requestId: string) => void
  onCycle: () => void
}

export class SettlementQueue {
  readonly #options: SettlementQueueOptions
  readonly #lane: WriteLane
  #intents: OpenEntry[] = []
  #dirty: OpenEntry[] = []
  #progressDue = false
  #moveDue = false
  #settlements: Settlement[] = []
  /** How many at the head were sent before without an answer; a conflict there is our own row. */
  #sentBefore = 0
  #failures = 0
  #busySinceMs: number | undefined
  #stopped = false
  readonly #kept: KeptRows

  constructor(options: SettlementQueueOptions) {
    this.#options = options
    this.#kept = new KeptRows(options.journal)
    this.#lane = new WriteLane(options.clock, () => this.#cycle())
  }

  get size(): number {
    return this.#settlements.length
  }

  /** Intents that the database does not have. */
  get unbooked(): number {
    return this.#intents.length
  }

  /** When the first of these came, milliseconds since the epoch; infinite where there is none. */
  get unbookedSinceMs(): number {
    const earlier = (since: number, { intent }: OpenEntry) => Math.min(since, intent.arrivedAtMs)
    return this.#intents.reduce(earlier, Number.POSITIVE_INFINITY)
  }

  get idle(): boolean {
    return this.#settlements.length + this.#intents.length === 0 && !this.#progressDue
  }

  settle(settlement: Settlement): void {
    const waiting = this.#settlements.push(settlement)
    if (waiting === 1) this.#lane.wake(GATHER_MS)
    else if (waiting === GATHER_ROWS && !this.#options.health.away) this.#lane.wake()
  }

  /** An intent that is in the journal, or may be. */
  book(entry: OpenEntry): void {
    const waiting = this.#intents.push(entry)
    if (waiting === 1) this.#lane.wake(GATHER_MS)
    else if (waiting === GATHER_ROWS && !this.#options.health.away) this.#lane.wake()
  }

  noteProgress(entry: OpenEntry): void {
    entry.dirty = true
    this.#dirty.push(entry)
  }

  flushProgress(): void {
    if (this.#dirty.length === 0) return
    this.#progressDue = true
    this.#lane.wake()
  }

  /** Moves the low-water mark, after the settlements that wait, so that it finds fewer open. */
  moveLowWater(): void {
    this.#moveDue = true
    this.#lane.wake(GATHER_MS)
  }

  /** Writes what there is, or asks the database whether it is back. */
  hurry(): void {
    this.#lane.wake()
  }

  /** Called now and then: a database that takes too long is as good as away. */
  tick(): void {
    const { clock, health, stallMsMax } = this.#options
    if (this.#busySinceMs === undefined) return
    if (clock.monotonicMs() - this.#busySinceMs < stallMsMax) return
    health.failed(new Error(`the database took longer than ${stallMsMax} ms`))
    void this.keep()
  }

  /** Into the journal with what the database does not have. */
  async keep(): Promise<void> {
    const { health, isAlone } = this.#options
    const unbooked = new Set(isAlone ? [] : this.#intents.map(({ intent }) => intent.requestId))
    const settlements = this.#settlements.filter(
      (one) => one.isBudgeted !== true || !unbooked.has(one.requestId),
    )
    const entries = this.#dirty.filter(
      ({ intent }) => intent.reserved === undefined || !unbooked.has(intent.requestId),
    )
    try {
      await this.#kept.keep(settlements, notesOf(entries))
    } catch (error) {
      health.diskFailed(error)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#lane.stop()
  }

  async #cycle(): Promise<number | null> {
    const { sql, clock, health, onCycle } = this.#options
    this.#busySinceMs = clock.monotonicMs()
    try {
      if (health.away) await sql`select 1`
      const closable = await this.#writeIntents()
      await this.#writeProgress()
      await this.#writeSettlements(closable)
      await this.#moveLowWater()
      if (this.#dirty.length === 0) this.#kept.progressed()
      this.#failures = 0
      health.wrote()
      onCycle()
      const rows = Math.max(this.#settlements.length, this.#intents.length)
      if (rows === 0) return null
      return rows < GATHER_ROWS ? GATHER_MS : 0
    } catch (error) {
      health.failed(error)
      await this.keep()
      return this.#stopped ? null : Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++)
    } finally {
      this.#busySinceMs = undefined
    }
  }

  /**
   * Writes those that are here now; what comes meanwhile gathers for the next time.
   * @returns how many settlements have their intents in the database, from the first on
   */
  async #writeIntents(): Promise<number> {
    const closable = this.#settlements.length
    for (let left = this.#intents.length; left > 0; ) {
      const group = this.#intents.slice(0, Math.min(left, GROUP_ROWS_MAX))
      await this.#write('intent', group, (entries) =>
        writeIntents(
          this.#options.sql,
          entries.map(({ row }) => row),
        ),
      )
      this.#intents.splice(0, group.length)
      left -= group.length
      for (const entry of group) this.#options.onBooked(entry)
    }
    return closable
  }

  async #writeProgress(): Promise<void> {
    if (!this.#progressDue) return
    const given = this.#dirty
    this.#dirty = []
    for (const entry of given) {
      entry.dirty = false
      // What waits for its intent to be in the database stays on the list.
      if (!entry.isBooked && entry.state !== 'abandoned') this.noteProgress(entry)
    }
    const notes = notesOf(given.filter(({ dirty }) => !dirty))
    try {
      if (notes.length > 0)
        await this.#write('progress', notes, (rows) => writeProgress(this.#options.sql, rows))
      this.#progressDue = false
      this.#kept.progressed()
    } catch (error) {
      for (const entry of given) if (!entry.dirty) this.noteProgress(entry)
      throw error
    }
  }

  async #writeSettlements(closable: number): Promise<void> {
    const group = this.#settlements.slice(0, Math.min(closable, GROUP_ROWS_MAX))
    if (group.length === 0) return
    try {
      await this.#write('settlement', group, async (rows) => {
        const refused = await writeSettlements(this.#options.sql, rows)
        if (refused.length > 0) this.#explainRefused(refused)
      })
    } catch (error) {
      this.#sentBefore = Math.max(this.#sentBefore, group.length)
      throw error
    }
    this.#settlements.splice(0, group.length)
    this.#kept.closed(group)
    this.#sentBefore = Math.max(0, this.#sentBefore - group.length)
    for (const { requestId } of group) this.#options.onClosed(requestId)
  }

  /** Requests do not depend on it: where it fails the next start has more to read. */
  async #moveLowWater(): Promise<void> {
    if (!this.#moveDue) return
    this.#moveDue = false
    const { sql, clock, logger } = this.#options
    try {
      if (await moveLowWater(sql, clock)) this.moveLowWater()
    } catch (error) {
      logger.warn({ err: error }, 'the low-water mark of the ledger did not move')
    }
  }

  #explainRefused(refused: { requestId: string; hasIntent: boolean }[]): void {
    const { logger, metrics } = this.#options
    const ours = new Set(this.#settlements.slice(0, this.#sentBefore).map((s) => s.requestId))
    for (const { requestId, hasIntent } of refused) {
      if (!hasIntent) {
        metrics.badRows.inc({ kind: 'settlement' })
        logger.error({ requestId }, 'a settlement has no intent; it is not booked')
      } else if (!ours.has(requestId)) {
        metrics.doubleSettled.inc()
        logger.error({ requestId }, 'a request was settled twice; the first one counts')
      }
    }
  }

  async #write<Row>(
    kind: RowKind,
    group: readonly Row[],
    write: (rows: readonly Row[]) => Promise<void>,
  ): Promise<void> {
    const { clock, metrics, logger } = this.#options
    const startedMs = clock.monotonicMs()
    await writeAround(group, write, (_row, error) => {
      metrics.badRows.inc({ kind })
      logger.error({ err: error, kind }, 'the database refuses a ledger row for its content')
    })
    metrics.groupRows.observe(kind, group.length)
    metrics.writeSeconds.observe(kind, (clock.monotonicMs() - startedMs) / 1000)
  }
}

/** Of those that run, how far they are. */
function notesOf(entries: readonly OpenEntry[]): [requestId: string, progress: Progress][] {
  return entries.flatMap(({ state, settlement, progress, intent }) =>
    state === 'open' && !settlement && progress ? [[intent.requestId, progress]] : [],
  )
}
