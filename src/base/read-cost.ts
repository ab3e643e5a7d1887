/** Learns what tokens of prompts cost by their position, and how many fit into a time. */

/** Tokens of one prompt that a step reads. */
export interface ReadPiece {
  /** Tokens of its sequence before it. */
  position: number
  tokens: number
}

/** Unit of positions: of the order of a prompt, so that both parts of the cost are learned. */
const POSITION_UNIT = 512
/** Growth over a unit until a long prompt has shown it, as a share of the first token's time. */
const GROWTH_FIRST = 0.25
/** Share of an error that a piece corrects: what takes longer is believed sooner. */
const RATE = { up: 0.4, down: 0.2 }
/** Smaller pieces say less, as they are mostly the fixed cost of a step. */
const WHOLE_TOKENS = 8

/**
 * A token's time as a line over its position, since each attends to all before it. Fitted by
 * normalised least mean squares (Widrow and Hoff 1960; Haykin, Adaptive Filter Theory, chapter 6):
 * what pieces at the beginning say leaves the slope as it is, so that it is still known when the
 * next long prompt comes.
 */
export class ReadCost {
  #firstMs: number | undefined
  #slopeMs = 0

  get isKnown(): boolean {
    return this.#firstMs !== undefined
  }

  /** Milliseconds of one token after `position` others; 0 while nothing is known. */
  msPerToken(position: number): number {
    return (this.#firstMs ?? 0) + (this.#slopeMs * position) / POSITION_UNIT
  }

  /** Milliseconds of pieces read together; 0 while nothing is known, and of too few tokens. */
  expectedMs(read: readonly ReadPiece[]): number {
    const tokens = read.reduce((sum, piece) => sum + piece.tokens, 0)
    if (tokens < WHOLE_TOKENS) return 0
    const times = read.map((piece) => piece.tokens * this.msPerToken(middleOf(piece)))
    return times.reduce((sum, ms) => sum + ms, 0)
  }

  /** Records that `read`, which is not empty, took `durationMs` together. */
  record(durationMs: number, read: readonly ReadPiece[]): void {
    const tokens = read.reduce((sum, piece) => sum + piece.tokens, 0)
    const middles = read.map((piece) => piece.tokens * middleOf(piece))
    const position = middles.reduce((sum, middle) => sum + middle, 0) / tokens
    const measuredMs = durationMs / tokens
    if (this.#firstMs === undefined) {
      this.#firstMs = measuredMs
      this.#slopeMs = measuredMs * GROWTH_FIRST
      return
    }
    const x = position / POSITION_UNIT
    const expectedMs = this.msPerToken(position)
    // One disturbed step says no more than twice as long.
    const errorMs = Math.min(measuredMs, 2 * expectedMs) - expectedMs
    const rate = (errorMs > 0 ? RATE.up : RATE.down) * Math.min(1, tokens / WHOLE_TOKENS)
    const correctionMs = (rate * errorMs) / (1 + x * x)
    // A line that reached zero would promise any number of tokens.
    this.#firstMs = Math.max(this.#firstMs / 2, this.#firstMs + correctionMs)
    this.#slopeMs = Math.max(0, this.#slopeMs + correctionMs * x)
  }

  /** Tokens after `position` that are read within `budgetMs`: one at least, at most `tokensMax`. */
  tokensIn(budgetMs: number, position: number, tokensMax: number): number {
    const fitting = (at: number) => Math.floor(budgetMs / this.msPerToken(at))
    // The middle of a piece costs its mean; that of one which is too long is on the safe side.
    const most = Math.min(tokensMax, Math.max(1, fitting(position)))
    return Math.min(most, Math.max(1, fitting(position + most / 2)))
  }
}

const middleOf = ({ position, tokens }: ReadPiece) => position + tokens / 2
