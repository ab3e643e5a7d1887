/** What an engine of the simulator still holds of prompts it has read; least recently used goes. */
import type { PrefixPart } from './sim-trace.ts'

export class SimPrefixCache {
  readonly #held = new Map<string, number>()
  readonly #tokensMax: number
  #tokens = 0

  /** @param tokensMax tokens of all prefixes together */
  constructor(tokensMax: number) {
    this.#tokensMax = tokensMax
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Leading tokens of this prompt that need not be read again; tenants share nothing. */
  hit(tenant: string, parts: readonly PrefixPart[]): number {
    let path = tenant
    let tokens = 0
    for (const part of parts) {
      path = `${path}/${part.id}`
      const held = this.#held.get(path)
      if (held === undefined) break
      this.#touch(path, held)
      tokens += Math.min(held, part.tokens)
      if (held < part.tokens) break
    }
    return tokens
  }

  /** Keeps what a prompt began with. */
  store(tenant: string, parts: readonly PrefixPart[]): void {
    let path = tenant
    for (const part of parts) {
      path = `${path}/${part.id}`
      const held = this.#held.get(path) ?? 0
      this.#tokens += Math.max(0, part.tokens - held)
      this.#touch(path, Math.max(held, part.tokens))
    }
    this.shrink(this.#tokensMax)
  }

  /** Gives up what was not used for longest until no more than so many tokens are left. */
  shrink(tokensMax: number): void {
    for (const [oldest, tokens] of this.#held) {
      if (this.#tokens <= tokensMax) break
      this.#held.delete(oldest)
      this.#tokens -= tokens
    }
  }

  /** A map keeps the order of insertion, so what was used last is put last. */
  #touch(path: string, tokens: number): void {
    this.#held.delete(path)
    this.#held.set(path, tokens)
  }
}
