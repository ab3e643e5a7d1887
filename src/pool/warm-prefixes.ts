/**
 * What an engine is believed to keep of the prompts that it has read. Nobody asks the engine: a
 * prompt sent there counts as kept, what was not used for longest as given up, and how much it
 * keeps is learned from the prompts that it had to read once more.
 */

/** A prompt up to one of its cuts. */
export interface Beginning {
  /** Equal where the prompt is the same up to here, and of the same tenant. */
  key: string | number
  /** Tokens up to here, roughly. */
  tokens: number
}

/** Cuts remembered of one engine: some megabytes at most. */
const CUTS_MAX = 16_384
/** It is never believed to keep less, or it would have no chance to show that it does. */
const TOKENS_MIN = 4096
const GROWTH = 1.02
const LOSS = 0.9

export class WarmPrefixes {
  /** Tokens between a cut and the one before it; least recently used first. */
  readonly #held = new Map<string | number, number>()
  #tokens = 0
  #tokensMax = Number.POSITIVE_INFINITY

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  /** Leading tokens of a prompt that need not be read again, as far as is known. */
  hit(beginnings: readonly Beginning[]): number {
    let tokens = 0
    for (const cut of beginnings) {
      if (!this.#held.has(cut.key)) break
      tokens = cut.tokens
    }
    return tokens
  }

  /** A prompt goes there. The longest cut is given up first, so what is kept has no holes. */
  note(beginnings: readonly Beginning[]): void {
    for (let i = beginnings.length - 1; i >= 0; i--) {
      const { key, tokens } = beginnings[i] as Beginning
      const own = tokens - (beginnings[i - 1]?.tokens ?? 0)
      this.#tokens += own - (this.#held.get(key) ?? 0)
      this.#held.delete(key)
      this.#held.set(key, own)
    }
    this.#shrink()
  }

  /** @param wasKept whether a prompt that was believed to be kept there turned out to be */
  learn(wasKept: boolean): void {
    if (wasKept) this.#tokensMax *= GROWTH
    else this.#tokensMax = Math.max(TOKENS_MIN, LOSS * Math.min(this.#tokens, this.#tokensMax))
    this.#shrink()
  }

  #shrink(): void {
    for (const [oldest, tokens] of this.#held) {
      if (this.#tokens <= this.#tokensMax && this.#held.size <= CUTS_MAX) break
      this.#held.delete(oldest)
      this.#tokens -= tokens
    }
  }
}
