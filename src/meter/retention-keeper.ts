/**
 * Keeps the ledger's months: those to come are there in time, those that are over for long go, and
 * so do minutes of engines.
 */
import { type Logger, Rounds } from '../base/index.ts'
import { dropMinutes, type MinuteRetentionOptions } from './books/minute-retention.ts'
import { addMonths } from './ledger-months.ts'
import { dropOld, type RetentionOptions } from './retention.ts'
import { type RetentionStanding, readStanding } from './retention-standing.ts'

const LOOK_EVERY_MS = 3_600_000

type Options = RetentionOptions & MinuteRetentionOptions & { logger: Logger }

export class Retention {
  readonly #options: Options
  readonly #rounds: Rounds
  #looked: RetentionStanding['looked'] = null
  /** Why minutes of engines that are due were not dropped when it was looked last. */
  #minutesKept: string | null = null

  constructor(options: Options) {
    this.#options = options
    this.#rounds = new Rounds(options.clock, LOOK_EVERY_MS, async () => {
      await this.#add()
      await this.#drop()
      await this.#dropMinutes()
    })
  }

  /** Adds the months to come and drops old ones, now and every hour. */
  async start(): Promise<void> {
    // Before requests come, since those that come without it stay outside of their month.
    await this.#add()
    this.#rounds.start()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** What there is, what goes next, and what went. */
  standing(): Promise<RetentionStanding> {
    const { database, months } = this.#options
    return readStanding(database.sql, months, this.#looked)
  }

  async #add(): Promise<void> {
    const { database, clock, logger } = this.#options
    try {
      await addMonths(database, clock)
    } catch (error) {
      logger.warn({ err: error }, 'the ledger has no part for the next month yet')
    }
  }

  async #drop(): Promise<void> {
    const { clock, logger } = this.#options
    try {
      const { dropped, reason } = await dropOld(this.#options)
      this.#looked = { atMs: clock.nowMs(), reason }
      if (dropped > 0) logger.info({ months: dropped }, 'old requests were dropped')
      if (reason !== null) logger.warn({ reason }, 'old requests are kept, as not all are closed')
    } catch (error) {
      const reason = 'the database did not let them go; the log says why'
      this.#looked = { atMs: clock.nowMs(), reason }
      logger.warn({ err: error }, 'old requests could not be dropped; tried again in an hour')
    }
  }

  async #dropMinutes(): Promise<void> {
    const { logger } = this.#options
    try {
      const { dropped, reason } = await dropMinutes(this.#options)
      if (dropped > 0) logger.info({ days: dropped }, 'old minutes of engines were dropped')
      // Where nobody closes periods it is the same every hour.
      if (reason !== null && reason !== this.#minutesKept) {
        logger.info({ reason }, 'old minutes of engines are kept')
      }
      this.#minutesKept = reason
    } catch (error) {
      logger.warn({ err: error }, 'old minutes of engines were not dropped; tried again in an hour')
    }
  }
}
