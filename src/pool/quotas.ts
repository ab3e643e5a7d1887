/**
 * Rate limits of rented services as capacity: how many requests the scheduler may have in flight at
 * each, so that what must wait for a limit waits here, in fair order, and not there.
 */
import type { Clock } from '../base/index.ts'
import type { RateNews } from '../engine/index.ts'
import { QuotaControl } from './quota-control.ts'
import type { Scheduler } from './scheduler.ts'

export class Quotas {
  readonly #scheduler: Scheduler
  readonly #clock: Clock
  readonly #controls = new Map<string, QuotaControl>()

  constructor(scheduler: Scheduler, clock: Clock) {
    this.#scheduler = scheduler
    this.#clock = clock
  }

  /** An engine has joined or changed; those that are not rented have no quota. */
  watch(engineId: string, isRented: boolean): void {
    if (!isRented) this.#controls.delete(engineId)
    else if (!this.#controls.has(engineId)) this.#controls.set(engineId, new QuotaControl())
  }

  forget(engineId: string): void {
    this.#controls.delete(engineId)
  }

  /** True where what an engine says about its limits is kept to. */
  isKept(engineId: string | undefined): boolean {
    return engineId !== undefined && this.#controls.has(engineId)
  }

  /** @param tokens its prompt and what it may generate */
  took(engineId: string, requestId: string, tokens: number): void {
    const control = this.#controls.get(engineId)
    if (control === undefined) return
    control.took(requestId, tokens)
    this.#open(engineId, control)
  }

  ended(engineId: string | undefined, requestId: string): void {
    const control = engineId === undefined ? undefined : this.#controls.get(engineId)
    if (engineId === undefined || control === undefined) return
    control.ended(requestId)
    this.#open(engineId, control)
  }

  heard(engineId: string, news: RateNews): void {
    const control = this.#controls.get(engineId)
    if (control === undefined) return
    control.heard(this.#clock.monotonicMs(), news)
    this.#open(engineId, control)
  }

  /** Limits fill up as time goes by. @returns true where some engine has a limit at all */
  refresh(): boolean {
    for (const [id, control] of this.#controls) this.#open(id, control)
    return this.#controls.size > 0
  }

  /** Requests that an engine's service takes now; null where it has not named a limit. */
  placesOf(engineId: string): number | null {
    const places =
      this.#controls.get(engineId)?.places(this.#clock.monotonicMs()) ?? Number.POSITIVE_INFINITY
    return Number.isFinite(places) ? places : null
  }

  #open(engineId: string, control: QuotaControl): void {
    const { inFlight = 0 } = this.#scheduler.engine(engineId) ?? {}
    this.#scheduler.setOpen(engineId, inFlight + control.places(this.#clock.monotonicMs()))
  }
}
