/** Housekeeping once a minute, in one gateway at a time, in transactions that are all short. */
import type { Clock, Logger, Timer } from '../base/index.ts'
import type { Database, Transaction } from '../store/index.ts'

export interface SweepOptions {
  clock: Clock
  logger: Logger
  /** What is destroyed, in a word: `files`. */
  what: string
  /** Destroys all that is due. @returns how many */
  sweep(): Promise<number>
}

const PERIOD_MS = 60_000

export class Sweep {
  readonly #options: SweepOptions
  readonly #timer: Timer
  #running: Promise<void> | undefined

  /** Begins to sweep once a minute. */
  constructor(options: SweepOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#running ??= this.#attempt().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** Ends it; what is being destroyed is waited for. */
  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#running
  }

  async #attempt(): Promise<void> {
    const { logger, what, sweep } = this.#options
    try {
      const destroyed = await sweep()
      if (destroyed > 0) logger.info({ [what]: destroyed }, `old ${what} were destroyed`)
    } catch (error) {
      logger.warn({ err: error }, `old ${what} could not be destroyed; tried again in a minute`)
    }
  }
}

/**
 * Destroys a few in one transaction, so that none takes long, until there are no more or another
 * gateway is at it.
 * @param lockKey the same for every gateway
 * @param atOnce what `destroySome` destroys at most
 * @returns how many
 */
export async function destroyAll(
  database: Database,
  lockKey: number,
  atOnce: number,
  destroySome: (sql: Transaction) => Promise<number>,
): Promise<number> {
  for (let destroyed = 0; ; ) {
    const count = await database.transaction(async (sql) => {
      const [lock] = await sql<{ taken: boolean }[]>`
        select pg_try_advisory_xact_lock(${lockKey}) as taken`
      return lock?.taken ? destroySome(sql) : 0
    })
    destroyed += count
    if (count < atOnce) return destroyed
  }
}
