/**
 * The ledger as the gateway uses it: a request is opened before its first byte goes out, notes its
 * progress while it streams, and is settled exactly once. Rows go out in groups; no request costs
 * a round trip, a timer or, beyond the promise of `open`, an allocation that outlives it.
 */
import {
  type Clock,
  GristmillError,
  type Limits,
  type Logger,
  type Registry,
  ShortLivedMap,
  type Timer,
} from '../base/index.ts'
import type { Database } from '../store/index.ts'
import { IntentQueue } from './intent-queue.ts'
import type { Journal } from './journal.ts'
import { replayJournal } from './journal-replay.ts'
import { LedgerHealth } from './ledger-health.ts'
import { createLedgerMetrics, type LedgerMetrics } from './ledger-metrics.ts'
import { openGateways, rowOfIntent } from './ledger-rows.ts'
import { type OpenEntry, refusedSettlement } from './open-entry.ts'
import { type CountOf, type PriceOf, recoverOpen, type StoredAnswers } from './recovery.ts'
import { SettlementQueue } from './settlement-queue.ts'
import type { Intent, Progress, Settlement } from './types.ts'

/** `databaseAwayMsMax` is 0 where other gateways may use what this one has leased of budgets. */
type LedgerLimits = Pick<
  Limits,
  'databaseAwayMsMax' | 'ledgerPendingMax' | 'ledgerStallMs' | 'ledgerWaitMs'
>

export interface LedgerOptions {
  database: Pick<Database, 'sql'>
  /** Where intents are durable until the database has them. */
  journal: Journal
  clock: Clock
  logger: Logger
  registry: Registry
  /** Number of this gateway, where several share the database. */
  gateway?: number | undefined
  limits: LedgerLimits
}

const TICK_MS = 250
/** Half of what is promised, so that progress is durable within a second. */
const TICKS_PER_PROGRESS = 2
const TICKS_PER_MARK = 40

export class Ledger {
  readonly #options: LedgerOptions
  readonly #health: LedgerHealth
  readonly #metrics: LedgerMetrics
  readonly #open = new ShortLivedMap<OpenEntry>()
  readonly #intents: IntentQueue
  readonly #settlements: SettlementQueue
  readonly #ticker: Timer
  #ticks = 0
  #waitingForQuiet: (() => void)[] = []

  constructor(options: LedgerOptions) {
    const { clock, logger, registry, limits } = options
    const { sql } = options.database
    const { databaseAwayMsMax: awayMsMax } = limits
    const health = new LedgerHealth({ clock, logger, awayMsMax })
    const metrics = createLedgerMetrics(registry, {
      openIntents: () => this.openIntents(),
      pendingIntents: () => this.#intents.size + this.#settlements.unbooked,
      pendingSettlements: () => this.pendingSettlements(),
      healthy: () => this.healthy(),
      isAway: () => health.away,
    })
    const onCycle = () => {
      this.#checkFull()
      this.#checkQuiet()
    }
    this.#options = options
    this.#health = health
    this.#metrics = metrics
    this.#intents = new IntentQueue({
      journal: options.journal,
      clock,
      health,
      metrics,
      waitMsMax: limits.ledgerWaitMs,
      onDurable: (entry) => this.#durable(entry),
      onStalled: (entry, cause) => {
        this.#abandon(entry, cause)
        this.#settlements.hurry()
      },
      onDoubtful: (entry, cause) => {
        this.#abandon(entry, cause)
        this.#durable(entry)
      },
      onDropped: (entry, cause) => {
        this.#abandon(entry, cause)
        this.#open.delete(entry.intent.requestId)
      },
      onCycle,
    })
    this.#settlements = new SettlementQueue({
      sql,
      journal: options.journal,
      clock,
      logger,
      health,
      metrics,
      stallMsMax: limits.ledgerStallMs,
      isAlone: awayMsMax > 0,
      onBooked: (entry) => {
        if (entry.file) options.journal.booked(entry.file)
        entry.isBooked = true
        entry.booked?.resolve()
      },
      onClosed: (requestId) => this.#open.delete(requestId),
      onCycle,
    })
    this.#ticker = clock.every(TICK_MS, () => this.#tick())
  }

  /**
   * Books what a request wants. Resolves when that is durable; no byte of an answer may leave
   * before. After a rejection there is nothing to settle.
   * @throws GristmillError `ledger_unavailable` within `ledgerWaitMs`, `shutting_down`
   */
  open(intent: Intent): Promise<void> {
    if (this.#health.closing) return Promise.reject(new GristmillError('shutting_down'))
    if (!this.#health.healthy) return Promise.reject(unavailable())
    if (this.#open.has(intent.requestId))
      return Promise.reject(new Error(`request ${intent.requestId} is open already`))
    return new Promise((resolve, reject) => {
      const entry: OpenEntry = {
        intent,
        row: rowOfIntent(intent, this.#options.gateway),
        file: undefined,
        isBooked: false,
        booked: undefined,
        resolve,
        reject,
        state: 'waiting',
        progress: null,
        dirty: false,
        settlement: null,
      }
      this.#open.set(intent.requestId, entry)
      this.#intents.push(entry)
      if (this.#intents.size >= this.#options.limits.ledgerPendingMax) this.#checkFull()
    })
  }

  /**
   * Notes how far a request is; cheap enough for every chunk. Written at least every second.
   * @param progress kept by reference and read at the next write, so that a stream can use one
   *   object all along
   */
  progress(requestId: string, progress: Progress): void {
    const entry = this.#open.get(requestId)
    if (!entry || entry.settlement) return
    entry.progress = progress
    if (!entry.dirty) this.#settlements.noteProgress(entry)
  }

  /**
   * Closes a request: exactly once, kept in memory and tried again until it is durable. Never
   * throws. A second settlement of a request is counted, logged and changes nothing.
   */
  settle(settlement: Settlement): void {
    const entry = this.#open.get(settlement.requestId)
    if (entry?.state === 'abandoned') return
    if (entry?.settlement) {
      this.#metrics.doubleSettled.inc()
      const { requestId } = settlement
      this.#options.logger.error({ requestId }, 'a request was settled twice; the first one counts')
      return
    }
    if (entry) entry.settlement = settlement
    // One whose intent is still on its way follows it.
    if (entry?.state !== 'waiting') this.#settlements.settle(settlement)
    if (this.pendingSettlements() >= this.#options.limits.ledgerPendingMax) this.#checkFull()
  }

  /**
   * Puts a request that is open here into the database, if it is not there yet.
   * @returns false where it is not open here
   * @throws GristmillError `ledger_unavailable`
   */
  async book(requestId: string): Promise<boolean> {
    const entry = this.#open.get(requestId)
    if (entry === undefined) return false
    if (entry.isBooked) return true
    this.#settlements.hurry()
    entry.booked ??= Promise.withResolvers()
    await this.#within(this.#options.limits.ledgerWaitMs, entry.booked.promise)
    return true
  }

  /**
   * Books what the journal of an earlier run has; to be called before anybody looks at what open
   * requests have set aside.
   */
  async replay(): Promise<void> {
    const { journal, database, logger } = this.#options
    await replayJournal(journal, database.sql, (kind, error) => {
      this.#metrics.badRows.inc({ kind })
      logger.error({ err: error, kind }, 'the database refuses a row of the journal')
    })
  }

  /**
   * Settles what an earlier run left open, as `recovered`; to be called before requests come.
   * @param countOf asks an engine for the exact count; its answer wins over the last progress
   * @param storedAnswers knows which lines of batches have their answers
   * @param priceOf knows what they cost
   * @param gateways those that have ended, where several share the database; else all have
   * @returns how many were settled
   */
  async recover(
    countOf?: CountOf,
    storedAnswers?: StoredAnswers,
    priceOf?: PriceOf,
    gateways?: readonly number[],
  ): Promise<number> {
    const { clock, logger, database } = this.#options
    await this.replay()
    const isOurs = (requestId: string) => this.#open.has(requestId)
    const { sql } = database
    const known = { countOf, storedAnswers, priceOf, gateways }
    return await recoverOpen({ sql, clock, logger, ...known, isOurs })
  }

  /** Numbers of gateways that have requests open, as far as they are not of the last minutes. */
  openGateways(): Promise<number[]> {
    return openGateways(this.#options.database.sql)
  }

  /** Requests opened here whose settlement is not durable yet. */
  openIntents(): number {
    return this.#open.size
  }

  /** When the first request came that only the journal has; infinite where there is none. */
  unbookedSinceMs(): number {
    return this.#settlements.unbookedSinceMs
  }

  /** Settlements that wait for the database. */
  pendingSettlements(): number {
    return this.#settlements.size
  }

  /**
   * False while requests are refused: the database has been away for too long, the journal cannot
   * be written, a queue is full, or it is closing.
   */
  healthy(): boolean {
    return this.#health.healthy
  }

  /** How much longer requests are taken without the database, milliseconds. */
  awayMsLeft(): number {
    return this.#health.awayMsLeft
  }

  /** Calls back at each change of `healthy`. Returns what ends that. */
  onHealthChange(listener: (healthy: boolean) => void): () => void {
    return this.#health.onChange(listener)
  }

  /**
   * Resolves once everything given so far is durable, progress included.
   * @throws GristmillError `ledger_unavailable` after `limitMs`
   */
  async flush(limitMs = this.#options.limits.ledgerWaitMs): Promise<void> {
    this.#settlements.flushProgress()
    this.#settlements.hurry()
    if (this.#quiet) return
    await this.#within(limitMs, new Promise<void>((done) => this.#waitingForQuiet.push(done)))
  }

  /**
   * Takes no more requests, writes what is left and closes the journal.
   * @returns settlements that could not be written within `limitMs`; the next start recovers them
   */
  async close(limitMs = 5000): Promise<number> {
    this.#health.close()
    try {
      await this.flush(limitMs)
    } catch (error) {
      const settlements = this.pendingSettlements()
      this.#options.logger.warn(
        { err: error, settlements },
        'the ledger closes with unwritten rows',
      )
      await this.#settlements.keep()
    }
    this.#ticker.cancel()
    this.#settlements.stop()
    await this.#options.journal.close()
    return this.pendingSettlements()
  }

  /** @throws GristmillError `ledger_unavailable` after `limitMs` */
  async #within(limitMs: number, done: Promise<void>): Promise<void> {
    const enough = new AbortController()
    const late = this.#options.clock.sleep(limitMs, enough.signal).then(() => {
      throw unavailable()
    })
    try {
      await Promise.race([done, late])
    } finally {
      late.catch(() => undefined)
      enough.abort()
    }
  }

  get #quiet(): boolean {
    return this.#intents.size === 0 && this.#settlements.idle
  }

  #checkQuiet(): void {
    if (this.#waitingForQuiet.length === 0) return
    if (!this.#quiet) {
      if (this.#settlements.size > 0) this.#settlements.hurry()
      return
    }
    const waiting = this.#waitingForQuiet
    this.#waitingForQuiet = []
    for (const resolve of waiting) resolve()
  }

  #tick(): void {
    this.#intents.tick()
    this.#settlements.tick()
    if (++this.#ticks % TICKS_PER_PROGRESS === 0) this.#settlements.flushProgress()
    if (this.#ticks % TICKS_PER_MARK === 0) this.#settlements.moveLowWater()
    this.#checkFull()
    this.#health.tell()
  }

  #checkFull(): void {
    const max = this.#options.limits.ledgerPendingMax
    const intents = this.#intents.size + this.#settlements.unbooked
    this.#health.setFull(intents >= max || this.pendingSettlements() >= max)
  }

  /** It is in the journal, or may be. */
  #durable(entry: OpenEntry): void {
    this.#settlements.book(entry)
    if (entry.state === 'abandoned') {
      entry.settlement ??= refusedSettlement(entry.intent, this.#options.clock.nowMs())
    } else {
      entry.state = 'open'
      entry.resolve()
    }
    if (entry.settlement) this.#settlements.settle(entry.settlement)
  }

  #abandon(entry: OpenEntry, cause: unknown): void {
    if (entry.state === 'abandoned') return
    entry.state = 'abandoned'
    entry.reject(unavailable(cause))
  }
}

/** @see Ledger */
export function createLedger(options: LedgerOptions): Ledger {
  return new Ledger(options)
}

/** Long enough for a database that restarts, short enough for a caller that waits. */
const RETRY_AFTER_MS = 2000

function unavailable(cause?: unknown): GristmillError {
  return new GristmillError('ledger_unavailable', {}, { cause, retryAfterMs: RETRY_AFTER_MS })
}
