/** Learns how long steps take and derives how much prompt one step may read. */
import type { ReadBudget } from './step-plan.ts'

export interface PaceOptions {
  /** Most prompt tokens of one step (the context's batch size less its sequences). */
  readTokensMax: number
  /** Length to aim for while only prompts are read, milliseconds. */
  readStepMs: number
}

/** Fewer tokens than this waste the step's fixed cost. */
const READ_TOKENS_MIN = 16
/** Reading may take this many times the duration of a step that only decodes. */
const READ_OVER_DECODE = { equal: 2, below: 1 }
const SMOOTHING = 0.2

/** Moving averages of the duration of decoding steps, by number of streams, and of reading. */
export class Pace {
  readonly #options: PaceOptions
  readonly #decodeStepMs: (number | undefined)[] = []
  #readMsPerToken: number | undefined

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /** Records a step of `durationMs` with `decoders` streams and `readTokens` of prompts. */
  record(durationMs: number, decoders: number, readTokens: number): void {
    if (readTokens === 0) {
      this.#decodeStepMs[decoders] = blend(this.#decodeStepMs[decoders], durationMs)
    } else {
      const readMs = Math.max(durationMs - (this.#decodeMs(decoders) ?? 0), durationMs * 0.1)
      this.#readMsPerToken = blend(this.#readMsPerToken, readMs / readTokens)
    }
  }

  /** Tokens of prompt for the next step; see `ReadBudget`. */
  readonly readBudget: ReadBudget = (decoders, standing) => {
    const { readTokensMax, readStepMs } = this.#options
    const msPerToken = this.#readMsPerToken
    if (msPerToken === undefined) return Math.min(64, readTokensMax)
    const decodeMs = this.#decodeMs(decoders)
    const budgetMs =
      standing === 'alone' || decodeMs === undefined
        ? readStepMs
        : Math.min(readStepMs, decodeMs * READ_OVER_DECODE[standing])
    return Math.min(readTokensMax, Math.max(READ_TOKENS_MIN, Math.floor(budgetMs / msPerToken)))
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

const blend = (average: number | undefined, value: number) =>
  average === undefined ? value : average + SMOOTHING * (value - average)
