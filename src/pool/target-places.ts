/** Where requests queue for a model on any engine or on a named one, as routes name them. */
import { pinnedModel } from './engine-places.ts'
import type { Pool } from './pool.ts'

export interface PlaceOfTarget {
  model: string
  /** Name of the only engine that is meant; null: any. */
  engine: string | null
}

export class TargetPlaces {
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** The name under which they queue; one that nobody serves where there is no such engine. */
  queueOf({ model, engine: name }: PlaceOfTarget): string {
    if (name === null) return model
    for (const { engine, profile } of this.#pool.engines.values()) {
      if (engine.name !== name) continue
      if (profile.models.some((one) => one.name === model)) return pinnedModel(engine.id)
    }
    return pinnedModel(name)
  }

  /** True while an engine takes requests from a queue, and answers them as it should. */
  isUp(queue: string): boolean {
    return this.#pool.scheduler.serves(queue) && !this.#pool.health.isAiling(queue)
  }
}
