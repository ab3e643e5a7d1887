/**
 * Keeps in memory what is elsewhere: reads it when it may have changed, one reading after another,
 * so that an older state never comes after a newer one, and again where it could not be read.
 */
import type { Clock, Timer } from './clock.ts'

const AGAIN_MS = 1000

export interface ReadingOptions {
  clock: Clock
  /** Reads it and keeps it. */
  read: () => Promise<void>
  /** What was read before holds, and it is tried again; told once until it succeeds. */
  onFailing: (error: unknown) => void
}

export class Reading {
  readonly #options: ReadingOptions
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #again: Timer | undefined
  #isFailing = false
  #isStopped = false

  constructor(options: ReadingOptions) {
    this.#options = options
  }

  /** Reads; whoever asks while it is being read shares the reading after that. @throws as `read` */
  now(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        this.#running = this.#options.read()
        return this.#running
      })
    return this.#next
  }

  /** It may have changed: reads, and again every second where that fails, until it does not. */
  soon(): void {
    this.#again?.cancel()
    this.#again = undefined
    this.now().then(
      () => {
        this.#isFailing = false
      },
      (error: unknown) => this.#failed(error),
    )
  }

  /** Tries nothing again. @returns when what is being read was read */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#again?.cancel()
    await this.#running.catch(() => undefined)
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return
    const { clock, onFailing } = this.#options
    if (!this.#isFailing) onFailing(error)
    this.#isFailing = true
    this.#again ??= clock.after(AGAIN_MS, () => this.soon())
  }
}
