import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { atListPrice, type CountedWork, listPrices } from '../index.ts'

const [price] = listPrices(
  [
    {
      ...{
        provider: 'p',
        model: 'm',
        currency: 'USD',
        input: '2',
        cachedInput: '0.5',
        output: '8',
      },
      ...{ asOf: '2026-11-01', source: 'https://example.org' },
    },
  ],
  Date.UTC(2026, 10, 2),
  90,
)
const work: CountedWork = {
  ...{ inputTokens: 3_000_000, cachedTokens: 1_000_000, outputTokens: 500_000 },
  ...{ hitInputTokens: 1_000_000, hitOutputTokens: 250_000 },
}

describe('work at a list price', () => {
  it('is an interval: with their cache and fewer tokens, to no cache at all and more of them', () => {
    assert.ok(price)
    assert.deepEqual(atListPrice(price, work, { low: 0.5, high: 1.25 }), {
      // 2 × 2 + 1 × 0.5 + 0.5 × 8
      asCounted: 8_500_000_000n,
      low: 4_250_000_000n,
      // (4 × 2 + 0.75 × 8) × 1.25
      high: 17_500_000_000n,
    })
  })

  it('is nothing where nothing was done', () => {
    assert.ok(price)
    const nothing = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
    const none = { ...nothing, hitInputTokens: 0, hitOutputTokens: 0 }
    assert.deepEqual(atListPrice(price, none, { low: 1, high: 1 }), {
      ...{ asCounted: 0n, low: 0n, high: 0n },
    })
  })
})
