/**
 * Writes engine minutes behind everybody's back. What the database cannot take now waits for the
 * next minute, since a minute that is lost is a cost that nobody pays.
 */
import type { Logger } from '../base/index.ts'
import { type Database, isUnreachable } from '../store/index.ts'
import { recordCapacity } from './capacity.ts'
import type { CapacityMinute } from './types.ts'

/** A week of ten engines; beyond it the oldest are given up. */
const WAITING_MAX = 100_000

export class CapacityWriter {
  readonly #database: Pick<Database, 'transaction'>
  readonly #recorder: string
  readonly #logger: Logger
  #waiting: CapacityMinute[] = []
  #writing: Promise<void> = Promise.resolve()

  /** @param recorder this run of the gateway */
  constructor(database: Pick<Database, 'transaction'>, recorder: string, logger: Logger) {
    this.#database = database
    this.#recorder = recorder
    this.#logger = logger
  }

  add(rows: readonly CapacityMinute[]): void {
    this.#waiting.push(...rows)
    this.#writing = this.#writing.then(() => this.#write())
  }

  /** Resolves when what was added has been tried. */
  async close(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    const rows = this.#waiting
    if (rows.length === 0) return
    this.#waiting = []
    try {
      await recordCapacity(this.#database, this.#recorder, rows)
    } catch (error) {
      // Rows that the database refuses for what they are would hold up all that follow.
      const again = isUnreachable(error) ? rows : []
      this.#waiting = [...again, ...this.#waiting].slice(-WAITING_MAX)
      const waiting = this.#waiting.length
      this.#logger.warn({ err: error, rows: rows.length, waiting }, 'engine minutes not written')
    }
  }
}
