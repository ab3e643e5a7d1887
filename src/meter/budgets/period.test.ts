import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { budgetPeriods, periodAt } from './period.ts'

const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')
const bounds = (...given: Parameters<typeof periodAt>) => {
  const { startMs, endMs } = periodAt(...given)
  return [iso(startMs), iso(endMs)]
}
const zones = ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/Sao_Paulo', 'Pacific/Apia']

test('days and months are those of the time zone, also where clocks change', () => {
  const spring = Date.parse('2026-03-29T12:00:00Z')
  assert.deepEqual(bounds('day', spring, 'Europe/Berlin'), [
    '2026-03-28T23:00:00Z',
    '2026-03-29T22:00:00Z',
  ])
  assert.deepEqual(bounds('month', spring, 'Europe/Berlin'), [
    '2026-02-28T23:00:00Z',
    '2026-03-31T22:00:00Z',
  ])
  assert.deepEqual(bounds('week', spring, 'UTC'), ['2026-03-23T00:00:00Z', '2026-03-30T00:00:00Z'])
  assert.deepEqual(bounds('hour', spring, 'Asia/Kolkata'), [
    '2026-03-29T11:30:00Z',
    '2026-03-29T12:30:00Z',
  ])
  // At midnight of that day clocks went on to one o'clock.
  const skipped = Date.parse('2017-10-15T12:00:00Z')
  assert.equal(bounds('day', skipped, 'America/Sao_Paulo')[0], '2017-10-15T03:00:00Z')
})

test('every moment is in its period, which the next one follows without a gap', () => {
  const moment = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2040, 0) })
  const given = fc.tuple(moment, fc.constantFrom(...budgetPeriods), fc.constantFrom(...zones))
  fc.assert(
    fc.property(given, ([atMs, period, zone]) => {
      const { startMs, endMs } = periodAt(period, atMs, zone)
      assert.ok(startMs <= atMs && atMs < endMs)
      if (endMs === Number.POSITIVE_INFINITY) return
      assert.equal(periodAt(period, endMs, zone).startMs, endMs)
      assert.equal(periodAt(period, startMs, zone).endMs, endMs)
    }),
    { seed: 11, numRuns: 400 },
  )
})
