import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import { slopeOf } from './soak-slope.ts'

const noise = (random: { next(): number }) => 200 + 4 * (random.next() - 0.5)

it('a slope is found with its interval, in parts of the mean per hour', () => {
  const random = seededRandom(1)
  const growing = Array.from({ length: 40 }, (_, minute) => noise(random) + minute / 3)
  const { perHour, low, high } = slopeOf(growing)
  const truth = 20 / (200 + 39 / 6)
  assert.ok(low < truth && truth < high, `${low} ${perHour} ${high}`)
  assert.ok(low > 0)
})

it('the interval of what does not grow holds 0 nearly always, also where it drifts about', () => {
  const random = seededRandom(2)
  let misses = 0
  for (let round = 0; round < 200; round++) {
    let drift = 0
    const values = Array.from({ length: 40 }, () => {
      drift = 0.5 * drift + random.next() - 0.5
      return 200 + drift
    })
    const { low, high } = slopeOf(values)
    if (low > 0 || high < 0) misses++
  }
  assert.ok(misses < 30, `${misses} of 200`)
})

it('what stays the same has no slope', () => {
  assert.deepEqual(slopeOf([6, 6, 6, 6, 6]), { first: 6, last: 6, perHour: 0, low: 0, high: 0 })
})
