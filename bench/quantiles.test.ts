import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import {
  pairedBlockRatioInterval,
  pairedRatioInterval,
  percentile,
  ratioInterval,
} from './quantiles.ts'

describe('percentiles', () => {
  it('are values that were measured, by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index)
    assert.equal(percentile(values, 0.5), 50)
    assert.equal(percentile(values, 0.99), 99)
    assert.equal(percentile([7], 0.99), 7)
    assert.ok(Number.isNaN(percentile([], 0.5)))
  })
})

describe('the interval of a ratio', () => {
  it('holds the true ratio of two samples about as often as it says', () => {
    const seed = 5
    const random = seededRandom(seed)
    const runs = 30
    let held = 0
    for (let run = 0; run < runs; run++) {
      const draw = (scale: number) => Array.from({ length: 200 }, () => scale * (1 + random.next()))
      const { low, high } = ratioInterval(draw(3), draw(1), 0.5, random)
      if (low <= 3 && 3 <= high) held++
    }
    assert.ok(held >= runs * 0.85, `${held} of ${runs}, seed ${seed}`)
  })

  it('is narrower where pairs share what strikes them, and still holds the true ratio', () => {
    const seed = 6
    const random = seededRandom(seed)
    const runs = 30
    let held = 0
    let widths = 0
    for (let run = 0; run < runs; run++) {
      const below = Array.from({ length: 200 }, () => 1 + random.next() ** 8)
      const above = below.map((value) => value * (1.2 + 0.02 * random.next()))
      const { low, high } = pairedRatioInterval(above, below, 0.99, random)
      const apart = ratioInterval(above, below, 0.99, random)
      if (low <= 1.21 && 1.21 <= high) held++
      widths += (high - low) / (apart.high - apart.low)
    }
    assert.ok(held >= runs * 0.85, `${held} of ${runs}, seed ${seed}`)
    assert.ok(widths / runs < 0.5, `${widths / runs}, seed ${seed}`)
  })

  it('is wider where the tail is one burst, which is drawn as one event', () => {
    const seed = 7
    const random = seededRandom(seed)
    const minutes = (burst: number) =>
      Array.from({ length: 20 }, (_, minute) =>
        Array.from({ length: 20 }, () => (minute === 7 ? burst : 100) + 10 * random.next()),
      )
    const [above, below] = [minutes(200), minutes(130)]
    const blocks = pairedBlockRatioInterval(above, below, 0.99, random)
    const singles = ratioInterval(above.flat(), below.flat(), 0.99, random)
    assert.ok(singles.low > 1.1 && blocks.low < 1.1, `${blocks.low}, ${singles.low}, seed ${seed}`)
    assert.ok(blocks.high >= 1.4, `${blocks.high}, seed ${seed}`)
  })
})
