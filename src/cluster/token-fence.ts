/**
 * Whose word counts: every lease has a token higher than the one before it, and what comes with a
 * lower one than the highest seen comes from a gateway that schedules no longer. Pure.
 */
export class TokenFence {
  #highest = 0

  get highest(): number {
    return this.#highest
  }

  /** A token was seen, in the database or on a stream. */
  saw(token: number): void {
    if (token > this.#highest) this.#highest = token
  }

  /** False for what comes from an earlier holder. */
  accepts(token: number): boolean {
    this.saw(token)
    return token === this.#highest
  }
}
