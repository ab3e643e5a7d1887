/** Learns how long steps take and derives how much prompt one step may read. */
import { ReadCost, type ReadPiece } from './read-cost.ts'
import type { ReadStep } from './step-plan.ts'

export interface PaceOptions {
  /** Most prompt tokens of one step (the context's batch size less its sequences). */
  readTokensMax: number
  /** Length to aim for while only prompts are read, milliseconds. */
  readStepMs: number
}

/** Smaller pieces waste the fixed cost of a step, unless they are half a turn. */
const READ_TOKENS_MIN = 16
/** Nobody notices a pause of this length, milliseconds. */
const READ_MS_MIN = 25
/** Between two tokens of the streams reading may take this many times a step of theirs. */
const READ_OVER_DECODE = { equal: 1.75, below: 1, background: 2 }
/** Short prompts that come together are read one after the other for this long, milliseconds. */
const SHORT_TURN_MS = 500
/** What else runs on the machine makes steps longer, never shorter: believe short ones sooner. */
const SMOOTHING = { down: 0.5, up: 0.05 }

/** What a move takes at first: 45 tokens of a model of 135 million parameters take 1.2 ms. */
const MOVE_MS = 1
const MOVE_SMOOTHING = 0.1

/** Moving averages of decoding steps, by number of streams, and the cost of reading. */
export class Pace {
  readonly #options: PaceOptions
  readonly #decodeStepMs: (number | undefined)[] = []
  readonly #readCost = new ReadCost()
  #moveMs = MOVE_MS

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /** Records a step of `durationMs` with a token for `decoders` streams or the pieces `read`. */
  record(durationMs: number, decoders: number, read: readonly ReadPiece[]): void {
    if (read.length > 0) this.#readCost.record(durationMs, read)
    else this.#decodeStepMs[decoders] = blend(this.#decodeStepMs[decoders], durationMs)
  }

  /**
   * Tokens of prompt for the next step; see `ReadBudget`. Every prompt is a pass of its own, and
   * the first tokens of a step come at its end: so a step reads one of people's prompts, and the
   * next one a step later.
   * @param next the prompt that is read first: how many of its tokens are held and how many unread
   */
  readBudget(step: ReadStep, next: { position: number; unread: number }): number {
    const tokens = this.#tokensDue(step, next.position)
    return step.standing === 'background' ? tokens : Math.min(tokens, next.unread)
  }

  #tokensDue(step: ReadStep, position: number): number {
    const { decoders, prompts, standing, readMs } = step
    const { readTokensMax, readStepMs } = this.#options
    if (!this.#readCost.isKnown) return readMs > readStepMs ? 0 : Math.min(64, readTokensMax)
    if (standing === 'alone') return this.#piece(readStepMs, position)
    // Whoever comes waits for one piece, not for all that is due; and beside no streams no longer
    // than for a full step.
    const decodeMs = this.#decodeMs(decoders || this.#streamsMost) ?? readStepMs
    const piece = this.#piece(standing === 'background' ? decodeMs : readStepMs, position)
    if (decoders === 0) return piece
    // Where more wait for their first token than for their next, the pause may be longer.
    const crowd = standing === 'equal' ? Math.max(1, prompts / decoders) : 1
    const budgetMs = Math.max(READ_MS_MIN, decodeMs * READ_OVER_DECODE[standing] * crowd)
    const isBurst = step.areShort && standing !== 'background'
    const turnMs = isBurst ? Math.max(SHORT_TURN_MS, budgetMs) : Math.min(readStepMs, budgetMs)
    const leftMs = turnMs * step.turnShare - readMs
    const isSpent = leftMs < this.#leastMs(turnMs, position)
    if (isSpent && (readMs > 0 || step.turnShare < 1)) return 0
    return Math.min(piece, this.#readCost.tokensIn(leftMs, position, readTokensMax))
  }

  /** Records that it took so long to copy what a sequence holds to another one. */
  recordMove(durationMs: number): void {
    this.#moveMs += MOVE_SMOOTHING * (durationMs - this.#moveMs)
  }

  /** Milliseconds that this takes. */
  get moveMs(): number {
    return this.#moveMs
  }

  /** Milliseconds of a step of so many neighbouring streams; 0 while nothing is known. */
  passMs(streams: number): number {
    return this.#decodeMs(streams) ?? 0
  }

  /** Milliseconds of a step; 0 while nothing is known, or too little is read to tell. */
  expectedMs(sequences: number, read: readonly ReadPiece[]): number {
    return read.length > 0 ? this.#readCost.expectedMs(read) : this.passMs(sequences)
  }

  /** Milliseconds that a stream takes of a step of so many; 0 while nothing is known. */
  streamMs(streams: number): number {
    return this.passMs(streams) / streams
  }

  /** The most streams that a pass is known of. */
  get #streamsMost(): number {
    return Math.max(0, this.#decodeStepMs.length - 1)
  }

  /** What is left of a turn of `turnMs` is only used where it is at least so long. */
  #leastMs(turnMs: number, position: number): number {
    const tokenMs = this.#readCost.msPerToken(position)
    return Math.min(READ_TOKENS_MIN * tokenMs, Math.max(tokenMs, turnMs / 2))
  }

  #piece(budgetMs: number, position: number): number {
    const { readTokensMax } = this.#options
    const tokens = this.#readCost.tokensIn(budgetMs, position, readTokensMax)
    return Math.min(readTokensMax, Math.max(READ_TOKENS_MIN, tokens))
  }

  /**
   * The average for that many streams, else on a straight line between those known. Fewer than are
   * known are as slow as these, more are slower by as much as they are more.
   */
  #decodeMs(decoders: number): number | undefined {
    if (decoders === 0) return 0
    const known = this.#decodeStepMs
    const below = known.findLastIndex((ms, count) => ms !== undefined && count <= decoders)
    const above = known.findIndex((ms, count) => ms !== undefined && count >= decoders)
    const [belowMs, aboveMs] = [known[below], known[above]]
    if (belowMs === undefined) return aboveMs
    if (aboveMs === undefined) return (belowMs * decoders) / below
    if (above === below) return belowMs
    return belowMs + ((aboveMs - belowMs) * (decoders - below)) / (above - below)
  }
}

function blend(average: number | undefined, value: number): number {
  if (average === undefined) return value
  return average + (value < average ? SMOOTHING.down : SMOOTHING.up) * (value - average)
}
