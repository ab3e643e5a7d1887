/**
 * Places of engines that are left empty because requests may run there of which nobody tells: those
 * of a gateway that is gone, paused or cut off. They are given back as their gateway tells of them
 * again, as the engine tells that it runs fewer, and where it tells nothing after a while. Pure.
 */

/** A start that is on its way when its gateway is lost shows at the engine within this time. */
export const SHOWS_WITHIN_MS = 2500
/** For engines that do not tell what they run. */
export const UNTOLD_MS_MAX = 30_000

interface Held {
  places: number
  lostAtMs: number
}

export class HeldPlaces {
  readonly #engines = new Map<string, Held>()

  of(engineId: string): number {
    return this.#engines.get(engineId)?.places ?? 0
  }

  engines(): string[] {
    return [...this.#engines.keys()]
  }

  /** Nobody tells of so many requests there any more. */
  lost(engineId: string, places: number, nowMs: number): void {
    if (places <= 0) return
    this.#engines.set(engineId, { places: this.of(engineId) + places, lostAtMs: nowMs })
  }

  /** Somebody tells of one of them. */
  found(engineId: string): void {
    this.#set(engineId, this.of(engineId) - 1)
  }

  /**
   * An engine tells what it runs.
   * @param known requests that we know to be at work there, at least
   */
  told(engineId: string, running: number, known: number, nowMs: number): void {
    const held = this.#engines.get(engineId)
    if (held === undefined || nowMs - held.lostAtMs < SHOWS_WITHIN_MS) return
    this.#set(engineId, Math.min(held.places, running - known))
  }

  /** It tells nothing. */
  untold(engineId: string, nowMs: number): void {
    const held = this.#engines.get(engineId)
    if (held !== undefined && nowMs - held.lostAtMs >= UNTOLD_MS_MAX) this.#set(engineId, 0)
  }

  clear(): void {
    this.#engines.clear()
  }

  #set(engineId: string, places: number): void {
    const held = this.#engines.get(engineId)
    if (held === undefined) return
    if (places <= 0) this.#engines.delete(engineId)
    else held.places = places
  }
}
