/** What work is charged: the one place where tokens become money, rounded once. */
import { dividedHalfEven } from '../../base/index.ts'

/** What one kind of work costs. Tokens are priced by the million, so that every rate is whole. */
export interface Rates {
  /** Nanos for a million prompt tokens. */
  input: bigint
  /** For those out of a prefix cache. */
  cachedInput: bigint
  /** For those that a service was paid to keep. */
  cacheWrite: bigint
  output: bigint
  /** For those of the output that are reasoning. */
  reasoning: bigint
  /** For tokens that are embedded. */
  embedding: bigint
  /** Nanos for a request that has tokens. */
  request: bigint
  /** Nanos for a second on an engine. */
  engineSecond: bigint
  /** Millionths of all of it that a hit in the response cache is charged. */
  hitMillionths: bigint
}

/** What is charged for. */
export interface ChargedWork {
  /** Prompt tokens, cached and written ones included. */
  inputTokens: number
  cachedTokens: number
  cacheWriteTokens?: number | undefined
  /** Reasoning included. */
  outputTokens: number
  reasoningTokens?: number | undefined
  engineMs: number
  isEmbedding: boolean
}

const MILLION = 1_000_000n

/** Nanos; 0 for what has no tokens, since nobody got anything. */
export function charge(rates: Rates, work: ChargedWork): bigint {
  return dividedHalfEven(millionths(rates, work), MILLION)
}

/** Nanos for an answer out of the response cache. @param work what the kept answer took */
export function chargeOfHit(rates: Rates, work: ChargedWork): bigint {
  return dividedHalfEven(millionths(rates, work) * rates.hitMillionths, MILLION * MILLION)
}

/**
 * What work of at most so many tokens and so much time can be charged at most, whatever kinds the
 * tokens turn out to be.
 */
export function chargeMax(
  rates: Rates,
  { inputTokens, outputTokens, engineMs, isEmbedding }: Omit<ChargedWork, 'cachedTokens'>,
): bigint {
  const read = isEmbedding ? rates.embedding : rates.input
  const input = larger(read, larger(rates.cachedInput, rates.cacheWrite))
  const output = larger(rates.output, rates.reasoning)
  const tokens = times(inputTokens, input) + times(outputTokens, output)
  return dividedHalfEven(tokens + besideTokens(rates, engineMs), MILLION)
}

const larger = (a: bigint, b: bigint) => (a > b ? a : b)

/** The exact charge in millionths of a nano. */
function millionths(rates: Rates, work: ChargedWork): bigint {
  const { inputTokens, outputTokens, engineMs } = work
  if (inputTokens + outputTokens === 0) return 0n
  const cached = Math.min(work.cachedTokens, inputTokens)
  const written = Math.min(work.cacheWriteTokens ?? 0, inputTokens - cached)
  const read = inputTokens - cached - written
  const reasoning = Math.min(work.reasoningTokens ?? 0, outputTokens)
  return (
    times(read, work.isEmbedding ? rates.embedding : rates.input) +
    times(cached, rates.cachedInput) +
    times(written, rates.cacheWrite) +
    times(outputTokens - reasoning, rates.output) +
    times(reasoning, rates.reasoning) +
    besideTokens(rates, engineMs)
  )
}

function besideTokens({ request, engineSecond }: Rates, engineMs: number): bigint {
  const asked = request === 0n ? 0n : request * MILLION
  return engineSecond === 0n ? asked : asked + BigInt(engineMs) * engineSecond * 1000n
}

/** Most requests have nothing of most kinds, and each product of big integers costs its share. */
function times(count: number, rate: bigint): bigint {
  return count === 0 || rate === 0n ? 0n : BigInt(count) * rate
}
