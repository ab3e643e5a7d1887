/** Requests that wait or run, and the ends that come to many of them at once. */
import { type Clock, GristmillError, Roster } from '../base/index.ts'
import { shuttingDown } from './entrance.ts'
import type { RequestLife } from './request-life.ts'

export class LiveRequests {
  readonly roster = new Roster<RequestLife>()
  readonly #clock: Clock
  #onEmpty: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called when one has left. */
  left(): void {
    if (this.roster.size === 0) this.#onEmpty?.()
  }

  /** Ends those that are meant. */
  cut(reason: 'key_revoked' | 'shutdown', isMeant: (life: RequestLife) => boolean): void {
    const error = () =>
      reason === 'key_revoked' ? new GristmillError('key_revoked') : shuttingDown()
    this.roster.forEach((life) => {
      if (isMeant(life)) life.cut(reason, error())
    })
  }

  /** Ends what waits, and what runs after `graceMs`; resolves when none is left. */
  async drain(graceMs: number): Promise<void> {
    this.cut('shutdown', (life) => life.isWaiting)
    if (this.roster.size === 0) return
    const timer = this.#clock.after(graceMs, () => this.cut('shutdown', () => true))
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    timer.cancel()
  }
}
