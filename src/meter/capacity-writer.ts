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
  #waiting: { recorder: string; minute: CapacityMinute }[] = []
  #minuteMs = 0
  /** How often the clock was set back. */
  #turns = 0
  #writing: Promise<void> = Promise.resolve()

  /** @param recorder this run of the gateway */
  constructor(database: Pick<Database, 'transaction'>, recorder: string, logger: Logger) {
    this.#database = database
    this.#recorder = recorder
    this.#logger = logger
  }

  /** @param rows all of the same minute */
  add(rows: readonly CapacityMinute[]): void {
    const minuteMs = rows[0]?.minuteAtMs ?? this.#minuteMs
    // A minute that the clock goes through again is not written over what it was the first time.
    if (minuteMs < this.#minuteMs) this.#turns++
    this.#minuteMs = minuteMs
    const recorder = this.#turns === 0 ? this.#recorder : `${this.#recorder}/${this.#turns}`
    this.#waiting.push(...rows.map((minute) => ({ recorder, minute })))
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
      for (const [recorder, minutes] of Map.groupBy(rows, (row) => row.recorder)) {
        await recordCapacity(
          this.#database,
          recorder,
          minutes.map(({ minute }) => minute),
        )
      }
    } catch (error) {
      // Rows that the database refuses for what they are would hold up all that follow.
      const again = isUnreachable(error) ? rows : []
      this.#waiting = [...again, ...this.#waiting].slice(-WAITING_MAX)
      const waiting = this.#waiting.length
      this.#logger.warn({ err: error, rows: rows.length, waiting }, 'engine minutes not written')
    }
  }
}
