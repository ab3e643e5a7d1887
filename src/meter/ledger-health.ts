/** Whether the ledger can take requests, and who is told when that changes. */
import type { Clock, Logger } from '../base/index.ts'

export interface LedgerHealthOptions {
  clock: Pick<Clock, 'monotonicMs'>
  logger: Logger
  /** How long requests are taken while the database is away, milliseconds. */
  awayMsMax: number
}

export class LedgerHealth {
  readonly #options: LedgerHealthOptions
  readonly #listeners = new Set<(healthy: boolean) => void>()
  #awaySinceMs: number | undefined
  #isDiskFailing = false
  #full = false
  #closing = false
  #told = true

  constructor(options: LedgerHealthOptions) {
    this.#options = options
  }

  /** The last write to the database failed, or the running one takes too long. */
  get away(): boolean {
    return this.#awaySinceMs !== undefined
  }

  /** How much longer requests are taken without the database, milliseconds. */
  get awayMsLeft(): number {
    const { clock, awayMsMax } = this.#options
    if (this.#awaySinceMs === undefined) return awayMsMax
    return Math.max(0, this.#awaySinceMs + awayMsMax - clock.monotonicMs())
  }

  get healthy(): boolean {
    if (this.#isDiskFailing || this.#full || this.#closing) return false
    return this.#awaySinceMs === undefined || this.awayMsLeft > 0
  }

  get closing(): boolean {
    return this.#closing
  }

  onChange(listener: (healthy: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** The database took all that it was given. */
  wrote(): void {
    if (this.#awaySinceMs === undefined && !this.#isDiskFailing) return
    this.#awaySinceMs = undefined
    this.#isDiskFailing = false
    this.#options.logger.info('the ledger writes again')
    this.tell()
  }

  /** The database took nothing. */
  failed(reason: unknown): void {
    if (this.#awaySinceMs !== undefined) return
    const { clock, logger, awayMsMax } = this.#options
    this.#awaySinceMs = clock.monotonicMs()
    logger.warn({ err: reason, awayMsMax }, 'the ledger cannot write to the database')
    this.tell()
  }

  /** The journal took nothing, or did not say so. */
  diskFailed(reason: unknown): void {
    if (this.#isDiskFailing) return
    this.#isDiskFailing = true
    this.#options.logger.warn({ err: reason }, 'the journal cannot be written')
    this.tell()
  }

  setFull(full: boolean): void {
    if (full === this.#full) return
    this.#full = full
    if (full) this.#options.logger.warn('the ledger holds as many unwritten rows as it may')
    this.tell()
  }

  close(): void {
    this.#closing = true
    this.tell()
  }

  /** Tells of a change, if there is one; called now and then, since time alone makes one. */
  tell(): void {
    const { healthy } = this
    if (healthy === this.#told) return
    this.#told = healthy
    // Who closes it knows; a start that is refused says only why.
    if (!healthy && !this.#closing) this.#options.logger.warn('no request is admitted')
    for (const listener of this.#listeners) listener(healthy)
  }
}
