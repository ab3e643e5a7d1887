/**
 * The right to do what only one gateway does: batches, responses in the background. It follows the
 * right to schedule, but waits for what the gateway before it has begun in the database.
 */
import type { Clock, Logger } from '../base/index.ts'
import type { Database, Fence, SharedRight } from '../store/index.ts'

const AGAIN_MS = 1000

/** Where there is no right. */
const NOBODY: Fence = () => Promise.resolve(false)

export class WorkRight {
  readonly #options: { right: SharedRight; database: Database; clock: Clock; logger: Logger }
  #fence: Fence | undefined
  #isWanted = false

  constructor(options: { right: SharedRight; database: Database; clock: Clock; logger: Logger }) {
    this.#options = options
  }

  get isOurs(): boolean {
    return this.#fence !== undefined
  }

  fence(): Fence {
    return this.#fence ?? NOBODY
  }

  take(): void {
    this.#isWanted = true
    void this.#try()
  }

  drop(): void {
    this.#isWanted = false
    this.#fence = undefined
  }

  async #try(): Promise<void> {
    const { right, database, clock, logger } = this.#options
    if (!this.#isWanted || this.#fence !== undefined) return
    try {
      const fence = await right.takeWork(database.sql)
      if (this.#isWanted) this.#fence = fence
    } catch (error) {
      logger.warn({ reason: (error as Error).message }, 'batches are not taken over yet')
      clock.after(AGAIN_MS, () => void this.#try())
    }
  }
}
