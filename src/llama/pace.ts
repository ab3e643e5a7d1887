/** Learns how long steps take and derives how much prompt one step may read. */
import type { ReadBudget } from '../base/index.ts'

export interface PaceOptions {
  /** Most prompt tokens of one step (the context's batch size less its sequences). */
  readTokensMax: number
  /** Length to aim for while only prompts are read, milliseconds. */
  readStepMs: number
}

/** Smaller pieces waste the fixed cost of a step. */
const READ_TOKENS_MIN = 16
/** Nobody notices a pause of this length, milliseconds. */
const READ_MS_MIN = 25
/** Between two tokens of the streams reading may take this many times a step of theirs. */
const READ_OVER_DECODE = { equal: 2, below: 1, background: 2 }
/** Short prompts that come together are read one after the other for this long, milliseconds. */
const SHORT_TURN_MS = 500
/** What else runs on the machine makes steps longer, never shorter: believe short ones sooner. */
const SMOOTHING = { down: 0.5, up: 0.05 }

/** Moving averages of the duration of decoding steps, by number of streams, and of reading. */
export class Pace {
  readonly #options: PaceOptions
  readonly #decodeStepMs: (number | undefined)[] = []
  #readMsPerToken: number | undefined

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /** Records a step of `durationMs` with a token for `decoders` streams or `readTokens` read. */
  record(durationMs: number, decoders: number, readTokens: number): void {
    if (readTokens === 0) {
      this.#decodeStepMs[decoders] = blend(this.#decodeStepMs[decoders], durationMs)
    } else if (readTokens >= READ_TOKENS_MIN) {
      this.#readMsPerToken = blend(this.#readMsPerToken, durationMs / readTokens)
    }
  }

  /** Tokens of prompt for the next step; see `ReadBudget`. */
  readonly readBudget: ReadBudget = (step) => {
    const { decoders, prompts, standing, readMs } = step
    const { readTokensMax, readStepMs } = this.#options
    const msPerToken = this.#readMsPerToken
    if (msPerToken === undefined) return readMs > readStepMs ? 0 : Math.min(64, readTokensMax)
    if (standing === 'alone') return this.#tokensIn(readStepMs, msPerToken)
    const decodeMs = this.#decodeMs(decoders) ?? readStepMs
    // Where more wait for their first token than for their next, the pause may be longer.
    const crowd = standing === 'equal' ? Math.max(1, prompts / decoders) : 1
    const budgetMs = Math.max(READ_MS_MIN, decodeMs * READ_OVER_DECODE[standing] * crowd)
    const isBurst = step.areShort && standing !== 'background'
    const turnMs = isBurst ? Math.max(SHORT_TURN_MS, budgetMs) : Math.min(readStepMs, budgetMs)
    const whole = this.#tokensIn(turnMs, msPerToken)
    const left = decoders === 0 ? whole : whole - Math.floor(readMs / msPerToken)
    if (left < READ_TOKENS_MIN) return 0
    // Whoever comes waits for one piece, not for all that is due.
    const pieceMs = standing === 'background' ? decodeMs : readStepMs
    return Math.min(left, this.#tokensIn(pieceMs, msPerToken))
  }

  #tokensIn(budgetMs: number, msPerToken: number): number {
    const tokens = Math.max(READ_TOKENS_MIN, Math.floor(budgetMs / msPerToken))
    return Math.min(this.#options.readTokensMax, tokens)
  }

  /** The average for that many streams, else for the nearest number below or above. */
  #decodeMs(decoders: number): number | undefined {
    if (decoders === 0) return 0
    for (let distance = 0; distance < 256; distance++) {
      const known =
        this.#decodeStepMs[decoders - distance] ?? this.#decodeStepMs[decoders + distance]
      if (known !== undefined) return known
    }
    return undefined
  }
}

function blend(average: number | undefined, value: number): number {
  if (average === undefined) return value
  return average + (value < average ? SMOOTHING.down : SMOOTHING.up) * (value - average)
}
