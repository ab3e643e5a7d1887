/**
 * Chooses a token from the largest logits, for requests that ask for log probabilities: the
 * library reports probabilities only after temperature and truncation, which is not what OpenAI's
 * wire promises. The order of the filters is llama.cpp's: top-k, top-p, min-p, temperature.
 */
import type { Token } from 'node-llama-cpp'
import { type Random, seededRandom } from '../base/index.ts'
import type { SampledToken, Sampling } from './generation.ts'

export interface TopLogits {
  /** Largest logits, descending. */
  logits: readonly (readonly [Token, number])[]
  /** Sum of exp(logit − largest logit) over the whole vocabulary. */
  totalWeight: number
}

export class TopSampler {
  readonly #sampling: Sampling
  readonly #random: Random

  constructor(sampling: Sampling) {
    this.#sampling = sampling
    this.#random = seededRandom(sampling.seed)
  }

  /** Samples one token and reports its log probability and the best alternatives. */
  sample({ logits, totalWeight }: TopLogits): SampledToken {
    const first = logits[0]
    if (!first) throw new Error('there is no logit to sample from')
    const largest = first[1]
    const logOf = (logit: number) => logit - largest - Math.log(totalWeight)
    const [token, logit] = this.#choose(logits, (value) => Math.exp(logOf(value))) ?? first
    const top = logits
      .slice(0, this.#sampling.topLogprobs ?? 0)
      .map(([token, logit]) => ({ token, logprob: logOf(logit) }))
    return { token, logprob: logOf(logit), top }
  }

  #choose(logits: TopLogits['logits'], probability: (logit: number) => number) {
    const { temperature, topK, topP, minP } = this.#sampling
    if (temperature <= 0) return logits[0]
    let kept = topK > 0 ? logits.slice(0, topK) : logits
    if (topP < 1)
      kept = kept.slice(
        0,
        countWithin(
          kept.map(([, l]) => probability(l)),
          topP,
        ),
      )
    const floor = minP * probability(logits[0]?.[1] ?? 0)
    kept = kept.filter(([, logit], i) => i === 0 || probability(logit) >= floor)
    const largest = kept[0]?.[1] ?? 0
    const weights = kept.map(([, logit]) => Math.exp((logit - largest) / temperature))
    let point = this.#random.next() * weights.reduce((sum, weight) => sum + weight, 0)
    const index = weights.findIndex((weight) => {
      point -= weight
      return point < 0
    })
    return kept[Math.max(0, index)]
  }
}

/** How many of the descending shares are needed to reach `share` of their sum. */
function countWithin(shares: number[], share: number): number {
  const total = shares.reduce((sum, value) => sum + value, 0)
  let sum = 0
  const index = shares.findIndex((value) => {
    sum += value
    return sum >= share * total
  })
  return index < 0 ? shares.length : index + 1
}
