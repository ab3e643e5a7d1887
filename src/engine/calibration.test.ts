import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CalibrationPoint, calibrationOf, fitSeconds, weightsOf } from './calibration.ts'

/** An engine that takes 1 ms for a prompt token, 0.1 for a cached one, 4 for an output one. */
function point(
  mix: CalibrationPoint['mix'],
  concurrency: number,
  tokens: [number, number, number],
  change: { factor?: number; gapMs?: number } = {},
): CalibrationPoint {
  const [input, cached, output] = tokens
  const seconds = (input + 0.1 * cached + 4 * output) / 1000 / (change.factor ?? 1)
  return {
    mix,
    concurrency,
    seconds,
    tokens: { input, cached, output },
    tokenGapP95Ms: change.gapMs ?? 20,
  }
}

const apart = [
  point('prompts', 8, [9000, 0, 500]),
  point('answers', 8, [1000, 0, 3000]),
  point('prefixes', 8, [500, 9000, 500]),
]

test('finds what a token of each kind takes', () => {
  const seconds = fitSeconds([...apart, point('even', 8, [3000, 0, 2000])])
  assert.ok(Math.abs(seconds.input - 0.001) < 1e-5)
  assert.ok(Math.abs(seconds.cached - 0.0001) < 1e-5)
  assert.ok(Math.abs(seconds.output - 0.004) < 1e-5)
  assert.deepEqual(weightsOf(apart), { input: 1, cached: 0.1, output: 4 })
})

test('points that tell nothing apart leave the assumption', () => {
  const same = [point('answers', 8, [0, 0, 3000]), point('answers', 8, [0, 0, 2000])]
  assert.deepEqual(weightsOf(same), { input: 1, cached: 0, output: 2 })
})

test('capacity is the best of the whole sweep, the knee does nearly as much and is quick', () => {
  const sweep = [
    point('even', 1, [1000, 0, 1000], { factor: 0.2, gapMs: 8 }),
    point('even', 4, [1000, 0, 1000], { factor: 0.6, gapMs: 20 }),
    point('even', 8, [1000, 0, 1000], { factor: 0.97, gapMs: 45 }),
    point('even', 16, [1000, 0, 1000], { factor: 0.99, gapMs: 75 }),
    point('even', 32, [1000, 0, 1000], { factor: 1, gapMs: 150 }),
  ]
  const found = calibrationOf([...sweep, ...apart])
  assert.equal(found.knee, 8)
  assert.equal(found.tokenGapMs, 45)
  assert.ok(found.capacityUnitsPerS > found.kneeUnitsPerS)
  assert.ok(Math.abs(found.kneeUnitsPerS / found.capacityUnitsPerS - 0.97) < 0.001)
})

test('an engine that is slow even alone has its knee where it is not much slower', () => {
  const sweep = [
    point('even', 1, [1000, 0, 1000], { factor: 0.5, gapMs: 300 }),
    point('even', 2, [1000, 0, 1000], { factor: 0.9, gapMs: 400 }),
    point('even', 4, [1000, 0, 1000], { factor: 1, gapMs: 900 }),
  ]
  assert.equal(calibrationOf([...sweep, ...apart]).knee, 2)
})

test('whatever is measured, no time and no weight is below zero', () => {
  const count = fc.integer({ min: 0, max: 10_000 })
  const measured = fc.record({
    mix: fc.constantFrom('even', 'prompts', 'answers', 'prefixes'),
    concurrency: fc.integer({ min: 1, max: 64 }),
    seconds: fc.double({ min: 0.1, max: 60, noNaN: true }),
    tokens: fc.record({ input: count, cached: count, output: count }),
    tokenGapP95Ms: fc.option(fc.double({ min: 0, max: 1000, noNaN: true })),
  }) as fc.Arbitrary<CalibrationPoint>
  fc.assert(
    fc.property(fc.array(measured, { minLength: 1, maxLength: 12 }), measured, (points, one) => {
      const found = calibrationOf([...points, { ...one, mix: 'even' }])
      assert.ok(found.weights.output > 0 && found.weights.cached >= 0)
      assert.ok(Number.isFinite(found.capacityUnitsPerS) && found.capacityUnitsPerS >= 0)
      assert.ok(found.kneeUnitsPerS <= found.capacityUnitsPerS)
    }),
  )
})
