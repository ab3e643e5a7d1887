/**
 * Whether a gateway that schedules should let another one: it reaches no engine, and others do.
 * Every gateway tells what it reaches, so where engines are down for all nothing changes. Pure.
 */

/** One finds out later than another that an engine is back. */
export const CUT_OFF_MS = 5000

export class CutOff {
  #sinceMs: number | undefined

  /**
   * To be asked now and then.
   * @param own engines that this gateway reaches
   * @param others the same of gateways that are connected to it
   * @returns true where it has been so for long
   */
  isLasting(own: number, others: readonly number[], nowMs: number): boolean {
    if (own > 0 || others.every((engines) => engines === 0)) {
      this.#sinceMs = undefined
      return false
    }
    this.#sinceMs ??= nowMs
    return nowMs - this.#sinceMs >= CUT_OFF_MS
  }
}
