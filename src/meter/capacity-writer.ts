/**
 * Writes engine minutes behind everybody's back. What the database cannot take now waits for the
 * next minute, since a minute that is lost is a cost that nobody pays.
 */
import type { Logger } from '../base/index.ts'
import type { Database } from '../store/index.ts'
import { recordCapacity } from './capacity.ts'
import type { CapacityMinute } from './types.ts'
import { writeAround } from './write-lane.ts'

/** A week of ten engines; beyond it the oldest are given up. */
const WAITING_MAX = 100_000
/** Written together: after days without a database all of it takes longer than a statement may. */
const PIECE_ROWS = 100

interface Waiting {
  recorder: string
  minute: CapacityMinute
}

export class CapacityWriter {
  readonly #database: Pick<Database, 'transaction'>
  readonly #recorder: string
  readonly #logger: Logger
  #waiting: Waiting[] = []
  #minuteMs = Number.NEGATIVE_INFINITY
  /** How often a minute came that was not after the one before it. */
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
    const [first] = rows
    if (first !== undefined) {
      // A minute that the clock goes through again, or in which an engine was removed and came
      // again, is not written over what it was the first time.
      if (first.minuteAtMs <= this.#minuteMs) this.#turns++
      this.#minuteMs = first.minuteAtMs
    }
    const recorder = this.#turns === 0 ? this.#recorder : `${this.#recorder}/${this.#turns}`
    this.#waiting.push(...rows.map((minute) => ({ recorder, minute })))
    this.#writing = this.#writing.then(() => this.#write())
  }

  /** Resolves when what was added has been tried. */
  async close(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      for (let rows = this.#piece(); rows.length > 0; rows = this.#piece()) {
        await writeAround(
          rows,
          (some) => this.#record(some),
          (_row, error) => this.#logger.warn({ err: error }, 'an engine minute is refused'),
        )
        this.#waiting.splice(0, rows.length)
      }
    } catch (error) {
      this.#waiting = this.#waiting.slice(-WAITING_MAX)
      const waiting = this.#waiting.length
      this.#logger.warn({ err: error, waiting }, 'engine minutes not written')
    }
  }

  /** The oldest, all of one recorder. */
  #piece(): Waiting[] {
    const rows = this.#waiting.slice(0, PIECE_ROWS)
    return rows.filter(({ recorder }) => recorder === rows[0]?.recorder)
  }

  #record(rows: readonly Waiting[]): Promise<void> {
    const minutes = rows.map(({ minute }) => minute)
    return recordCapacity(this.#database, rows[0]?.recorder ?? this.#recorder, minutes)
  }
}
