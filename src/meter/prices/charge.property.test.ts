import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dividedHalfEven } from '../../base/index.ts'
import { type ChargedWork, charge, chargeMax, chargeOfHit, type Rates } from './charge.ts'
import { chargeLines } from './charge-lines.ts'

const seed = Number(process.env.SEED ?? 7)
const check = <T extends unknown[]>(property: fc.IProperty<T>) =>
  fc.assert(property, { seed, numRuns: 300 })

const rate = fc.bigInt({ min: 0n, max: 10n ** 15n })
const rates: fc.Arbitrary<Rates> = fc.record({
  input: rate,
  cachedInput: rate,
  cacheWrite: rate,
  output: rate,
  reasoning: rate,
  embedding: rate,
  request: rate,
  engineSecond: rate,
  hitMillionths: fc.bigInt({ min: 0n, max: 1_000_000n }),
})
const tokens = fc.nat({ max: 2 ** 31 - 1 })
const work: fc.Arbitrary<ChargedWork> = fc
  .record({
    inputTokens: tokens,
    cachedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    writtenShare: fc.double({ min: 0, max: 1, noNaN: true }),
    outputTokens: tokens,
    reasoningShare: fc.double({ min: 0, max: 1, noNaN: true }),
    engineMs: tokens,
    isEmbedding: fc.boolean(),
  })
  .map(({ cachedShare, writtenShare, reasoningShare, ...given }) => {
    const cachedTokens = Math.floor(given.inputTokens * cachedShare)
    return {
      ...given,
      cachedTokens,
      cacheWriteTokens: Math.floor((given.inputTokens - cachedTokens) * writtenShare),
      reasoningTokens: Math.floor(given.outputTokens * reasoningShare),
    }
  })

describe('charges', () => {
  it('are the exact sum, rounded once to the nearest nano and of two to the even one', () => {
    check(
      fc.property(rates, work, (some, done) => {
        const nanos = charge(some, done)
        const written = done.cacheWriteTokens ?? 0
        const reasoning = done.reasoningTokens ?? 0
        const read = done.inputTokens - done.cachedTokens - written
        // A million times a million, so that each part is a whole number by itself.
        const parts = [
          BigInt(read) * (done.isEmbedding ? some.embedding : some.input),
          BigInt(done.cachedTokens) * some.cachedInput,
          BigInt(written) * some.cacheWrite,
          BigInt(done.outputTokens - reasoning) * some.output,
          BigInt(reasoning) * some.reasoning,
          some.request * 1_000_000n,
          BigInt(done.engineMs) * some.engineSecond * 1000n,
        ]
        const isNothing = done.inputTokens + done.outputTokens === 0
        const exact = isNothing ? 0n : parts.reduce((sum, part) => sum + part, 0n)
        const off = 2n * (nanos * 1_000_000n - exact)
        assert.ok(off <= 1_000_000n && off >= -1_000_000n)
        if (off === 1_000_000n || off === -1_000_000n) assert.equal(nanos % 2n, 0n)
      }),
    )
  })

  it('are what their lines add up to', () => {
    check(
      fc.property(rates, work, (some, done) => {
        const sum = chargeLines(some, done).reduce((all, { millionths }) => all + millionths, 0n)
        assert.equal(dividedHalfEven(sum, 1_000_000n), charge(some, done))
      }),
    )
  })

  it('never fall where there is more of anything', () => {
    check(
      fc.property(rates, work, tokens, (some, done, more) => {
        const before = charge(some, done)
        for (const name of ['inputTokens', 'outputTokens', 'engineMs'] as const) {
          assert.ok(charge(some, { ...done, [name]: done[name] + more }) >= before)
        }
      }),
    )
  })

  it('are never more than what was said that they can be at most', () => {
    check(
      fc.property(rates, work, tokens, tokens, (some, done, moreInput, moreOutput) => {
        const inputTokens = Math.min(done.inputTokens + moreInput, 2 ** 31 - 1)
        const outputTokens = Math.min(done.outputTokens + moreOutput, 2 ** 31 - 1)
        const bounds = { ...done, inputTokens, outputTokens }
        const most = chargeMax(some, bounds)
        assert.ok(charge(some, done) <= most && chargeOfHit(some, done) <= most)
      }),
    )
  })

  it('of a hit are its part of what the kept answer would cost, never more', () => {
    check(
      fc.property(rates, work, (some, done) => {
        const whole = charge(some, done)
        const hit = chargeOfHit(some, done)
        assert.ok(hit <= whole)
        assert.equal(chargeOfHit({ ...some, hitMillionths: 0n }, done), 0n)
        assert.equal(chargeOfHit({ ...some, hitMillionths: 1_000_000n }, done), whole)
      }),
    )
  })
})
