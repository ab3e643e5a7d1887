import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { emptyAt, paceOf, sumOf } from './forecast.ts'

const DAY_MS = 86_400_000
/** Quiet weekends. */
const week = [100, 110, 100, 110, 100, 20, 20]
const weeks = (count: number) =>
  Array.from({ length: count * 7 }, (_, at) => ({ place: at % 7, amount: week[at % 7] ?? 0 }))
const coming = (days: number, from = 0) =>
  Array.from({ length: days }, (_, at) => {
    const startMs = at * DAY_MS
    return { place: (from + at) % 7, share: 1, startMs, endMs: startMs + DAY_MS }
  })

function paced(past: Parameters<typeof paceOf>[0]) {
  return paceOf(past, 7) ?? assert.fail('there was enough to tell a pace by')
}

describe('a forecast', () => {
  it('says nothing of less than a week', () => {
    assert.equal(paceOf(weeks(1).slice(0, 6), 7), null)
    assert.notEqual(paceOf(weeks(1), 7), null)
  })

  it('knows weekends, the better the more of them it has seen', () => {
    const weekend = (count: number) => sumOf(paced(weeks(count)), coming(2, 5)).expected
    assert.ok(weekend(1) > weekend(4) && weekend(4) > weekend(52), 'nearer with every week')
    assert.ok(Math.abs(weekend(52) - 40) < 8, `${weekend(52)} for a weekend of 40`)
    const { expected } = sumOf(paced(weeks(8)), coming(7))
    assert.ok(Math.abs(expected - 560) < 1e-9, 'a whole week is what weeks were')
  })

  it('is as far from certain as days were from each other, and less with more of them', () => {
    const spread = (count: number, days = 7) => {
      const { low, high } = sumOf(paced(weeks(count)), coming(days))
      return high - low
    }
    assert.ok(spread(1) > spread(4) && spread(4) > spread(12))
    assert.ok(spread(4, 14) > spread(4, 7), 'further away is less certain')
    const same = weeks(4).map(({ place }) => ({ place, amount: 5 }))
    assert.deepEqual(sumOf(paced(same), coming(2)), { expected: 10, low: 10, high: 10 })
  })

  it('is right about nine times out of ten where days are independent', () => {
    const random = seededRandom(7)
    const day = (place: number) => {
      const noise = random.next() + random.next() + random.next() + random.next() - 2
      return { place, amount: (week[place] ?? 0) * (1 + 0.3 * noise) }
    }
    const rounds = 600
    let within = 0
    for (let round = 0; round < rounds; round += 1) {
      const past = Array.from({ length: 28 }, (_, at) => day(at % 7))
      const { low, high } = sumOf(paced(past), coming(10))
      const came = coming(10).reduce((sum, { place }) => sum + day(place).amount, 0)
      if (low <= came && came <= high) within += 1
    }
    assert.ok(within / rounds > 0.86 && within / rounds < 0.995, `${within} of ${rounds}`)
  })

  it('counts of a step that has begun only what is still to come', () => {
    const pace = paced(weeks(4).map(({ place }) => ({ place, amount: 8 })))
    assert.equal(sumOf(pace, [{ place: 2, share: 0.25 }]).expected, 2)
  })

  it('says when something is used up, with the days between which it will be', () => {
    const pace = paced(weeks(6))
    const { earliestMs, expectedMs, latestMs } = emptyAt(pace, 280, coming(30))
    const [first, middle, last] = [earliestMs ?? 0, expectedMs ?? 0, latestMs ?? 0]
    assert.ok(0 < first && first < middle && middle < last, [first, middle, last].join())
    assert.ok(middle > 2 * DAY_MS && middle < 4 * DAY_MS, 'in the middle of the third day')
  })

  it('says so where it lasts', () => {
    const none = { expectedMs: null, earliestMs: null, latestMs: null }
    assert.deepEqual(emptyAt(paced(weeks(6)), 1e9, coming(30)), none)
    const idle = paced(weeks(6).map(({ place }) => ({ place, amount: 0 })))
    assert.deepEqual(emptyAt(idle, 1, coming(30)), none)
    assert.deepEqual(sumOf(idle, coming(3)), { expected: 0, low: 0, high: 0 })
  })

  it('of nothing left is at once', () => {
    assert.equal(emptyAt(paced(weeks(6)), 0, coming(30)).expectedMs, 0)
  })
})
