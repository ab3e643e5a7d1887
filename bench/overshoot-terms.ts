/** What requests of chaos `overshoot` ask for, use and cost. */
import type { PriceInForce } from '../src/meter/index.ts'

export const INPUT_TOKENS_MAX = 400
export const OUTPUT_TOKENS_MAX = 1000
/** How long leases last: shorter than in a gateway, so that rounds are short. */
export const LEASE_MS = 1500

/** Of a million tokens, nanos. */
const [INPUT, OUTPUT] = [150_000_000n, 600_000_000n]

export const price: PriceInForce = {
  version: 1,
  model: '*',
  serviceClass: null,
  plan: null,
  effectiveAtMs: 0,
  rates: {
    input: INPUT,
    cachedInput: INPUT,
    cacheWrite: INPUT,
    output: OUTPUT,
    reasoning: OUTPUT,
    embedding: INPUT,
    request: 0n,
    engineSecond: 0n,
    hitMillionths: 0n,
  },
  note: '',
  actor: 'chaos',
  atMs: 0,
}
