import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { type CalibrationPoint, calibrationOf, type EngineProfile } from '../engine/index.ts'
import { mixOf } from './sim-batch.ts'
import { capacityOf } from './sim-capacity.ts'
import { measuredProfile } from './sim-measured.ts'
import { decodeStepMs, parseProfile } from './sim-profile.ts'

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

test('an engine of others that does not tell its context is taken to have a small one', () => {
  const other = { ...live, kind: 'openai' as const, yieldsBySteps: false, takesCacheSalt: false }
  const unknown = { ...other, models: [{ name: 'm', contextTokens: null, toy: false }] }
  const profile = measuredProfile('x', '2026-11-28', calibrationOf(points()), unknown)
  assert.equal(profile.yields, 'none')
  assert.equal(profile.spare, 0)
  assert.equal(profile.contextTokens, 4096)
  assert.equal(profile.prefixCache, false)
})
