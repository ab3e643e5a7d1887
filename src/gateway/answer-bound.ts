/**
 * How engines are told the bound of an answer. All are told `max_tokens`, which some know alone;
 * hosted models that refuse it and name the newer one are told that from then on.
 */
import { isTooLong, wordsOf } from './engine-errors.ts'

export type BoundName = 'max_tokens' | 'max_completion_tokens'

/** As OpenAI's own models say it. A bound that is too high is refused in other words. */
const WANTS_NEWER = /\buse\W{1,3}max_completion_tokens\b/i

/** What engines call it, as far as they have said so since the start. */
export class BoundNames {
  /** By engine and model, so no more than the pool has had. */
  readonly #newer = new Set<string>()

  at(place: string): BoundName {
    return this.#newer.has(place) ? 'max_completion_tokens' : 'max_tokens'
  }

  isNewer(place: string): void {
    this.#newer.add(place)
  }
}

/** What is said of it to an engine. */
export interface ToldBound {
  /** Set where the client named none; null leaves it out. */
  outputTokensMax: number | null
  boundName: BoundName
}

/** The bound of one request, over all its tries. */
export class AnswerBound {
  readonly #names: BoundNames
  #outputTokensDefault: number | null
  #place = ''
  #boundName: BoundName = 'max_tokens'

  /** @param outputTokensDefault bound that we set where the client names none */
  constructor(names: BoundNames, outputTokensDefault: number | null) {
    this.#names = names
    this.#outputTokensDefault = outputTokensDefault
  }

  /** As it is told at the next try. */
  toldTo(engineId: string, model: string): ToldBound {
    this.#place = `${engineId} ${model}`
    this.#boundName = this.#names.at(this.#place)
    return { outputTokensMax: this.#outputTokensDefault, boundName: this.#boundName }
  }

  /** True where an engine refused the bound as it was told, and is told otherwise at once. */
  isMended(status: number, refusal: Buffer): boolean {
    if (this.#outputTokensDefault !== null && isTooLong(status, refusal)) {
      // Our own made it too long; without one the engine takes what its context leaves.
      this.#outputTokensDefault = null
      return true
    }
    if (status !== 400 || this.#boundName !== 'max_tokens') return false
    if (!WANTS_NEWER.test(wordsOf(refusal) ?? '')) return false
    this.#names.isNewer(this.#place)
    return true
  }
}
