import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { type CalibrationPoint, calibrationOf, type EngineProfile } from '../engine/index.ts'
import { mixOf } from './sim-batch.ts'
import { capacityOf } from './sim-capacity.ts'
import { measuredProfile } from './sim-measured.ts'
import { decodeStepMs, parseProfile, passMs } from './sim-profile.ts'

const live: EngineProfile = {
  kind: 'gristmill',
  version: '1.0.0',
  models: [{ name: 'm', contextTokens: 2048, toy: false }],
  cap: 4,
  capReason: 'Measured.',
  express: 1,
  spare: 2,
  capMost: 8,
  capacityUnitsPerS: null,
  tokenGapMs: null,
  takesPriority: true,
  takesCacheSalt: true,
  takesCacheOff: false,
  yieldsBySteps: true,
  tellsLoad: true,
  advice: null,
}

/** Points of an engine that reads 1,000 tokens a second and takes 8 + 2 × streams ms a step. */
function points(): CalibrationPoint[] {
  const shapes = [
    ...[1, 2, 4].map((concurrency) => ({ mix: 'even' as const, concurrency, in: 40, out: 48 })),
    { mix: 'prompts' as const, concurrency: 4, in: 200, out: 4 },
    { mix: 'answers' as const, concurrency: 4, in: 8, out: 64 },
  ]
  return shapes.map(({ mix, concurrency, in: input, out: output }) => {
    const roundS = (concurrency * input) / 1000 + (output * (8 + 2 * concurrency)) / 1000
    const rounds = 6 / roundS
    const tokens = {
      input: rounds * concurrency * input,
      cached: 0,
      output: rounds * concurrency * output,
    }
    return { mix, concurrency, seconds: 6, tokens, tokenGapP95Ms: 20 }
  })
}

/** What such an engine tells of its steps. */
function toldPoints(): CalibrationPoint[] {
  return points().map((point, i) => {
    const { concurrency, tokens } = point
    const read = { tokens: tokens.input, pieces: 10, seconds: tokens.input / 800 }
    const passes = [concurrency, concurrency + 1].map((sequences) => {
      const count = tokens.output / concurrency
      return { sequences, count, seconds: (count * stepMsOf(sequences)) / 1000 }
    })
    // Once, while something else ran.
    const disturbed = { sequences: 7, count: 1, seconds: 2 }
    return {
      ...point,
      steps: { read, passes: i === 0 ? [...passes, disturbed] : passes, enough: 3 },
    }
  })
}

/** One more stream than one costs as much as the weights do. */
const stepMsOf = (sequences: number) => (sequences === 1 ? 10 : 20 + sequences)

const measured = () =>
  parseProfile(measuredProfile('mill', '2026-11-28T10:00:00Z', calibrationOf(points()), live))

test('a calibrated engine is told as a profile that plans can be made with', () => {
  const profile = measured()
  assert.equal(profile.name, 'mill')
  assert.match(profile.basis, /2026-11-28/)
  assert.deepEqual([profile.cap, profile.express, profile.spare], [4, 1, 2])
  assert.equal(profile.yields, 'step')
  assert.equal(profile.kvTokens, 7 * 2048)
})

test('its speeds are those that the calibration saw, however many streams shared the steps', () => {
  const profile = measured()
  const near = (is: number, should: number) =>
    assert.ok(Math.abs(is / should - 1) < 0.01, `${is} instead of ${should}`)
  near(profile.readTokensPerS, 1000)
  for (const streams of [1, 2, 4, 8]) near(decodeStepMs(profile, streams), 8 + 2 * streams)
})

test('simulated, it does as much as was measured of it', () => {
  const profile = measured()
  const row = { atMs: 0, tenant: 'a', serviceClass: 'standard' as const, prefix: [] }
  const mix = mixOf([{ ...row, inputTokens: 40, outputTokens: 48 }], seededRandom(1))
  const cost = { input: 1, output: 2 }
  const roundS = (4 * 40) / 1000 + (48 * 16) / 1000
  const expected = (4 * (40 + 2 * 48)) / roundS
  const { unitsPerS } = capacityOf(profile, mix, cost)
  assert.ok(Math.abs(unitsPerS / expected - 1) < 0.05, `${unitsPerS} instead of ${expected}`)
})

test('an engine that tells how long its steps take is taken at its word', () => {
  const profile = parseProfile(
    measuredProfile('mill', '2026-12-01T10:00:00Z', calibrationOf(toldPoints()), live),
  )
  const near = (is: number | undefined, should: number) =>
    assert.ok(Math.abs((is ?? 0) / should - 1) < 0.01, `${is} instead of ${should}`)
  near(profile.readTokensPerS, 800)
  assert.equal(profile.lockstep?.enough, 3)
  assert.deepEqual(
    profile.decode.map(({ streams }) => streams),
    [1, 2, 3, 4, 5],
  )
  for (const { streams, stepMs } of profile.decode) near(stepMs, stepMsOf(streams))
  // Of more than it has seen.
  near(passMs(profile, 10), 2 * stepMsOf(5))
})

test('an engine of others that does not tell its context is taken to have a small one', () => {
  const other = { ...live, kind: 'openai' as const, yieldsBySteps: false, takesCacheSalt: false }
  const unknown = { ...other, models: [{ name: 'm', contextTokens: null, toy: false }] }
  const profile = measuredProfile('x', '2026-11-28', calibrationOf(points()), unknown)
  assert.equal(profile.yields, 'none')
  assert.equal(profile.spare, 0)
  assert.equal(profile.contextTokens, 4096)
  assert.equal(profile.prefixCache, false)
})
