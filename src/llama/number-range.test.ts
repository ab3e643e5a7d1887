import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Bound, integerRange, isSpelled, numberRange } from './number-range.ts'

/** Rules of digits are regular: the same as a regular expression. */
const matcher = (rule: string) => {
  const text = rule.replace(/"([^"]*)"/g, (_, literal: string) => literal.replace('.', '\\.'))
  return new RegExp(`^(?:${text.replaceAll(' ', '')})$`)
}

const isWithin = (value: number, low: Bound | undefined, high: Bound | undefined) =>
  (!low || value > low.value || (value === low.value && !low.isStrict)) &&
  (!high || value < high.value || (value === high.value && !high.isStrict))

const number = fc
  .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: 0, max: 3 }))
  .map(([digits, places]) => digits / 10 ** places)
const bound = fc.option(fc.record({ value: number, isStrict: fc.boolean() }), { nil: undefined })

test('a rule matches the numbers between its bounds and no others', () => {
  fc.assert(
    fc.property(bound, bound, fc.array(number), (low, high, tried) => {
      const rule = numberRange(low, high)
      const near = [low, high].flatMap((edge) => {
        const value = edge?.value ?? 0
        return [value, value - 1, value + 1, value + 0.1, value - 0.001].map((one) =>
          Number(one.toFixed(4)),
        )
      })
      for (const value of [...tried, ...near]) {
        const isMatched = rule !== undefined && matcher(rule).test(String(value))
        assert.equal(isMatched, isWithin(value, low, high), `${value} with ${rule}`)
      }
    }),
    { numRuns: 500 },
  )
})

test('whole numbers of any range are matched, and nothing that is between two', () => {
  const edge = fc.option(fc.integer({ min: -2_000_000, max: 2_000_000 }), { nil: undefined })
  fc.assert(
    fc.property(edge, edge, fc.array(fc.integer()), (low, high, tried) => {
      const rule = integerRange(low, high)
      for (const value of [...tried, low ?? 0, high ?? 0, (low ?? 0) - 1, (high ?? 0) + 1]) {
        const isMatched = rule !== undefined && matcher(rule).test(String(value))
        const isInside =
          (low === undefined || value >= low) && (high === undefined || value <= high)
        assert.equal(isMatched, isInside, `${value} with ${rule}`)
      }
      if (rule !== undefined) assert.doesNotMatch('1.5', matcher(rule))
    }),
  )
})

test('bounds that digits cannot spell are known as such; those beyond all digits are none', () => {
  assert.ok(isSpelled(0.25) && isSpelled(-17) && isSpelled(1.7976931348623157e308))
  assert.ok(!isSpelled(1e-7) && !isSpelled(0.12345678901))
  assert.ok(matcher(integerRange(0, 1e300) ?? '').test('999999999999999'))
  assert.equal(integerRange(1e15, undefined), undefined)
})
