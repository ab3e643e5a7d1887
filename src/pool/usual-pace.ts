/**
 * What a token usually takes an engine, by how many requests run there: one that runs alone is
 * several times as quick as one among many, so that only like is compared with like.
 */

/** Weight of one more request. */
const WEIGHT = 0.02
/** Requests from which a level is known. */
export const PACED_LEAST = 3

interface Level {
  paceMs: number
  requests: number
}

export class UsualPace {
  /** One request, two, up to four, up to eight, … */
  readonly #levels: Level[] = []

  /** Milliseconds per token with so many requests there; 0 while too little is known. */
  at(running: number): number {
    const level = levelOf(running)
    for (let away = 0; away < this.#levels.length + level; away++) {
      const known = this.#known(level - away) || this.#known(level + away)
      if (known > 0) return known
    }
    return 0
  }

  /** One more request took so long for each token, which is not out of the usual. */
  note(running: number, paceMs: number): void {
    const index = levelOf(running)
    while (this.#levels.length <= index) this.#levels.push({ paceMs: 0, requests: 0 })
    const level = this.#levels[index] as Level
    level.requests++
    const weight = Math.max(WEIGHT, 1 / level.requests)
    level.paceMs += weight * (paceMs - level.paceMs)
  }

  #known(index: number): number {
    const level = this.#levels[index]
    return level !== undefined && level.requests >= PACED_LEAST ? level.paceMs : 0
  }
}

const levelOf = (running: number) => (running <= 1 ? 0 : 32 - Math.clz32(running - 1))
