import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decimalOf, dividedHalfEven, nanosOf, Sharing, sharedOut } from './index.ts'

describe('money', () => {
  it('is read and written without a loss', () => {
    const amounts = fc.bigInt(0n, 10n ** 18n - 1n)
    fc.assert(fc.property(amounts, (nanos) => nanosOf(decimalOf(nanos)) === nanos))
    assert.equal(nanosOf('0.15'), 150_000_000n)
    assert.equal(decimalOf(-1_500_000_000n), '-1.5')
    for (const text of ['', '-1', '1.', '.5', '1e3', '0.0000000001', '1,5']) {
      assert.equal(nanosOf(text), undefined, text)
    }
  })

  it('is rounded to the nearest, of two to the even one', () => {
    const rounded = [5n, 15n, 14n, 16n, 25n].map((value) => dividedHalfEven(value, 10n))
    assert.deepEqual(rounded, [0n, 2n, 1n, 2n, 2n])
  })

  it('that is shared out adds up, is at most a nano off and knows no order', () => {
    const weights = fc.uniqueArray(fc.tuple(fc.string(), fc.bigInt(0n, 10n ** 12n)), {
      minLength: 1,
      maxLength: 12,
      selector: ([name]) => name,
    })
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 15n), weights, (amount, parts) => {
        const total = parts.reduce((sum, [, weight]) => sum + weight, 0n)
        const shares = sharedOut(amount, new Map(parts))
        if (total === 0n) return shares.size === 0
        for (const [name, weight] of parts) {
          const off = (shares.get(name) ?? 0n) * total - amount * weight
          if (off <= -total || off >= total) return false
        }
        const again = sharedOut(amount, new Map(parts.toReversed()))
        assert.deepEqual(again, shares)
        return [...shares.values()].reduce((sum, nanos) => sum + nanos, 0n) === amount
      }),
    )
  })

  it('is shared out alike in numbers and beyond them', () => {
    const weight = fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(0n, 2n ** 45n), fc.bigInt(0n, 2n ** 90n))
    const amount = fc.oneof(fc.bigInt(0n, 9n), fc.bigInt(0n, 2n ** 50n), fc.bigInt(0n, 2n ** 80n))
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), amount, (weights, whole) => {
        const sharing = new Sharing(new Map(weights.map((one, at) => [`${100 + at}`, one])))
        assert.deepEqual(sharing.shareOut(whole), largestRemainder(whole, weights))
      }),
      { numRuns: 2000 },
    )
  })
})

/** As it is defined: of equal remainders the first is greater. */
function largestRemainder(amount: bigint, weights: bigint[]): bigint[] {
  const total = weights.reduce((sum, one) => sum + one, 0n)
  if (total === 0n) return []
  const shares = weights.map((one) => (amount * one) / total)
  const rests = weights.map((one, at) => ({ at, rest: (amount * one) % total }))
  rests.sort((a, b) => Number(b.rest - a.rest) || a.at - b.at)
  const left = Number(shares.reduce((rest, share) => rest - share, amount))
  for (const { at } of rests.slice(0, left)) shares[at] = (shares[at] ?? 0n) + 1n
  return shares
}
