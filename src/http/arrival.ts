/** How long a request may take to arrive, where that is less than the server allows at most. */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/index.ts'

/**
 * Bounds arrivals. Nearly every request is there at once, in the turn of the event loop that brings
 * its head; only those that are not get a timer.
 */
export class ArrivalBound {
  readonly #clock: Clock
  readonly #msMax: number
  readonly #onLate: (request: IncomingMessage) => void
  #begun: IncomingMessage[] = []
  readonly #look = () => {
    const begun = this.#begun
    this.#begun = []
    for (const request of begun) if (!request.complete) this.#watch(request)
  }

  /** @param onLate called once with a request that has not arrived completely after `msMax` */
  constructor(clock: Clock, msMax: number, onLate: (request: IncomingMessage) => void) {
    this.#clock = clock
    this.#msMax = msMax
    this.#onLate = onLate
  }

  /** @param request whose head has just arrived */
  begin(request: IncomingMessage): void {
    if (request.complete) return
    if (this.#begun.push(request) === 1) setImmediate(this.#look)
  }

  #watch(request: IncomingMessage): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (request.destroyed || (length === undefined && encoding === undefined)) return
    const timer = this.#clock.after(this.#msMax, () => {
      if (!request.complete) this.#onLate(request)
    })
    request.once('close', () => timer.cancel())
  }
}
