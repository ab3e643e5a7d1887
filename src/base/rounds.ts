/**
 * Work that is done every so often, and at once when something has happened; never twice at a time.
 * What happens during a round is seen by the one that follows it.
 */
import type { Clock, Timer } from './clock.ts'

export class Rounds {
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #round: () => Promise<void>
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #isAgain = false
  #isStopped = false

  /** @param round deals with its own errors */
  constructor(clock: Clock, everyMs: number, round: () => Promise<void>) {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#round = round
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  start(): void {
    this.#timer = this.#clock.every(this.#everyMs, () => this.wake())
    this.wake()
  }

  /** Does nothing before `start` and after `stop`. */
  wake(): void {
    if (this.#isStopped || this.#timer === undefined) return
    if (this.#running !== undefined) {
      this.#isAgain = true
      return
    }
    this.#running = this.#round().finally(() => {
      this.#running = undefined
      if (!this.#isAgain) return
      this.#isAgain = false
      this.wake()
    })
  }

  /** Begins no further round. @returns when the one that runs has ended */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#running
  }
}
