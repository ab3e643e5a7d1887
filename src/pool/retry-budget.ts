/**
 * How many requests of a model may be sent again: a part of what its engines answer, and a few for
 * the moment in which one of them goes. Beyond that trying again would only be more load on what
 * fails. Pure; after the retry budgets of Finagle.
 */
import { RollingSum } from './windows.ts'

const SPAN_MS = 60_000
const SHARE = 0.1
const BURST = 10

export class RetryBudgets {
  readonly #byModel = new Map<string, RollingSum>()

  /** Models of which something was tried again lately. */
  get size(): number {
    return this.#byModel.size
  }

  /**
   * Takes one retry of a model where there is one.
   * @param attempts requests that ended at its engines in the last minute
   * @param places requests that they run at once, all of which may fail with one
   */
  take(model: string, nowMs: number, attempts: number, places: number): boolean {
    const most = Math.max(BURST, 2 * places) + SHARE * attempts
    const retries = this.#byModel.get(model) ?? this.#begin(model, nowMs)
    if (retries.sum(nowMs, SPAN_MS) >= most) return false
    retries.add(nowMs, 1)
    return true
  }

  #begin(model: string, nowMs: number): RollingSum {
    for (const [other, retries] of this.#byModel) {
      if (retries.sum(nowMs, SPAN_MS) === 0) this.#byModel.delete(other)
    }
    const retries = new RollingSum(1000, 60)
    this.#byModel.set(model, retries)
    return retries
  }
}
