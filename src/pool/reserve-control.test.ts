import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReserveControl, type ReserveReading } from './reserve-control.ts'

const calm: ReserveReading = {
  cap: 16,
  backgroundInFlight: 14,
  placesNeeded: 0,
  interactiveWaitMs: 0,
}

/** Calls `update` once a second with the same reading and returns the reserve after each. */
function run(control: ReserveControl, fromS: number, seconds: number, reading: ReserveReading) {
  return Array.from(
    { length: seconds },
    (_, i) => control.update((fromS + i) * 1000, reading).reserve,
  )
}

test('with nobody in a hurry background work fills the engine up to the target', () => {
  const control = new ReserveControl()
  assert.deepEqual(run(control, 0, 3, calm), [1, 1, 1])
  assert.match(control.state.reason, /95 %/)
  const large = new ReserveControl()
  assert.equal(large.update(0, { ...calm, cap: 200, backgroundInFlight: 190 }).reserve, 10)
})

test('an engine whose background work stands aside by itself keeps no place free', () => {
  const control = new ReserveControl({ yieldsBySteps: true })
  assert.equal(control.update(0, calm).reserve, 0)
})

test('an engine that runs one request at a time cannot keep a place free', () => {
  const control = new ReserveControl()
  assert.equal(control.update(0, { ...calm, cap: 1, interactiveWaitMs: 900 }).reserve, 0)
})

test('the reserve grows while an interactive request waits, and says so', () => {
  const control = new ReserveControl()
  control.update(0, calm)
  const pressed = { ...calm, interactiveWaitMs: 400 }
  assert.deepEqual(run(control, 1, 2, pressed), [2, 3])
  assert.match(control.state.reason, /waited for 400 ms/)
})

test('it grows no further before the places it asks for have come free', () => {
  const control = new ReserveControl()
  control.update(0, calm)
  const pressed = { ...calm, backgroundInFlight: 15, interactiveWaitMs: 400 }
  assert.deepEqual(run(control, 1, 5, pressed), [2, 2, 2, 2, 2])
})

test('it does not grow where no background work is to blame', () => {
  const control = new ReserveControl()
  const alone = { ...calm, backgroundInFlight: 0, interactiveWaitMs: 3000 }
  assert.deepEqual(run(control, 0, 5, alone), [1, 1, 1, 1, 1])
})

test('it does not grow where all background work stands aside, however long somebody waits', () => {
  const control = new ReserveControl({ yieldsBySteps: true })
  const aside = { ...calm, backgroundInFlight: 8, inTheWay: 0, interactiveWaitMs: 3000 }
  for (let second = 0; second < 20; second++) control.firstToken(1000 * second, 3000)
  assert.deepEqual(new Set(run(control, 0, 20, aside)), new Set([0]))
  assert.equal(control.update(21_000, { ...aside, inTheWay: 1 }).reserve, 1)
})

test('late first tokens make it grow, unless the prompt itself took that long', () => {
  const late = new ReserveControl()
  late.update(0, calm)
  late.firstToken(500, 700)
  assert.equal(late.update(1000, calm).reserve, 2)
  assert.match(late.state.reason, /700 ms of 1000/)
  const long = new ReserveControl()
  long.update(0, calm)
  long.firstToken(500, 5000, 4900)
  assert.equal(long.update(1000, calm).reserve, 1)
})

test('as many places as people have needed at once are kept from the first look on', () => {
  const control = new ReserveControl()
  assert.equal(control.update(0, { ...calm, placesNeeded: 6 }).reserve, 6)
  assert.match(control.state.reason, /needed 6 of 16 places/)
  assert.equal(control.update(1000, { ...calm, placesNeeded: 9 }).reserve, 9)
  assert.equal(control.update(2000, { ...calm, placesNeeded: 40 }).reserve, 16)
  assert.equal(run(control, 3, 120, { ...calm, placesNeeded: 6 }).at(-1), 6)
  const aside = new ReserveControl({ yieldsBySteps: true })
  assert.equal(aside.update(0, { ...calm, placesNeeded: 6 }).reserve, 0)
})

test('it shrinks step by step once first tokens have been quick for a while', () => {
  const control = new ReserveControl()
  control.update(0, calm)
  run(control, 1, 3, { ...calm, backgroundInFlight: 4, interactiveWaitMs: 500 })
  assert.equal(control.state.reserve, 4)
  assert.deepEqual(new Set(run(control, 4, 9, calm)), new Set([4]))
  const shrinking = run(control, 13, 30, calm)
  assert.deepEqual([...new Set(shrinking)], [3, 2, 1])
})

test('between quick and late it neither grows nor shrinks', () => {
  const control = new ReserveControl()
  control.update(0, calm)
  run(control, 1, 2, { ...calm, interactiveWaitMs: 500, backgroundInFlight: 4 })
  for (let second = 3; second < 60; second++) {
    control.firstToken(second * 1000, 350)
    assert.equal(control.update(second * 1000, calm).reserve, 3)
  }
})

test('whatever happens it stays between 0 and the cap, with a reason', () => {
  const reading = fc.record({
    cap: fc.integer({ min: 1, max: 64 }),
    backgroundInFlight: fc.integer({ min: 0, max: 64 }),
    inTheWay: fc.integer({ min: 0, max: 64 }),
    placesNeeded: fc.integer({ min: 0, max: 80 }),
    interactiveWaitMs: fc.integer({ min: 0, max: 5000 }),
    ttftMs: fc.option(fc.integer({ min: 0, max: 5000 })),
    stepMs: fc.integer({ min: 1, max: 20_000 }),
    yieldsBySteps: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(reading, { minLength: 1, maxLength: 60 }), (readings) => {
      const control = new ReserveControl({ yieldsBySteps: readings[0]?.yieldsBySteps === true })
      let nowMs = 0
      for (const { ttftMs, stepMs, ...seen } of readings) {
        nowMs += stepMs
        if (ttftMs !== null) control.firstToken(nowMs, ttftMs)
        const { reserve, reason } = control.update(nowMs, seen)
        assert.ok(reserve >= 0 && reserve <= seen.cap, `${reserve} of ${seen.cap}`)
        assert.ok(Number.isInteger(reserve))
        assert.match(reason, /^[A-Z].*\.$/)
      }
    }),
  )
})

test('after any past, pressure that lasts ends with all places kept', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 64 }), fc.nat(40), (cap, calmS) => {
      const control = new ReserveControl()
      run(control, 0, calmS + 1, { ...calm, cap, backgroundInFlight: cap })
      const pressed = { ...calm, cap, backgroundInFlight: 1, interactiveWaitMs: 2000 }
      assert.equal(run(control, calmS + 2, 80, pressed).at(-1), cap)
    }),
  )
})
