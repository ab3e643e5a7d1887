import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineProfile } from '../engine/index.ts'
import { EngineControl } from './engine-control.ts'

const profile: EngineProfile = {
  kind: 'gristmill',
  version: null,
  models: [{ name: 'm', contextTokens: 2048, toy: false }],
  cap: 8,
  capMost: 8,
  capReason: 'Found by calibration.',
  express: 1,
  spare: 8,
  capacityUnitsPerS: 200,
  tokenGapMs: 100,
  takesPriority: true,
  takesCacheSalt: true,
  takesCacheOff: false,
  yieldsBySteps: true,
  tellsLoad: false,
  advice: null,
}
const full = { inFlight: 16, backgroundInFlight: 8, placesNeeded: 0, interactiveWaitMs: 2000 }

/** Looks at the engine once a second. */
function run(control: EngineControl, seconds: number, seen = full): void {
  for (let second = 1; second <= seconds; second++) {
    control.firstToken(1000 * second, 2000, 20)
    control.update(1000 * second, seen)
  }
}

test('people who wait for each other take no place from background work that stands aside', () => {
  const control = new EngineControl(profile, 0)
  run(control, 30)
  assert.equal(control.reserve.reserve, 0)
  assert.match(control.reserve.reason, /stands aside/)
})

test('with fewer spare sequences than background work has in flight, the rest makes room', () => {
  const control = new EngineControl({ ...profile, spare: 4 }, 0)
  run(control, 30)
  assert.ok(control.reserve.reserve > 0)
})

test('an engine that does not yield keeps places free for those who wait', () => {
  const control = new EngineControl({ ...profile, yieldsBySteps: false }, 0)
  run(control, 30, { ...full, backgroundInFlight: 4 })
  assert.ok(control.reserve.reserve > 1)
})

test('a calibration bounds background work and takes no place from people', () => {
  const control = new EngineControl(profile, 0)
  control.allow(2)
  assert.deepEqual([control.cap.cap, control.reserve.reserve], [8, 6])
  assert.match(control.reserve.reason, /being calibrated/)
  control.allow(12)
  assert.deepEqual([control.cap.cap, control.reserve.reserve], [12, 0])
  control.allow(undefined)
  assert.deepEqual([control.cap.cap, control.reserve.reserve], [8, 0])
})

test('a calibration has all places that it asks for, whatever is kept from background work', () => {
  const noStanding = { ...profile, yieldsBySteps: false }
  const slots = new EngineControl(noStanding, 0)
  slots.update(1000, { ...full, backgroundInFlight: 0, placesNeeded: 8, interactiveWaitMs: 0 })
  assert.equal(slots.reserve.reserve, 8)
  const forBackground = (control: EngineControl) => control.cap.cap - control.reserve.reserve
  for (const concurrency of [1, 2, 4, 8]) {
    slots.allow(concurrency)
    assert.deepEqual([slots.cap.cap, forBackground(slots)], [8, concurrency])
  }
  const batching = new EngineControl({ ...noStanding, capMost: 256 }, 0)
  for (const concurrency of [1, 8, 32, 256]) {
    batching.allow(concurrency)
    assert.equal(forBackground(batching), concurrency)
  }
  batching.allow(32)
  assert.equal(batching.reserve.reserve, 1, 'what is kept for people comes on top')
})

test('the pace is judged by what calibration found at the knee, not by one figure for all', () => {
  const ended = (control: EngineControl, gapMs: number) => {
    for (let i = 0; i < 30; i++) {
      control.ended(500, { firstTokenAtMs: 0, lastTokenAtMs: 20 * gapMs, outputTokens: 21 })
    }
    control.update(1000, {
      inFlight: 8,
      backgroundInFlight: 0,
      placesNeeded: 0,
      interactiveWaitMs: 0,
    })
    return control.cap.cap
  }
  assert.equal(new EngineControl(profile, 0).tokenGapMsMax, 150)
  assert.equal(ended(new EngineControl(profile, 0), 140), 8)
  assert.equal(ended(new EngineControl(profile, 0), 160), 7)
  assert.equal(ended(new EngineControl({ ...profile, tokenGapMs: null }, 0), 90), 7)
})

test('where streams share steps with background work, a slow pace costs that its places first', () => {
  const control = new EngineControl(profile, 0)
  const seen = { inFlight: 12, backgroundInFlight: 1, placesNeeded: 0, interactiveWaitMs: 0 }
  const caps = new Set<number>()
  for (let second = 1; second <= 60; second++) {
    for (let i = 0; i < 5; i++) {
      const times = { firstTokenAtMs: 0, lastTokenAtMs: 20 * 180, outputTokens: 21 }
      control.ended(1000 * second, times)
    }
    control.update(1000 * second, seen)
    caps.add(control.cap.cap)
  }
  assert.deepEqual([...caps], [8])
  assert.ok(control.reserve.reserve >= 3 && control.reserve.reserve <= 5)
  assert.match(control.reserve.reason, /180 ms, and 150 ms are promised/)
})

test('one slow request in a few says nothing of the pace', () => {
  const control = new EngineControl(profile, 0)
  for (let i = 0; i < 30; i++) {
    const gapMs = i < 3 ? 400 : 100
    control.ended(500, { firstTokenAtMs: 0, lastTokenAtMs: 20 * gapMs, outputTokens: 21 })
  }
  control.update(1000, {
    inFlight: 8,
    backgroundInFlight: 0,
    placesNeeded: 0,
    interactiveWaitMs: 0,
  })
  assert.equal(control.cap.cap, 8)
})
