import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchPace } from './batch-pace.ts'

const HOUR_MS = 3_600_000
const input = {
  nowMs: 60_000,
  expiresAtMs: HOUR_MS,
  windowMs: HOUR_MS,
  remaining: 600,
  aloneLinesPerS: null,
}

/** Lines that ended evenly over the last minute. */
function paced(linesPerS: number): BatchPace {
  const pace = new BatchPace()
  pace.begin(0)
  for (let i = 1; i <= linesPerS * 60; i++) pace.ended((i * 1000) / linesPerS - 1)
  return pace
}

test('the expected end follows from the lines of the last minute, and says so', () => {
  const forecast = paced(2).forecast(input)
  assert.equal(forecast.linesPerS, 2)
  assert.equal(forecast.endsAtMs, 60_000 + 300_000)
  assert.equal(forecast.basis, '120 lines ended in the last 60 s.')
  assert.equal(forecast.standing, 'on_time')
})

test('nothing is promised before enough lines have ended', () => {
  const pace = new BatchPace()
  pace.begin(50_000)
  assert.equal(pace.forecast(input).basis, 'No line has ended in the last 10 s.')
  for (let i = 0; i < 4; i++) pace.ended(55_000)
  const { linesPerS, endsAtMs, basis } = pace.forecast(input)
  assert.deepEqual({ linesPerS, endsAtMs }, { linesPerS: null, endsAtMs: null })
  assert.equal(basis, '4 lines ended in the last 10 s, too few to go by.')
})

test('a batch that has become slow is seen within a minute', () => {
  const pace = paced(2)
  const { linesPerS } = pace.forecast({ ...input, nowMs: 90_000 })
  assert.ok(linesPerS !== null && linesPerS < 1.1, `${linesPerS}`)
  assert.equal(pace.forecast({ ...input, nowMs: 130_000 }).linesPerS, null)
})

test('a window that would end too early is at risk, with a tenth to spare', () => {
  const pace = paced(2)
  const secondsLeft = (HOUR_MS - 60_000) / 1000
  const lines = (seconds: number) => ({ ...input, remaining: 2 * seconds })
  assert.equal(pace.forecast(lines(secondsLeft - 400)).standing, 'on_time')
  assert.equal(pace.forecast(lines(secondsLeft - 300)).standing, 'late')
  assert.equal(pace.forecast({ ...input, remaining: 0, nowMs: HOUR_MS + 1 }).standing, 'on_time')
})

test('a window that could not be kept with all engines alone is hopeless', () => {
  const pace = paced(2)
  const remaining = 100_000
  assert.equal(pace.forecast({ ...input, remaining, aloneLinesPerS: 50 }).standing, 'late')
  assert.equal(pace.forecast({ ...input, remaining, aloneLinesPerS: 20 }).standing, 'hopeless')
})

test('a batch that does not move near the end of its window is at risk', () => {
  const pace = new BatchPace()
  pace.begin(0)
  assert.equal(pace.forecast({ ...input, nowMs: HOUR_MS * 0.5 }).standing, 'on_time')
  assert.equal(pace.forecast({ ...input, nowMs: HOUR_MS * 0.95 }).standing, 'late')
})
