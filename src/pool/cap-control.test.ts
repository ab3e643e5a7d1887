import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CapControl, type CapOptions, type CapReading, type EngineSignals } from './cap-control.ts'

const REASON = 'Found by calibration.'
const options: CapOptions = { start: 10, most: 10, tokenGapMsMax: 80, hasSignals: false }
const told: CapOptions = { ...options, hasSignals: true }

const well: Omit<EngineSignals, 'atMs'> = { waiting: 0, kvUsage: 0.4, preemptions: 0 }
const full: CapReading = { inFlight: 10, units: 100, tokenGapP95Ms: 40, signals: null }

/** The caps after each of `seconds` updates, one a second. */
function run(
  control: CapControl,
  fromS: number,
  seconds: number,
  reading: (second: number) => CapReading,
): number[] {
  return Array.from({ length: seconds }, (_, i) => {
    const second = fromS + i
    return control.update(second * 1000, reading(second)).cap
  })
}

const signalling = (change: Partial<EngineSignals>) => (second: number) => ({
  ...full,
  signals: { ...well, atMs: second * 1000, ...change },
})

test('an engine that does well keeps the cap that calibration found', () => {
  const control = new CapControl(told, REASON)
  assert.deepEqual(new Set(run(control, 0, 100, signalling({}))), new Set([10]))
  assert.equal(control.state.reason, REASON)
})

test('requests that wait inside the engine twice in a row lower it', () => {
  const control = new CapControl(told, REASON)
  assert.deepEqual(run(control, 0, 2, signalling({ waiting: 3 })), [10, 9])
  assert.match(control.state.reason, /3 requests wait inside/)
})

test('a request seen once on its way into the batch does not', () => {
  const control = new CapControl(told, REASON)
  const caps = run(control, 0, 20, (s) => signalling({ waiting: s % 2 })(s))
  assert.deepEqual(new Set(caps), new Set([10]))
})

test('the same answer read again counts once', () => {
  const control = new CapControl(told, REASON)
  const signals = { ...well, waiting: 1, atMs: 0 }
  assert.deepEqual(new Set(run(control, 0, 5, () => ({ ...full, signals }))), new Set([10]))
})

test('preemptions and full memory lower it', () => {
  const thrown = new CapControl(told, REASON)
  assert.equal(run(thrown, 0, 2, (s) => signalling({ preemptions: s * 4 })(s)).at(-1), 9)
  assert.match(thrown.state.reason, /threw out 4 requests/)
  const crowded = new CapControl(told, REASON)
  assert.equal(run(crowded, 0, 1, signalling({ kvUsage: 0.95 })).at(-1), 9)
  assert.match(crowded.state.reason, /95 % full/)
})

test('a restarted engine whose counter begins anew has thrown out nobody', () => {
  const control = new CapControl(told, REASON)
  const caps = run(control, 0, 4, (s) => signalling({ preemptions: s < 2 ? 50 : 0 })(s))
  assert.deepEqual(new Set(caps), new Set([10]))
})

test('a broken pace promise lowers it, step by step, until the promise is kept', () => {
  const control = new CapControl(options, REASON)
  const caps = run(control, 0, 400, () => ({ ...full, tokenGapP95Ms: 12 * control.state.cap }))
  assert.deepEqual([...new Set(caps)], [9, 8, 7, 6])
  const reasons = new CapControl(options, REASON)
  run(reasons, 0, 2, () => ({ ...full, tokenGapP95Ms: 120 }))
  assert.match(reasons.state.reason, /120 ms, and 80 ms are promised/)
})

test('a pace that fewer at once do not mend is no reason for fewer', () => {
  const control = new CapControl(options, REASON)
  const caps = run(control, 0, 200, () => ({ ...full, tokenGapP95Ms: 120 }))
  assert.deepEqual([...new Set(caps)], [9, 10])
  assert.equal(caps.at(-1), 10)
})

test('it returns to where calibration put it once all is well and every place is taken', () => {
  const control = new CapControl(options, REASON)
  run(control, 0, 70, () => ({ ...full, tokenGapP95Ms: 12 * control.state.cap }))
  assert.equal(control.state.cap, 7)
  assert.equal(run(control, 70, 20, () => ({ ...full, inFlight: 3 })).at(-1), 7)
  assert.equal(run(control, 90, 20, () => full).at(-1), 10)
})

test('an engine that has gone silent is taken for busy, never for empty', () => {
  const control = new CapControl({ ...told, most: 100 }, REASON)
  const caps = run(control, 0, 120, () => ({ ...full, inFlight: 100, units: 1e6 }))
  assert.equal(Math.max(...caps), 10)
  assert.equal(caps.at(-1), 5)
  assert.match(control.state.reason, /told nothing/)
  const stale = new CapControl({ ...told, most: 100 }, REASON)
  const signals = { ...well, atMs: 0 }
  const later = run(stale, 0, 120, () => ({ ...full, inFlight: 100, signals }))
  assert.equal(later.at(-1), 5)
})

test('once it tells of itself again it returns to where it was, though places are free', () => {
  const control = new CapControl(told, REASON)
  run(control, 0, 40, (s) => ({ ...signalling({ kvUsage: s < 4 ? 0.95 : 0.4 })(s), inFlight: 2 }))
  const before = control.state.cap
  assert.ok(before < 10)
  run(control, 40, 60, () => ({ ...full, inFlight: 2 }))
  assert.ok(control.state.cap < before)
  run(control, 100, 30, (s) => ({ ...signalling({})(s), inFlight: 2 }))
  assert.equal(control.state.cap, before, 'what it lost for other reasons waits for more work')
  run(control, 130, 30, signalling({}))
  assert.equal(control.state.cap, 10)
})

test('where more at once get more done it rises, and stops where they do not', () => {
  const control = new CapControl({ ...told, most: 100 }, REASON)
  // Work grows with the number in flight up to 14.
  const caps = run(control, 0, 400, (second) => {
    const { cap } = control.state
    return { ...signalling({})(second), inFlight: cap, units: 50 * Math.min(cap, 14) }
  })
  assert.equal(Math.max(...caps), 15)
  assert.equal(caps.at(-1), 14)
  assert.match(control.state.reason, /no more done/)
})

test('an engine with free places is not tried with more', () => {
  const control = new CapControl({ ...told, most: 100 }, REASON)
  const caps = run(control, 0, 100, (s) => ({ ...signalling({})(s), inFlight: 6 }))
  assert.deepEqual(new Set(caps), new Set([10]))
})

test('whatever is seen the cap is a whole number from one to its bound, with a reason', () => {
  const reading = fc.record({
    inFlight: fc.nat(80),
    units: fc.nat(10_000),
    tokenGapP95Ms: fc.option(fc.nat(300)),
    signals: fc.option(
      fc.record({
        atMs: fc.nat(200_000),
        waiting: fc.nat(5),
        kvUsage: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        preemptions: fc.option(fc.nat(50)),
      }),
    ),
    stepMs: fc.integer({ min: 1, max: 15_000 }),
  })
  const bounds = fc.record({
    start: fc.integer({ min: 1, max: 64 }),
    most: fc.integer({ min: 1, max: 64 }),
    tokenGapMsMax: fc.integer({ min: 20, max: 200 }),
    hasSignals: fc.boolean(),
  })
  fc.assert(
    fc.property(bounds, fc.array(reading, { maxLength: 60 }), (given, readings) => {
      const control = new CapControl(given, REASON)
      let nowMs = 0
      for (const { stepMs, ...seen } of readings) {
        nowMs += stepMs
        const before = control.state.cap
        const { cap, reason } = control.update(nowMs, seen)
        assert.ok(Number.isInteger(cap) && cap >= 1 && cap <= given.most)
        assert.ok(cap <= before + 1, 'never up by more than one at a time')
        assert.match(reason, /^[A-Z0-9].*\.$/)
      }
    }),
  )
})

test('time in which nobody looked is no time in which little was done', () => {
  const control = new CapControl({ ...options, most: 12 }, REASON)
  const rate = (cap: number) => 10 * Math.min(10, cap)
  let nowMs = 0
  for (let outage = 0; outage < 5; outage++) {
    for (let second = 0; second < 30; second++) {
      const { cap } = control.state
      nowMs += 1000
      control.update(nowMs, { ...full, inFlight: cap, units: rate(cap) })
    }
    nowMs += 600_000
  }
  assert.ok(control.state.cap <= 11, `${control.state.cap} at once get no more done than 10`)
})
