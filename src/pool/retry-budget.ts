/**
 * How many requests of a model may be sent again: a part of what its engines answer, and a few for
 * the moment in which one of them goes. Beyond that trying again would only be more load on what
 * fails. Pure; after the retry budgets of Finagle.
 */
import { RollingSum } from './windows.ts'

const SPAN_MS = 60_000
const SHARE = 0.1
const BURST = 10

export class RetryBudget {
  readonly #retries = new RollingSum(1000, 60)

  /**
   * Takes one retry where there is one.
   * @param attempts requests that ended at the model's engines in the last minute
   * @param places requests that its engines run at once, all of which may fail with one
   */
  take(nowMs: number, attempts: number, places: number): boolean {
    const most = Math.max(BURST, 2 * places) + SHARE * attempts
    if (this.#retries.sum(nowMs, SPAN_MS) >= most) return false
    this.#retries.add(nowMs, 1)
    return true
  }
}
