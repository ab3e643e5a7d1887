/** Whether the ledger can take requests, and who is told when that changes. */
import type { Logger } from '../base/index.ts'

export class LedgerHealth {
  readonly #logger: Logger
  readonly #listeners = new Set<(healthy: boolean) => void>()
  #away = false
  #full = false
  #closing = false
  #told = true

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** The last write failed, or the running one takes too long. */
  get away(): boolean {
    return this.#away
  }

  get healthy(): boolean {
    return !this.#away && !this.#full && !this.#closing
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

  wrote(): void {
    if (!this.#away) return
    this.#away = false
    this.#logger.info('the ledger writes again')
    this.#tell()
  }

  failed(reason: unknown): void {
    if (this.#away) return
    this.#away = true
    this.#logger.warn({ err: reason }, 'the ledger cannot write; no request is admitted')
    this.#tell()
  }

  setFull(full: boolean): void {
    if (full === this.#full) return
    this.#full = full
    if (full) this.#logger.warn('the ledger holds as many unwritten rows as it may')
    this.#tell()
  }

  close(): void {
    this.#closing = true
    this.#tell()
  }

  #tell(): void {
    const { healthy } = this
    if (healthy === this.#told) return
    this.#told = healthy
    for (const listener of this.#listeners) listener(healthy)
  }
}
