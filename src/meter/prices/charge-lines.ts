/** A charge line by line, for people who ask why; `charge` is what is booked. */
import type { ChargedWork, Rates } from './charge.ts'

export const chargedFor = [
  'input',
  'cachedInput',
  'cacheWrite',
  'embedding',
  'output',
  'reasoning',
  'request',
  'engineSecond',
] as const
export type ChargedFor = (typeof chargedFor)[number]

export interface PriceLine {
  what: ChargedFor
  /** Tokens, requests or milliseconds on an engine. */
  quantity: number
  /** Nanos for a million tokens, for a request, or for a second. */
  rate: bigint
  /** Exactly, in millionths of a nano. */
  millionths: bigint
}

const MILLION = 1_000_000n

/** Those that cost anything; none where there are no tokens. */
export function chargeLines(rates: Rates, work: ChargedWork): PriceLine[] {
  const { inputTokens, outputTokens } = work
  const cached = Math.min(work.cachedTokens, inputTokens)
  const written = Math.min(work.cacheWriteTokens ?? 0, inputTokens - cached)
  const reasoning = Math.min(work.reasoningTokens ?? 0, outputTokens)
  const tokens = (what: ChargedFor, quantity: number): PriceLine => {
    return { what, quantity, rate: rates[what], millionths: BigInt(quantity) * rates[what] }
  }
  const { request, engineSecond: second } = rates
  const { engineMs } = work
  const lines: PriceLine[] = [
    tokens(work.isEmbedding ? 'embedding' : 'input', inputTokens - cached - written),
    tokens('cachedInput', cached),
    tokens('cacheWrite', written),
    tokens('output', outputTokens - reasoning),
    tokens('reasoning', reasoning),
    { what: 'request', quantity: 1, rate: request, millionths: request * MILLION },
    {
      what: 'engineSecond',
      quantity: engineMs,
      rate: second,
      millionths: BigInt(engineMs) * second * 1000n,
    },
  ]
  const hasTokens = inputTokens + outputTokens > 0
  return hasTokens ? lines.filter(({ quantity, rate }) => quantity > 0 && rate > 0n) : []
}
