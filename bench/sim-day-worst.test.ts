import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import type { Arm } from './sim-day-play.ts'
import { intervalOf, worstRatios } from './sim-day-worst.ts'

/** A tenant's day: 120 first tokens an hour, that hour's share of them slow. */
function armOf(tenant: string, hours: readonly { ms: number; slow?: number; n?: number }[]): Arm {
  const day = hours.map(({ ms, slow = 0, n = 120 }, hour) => ({
    minutes: Array.from({ length: n }, (_, i) => hour * 60 + (i % 60)),
    ttftMs: Array.from({ length: n }, (_, i) => (i < slow ? 10 * ms : ms)),
  }))
  return new Map([[tenant, day]])
}

describe('the worst ratio of first tokens', () => {
  const quiet = armOf('a', [{ ms: 200 }, { ms: 400 }])
  it('is that of the worst hours of both, or of the hour that changes most', () => {
    const on = armOf('a', [{ ms: 300 }, { ms: 420 }])
    const { worstHours, sameHour } = worstRatios([{ on, off: quiet }], 1.1)
    assert.equal(worstHours.ratio, 1.05)
    assert.equal(worstHours.tenantsOver, 0)
    assert.equal(sameHour.ratio, 1.5)
    assert.equal(sameHour.on.hour, 0)
    assert.equal(sameHour.tenantsOver, 1)
  })

  it('does not hang on one burst where days are pooled, and its interval says so', () => {
    const burst = armOf('a', [{ ms: 200 }, { ms: 400, slow: 3 }])
    const alone = worstRatios([{ on: burst, off: quiet }], 1.1).worstHours
    assert.equal(alone.ratio, 10)
    const days = [burst, quiet, quiet, quiet].map((on) => ({ on, off: quiet }))
    const pooled = worstRatios(days, 1.1).worstHours
    assert.equal(pooled.ratio, 1)
    assert.equal(pooled.on.blocks.length, 4)
    const { low, high } = intervalOf(pooled, seededRandom(3))
    assert.deepEqual([low, high], [1, 10])
  })

  it('takes all hours of a tenant who asks too rarely, and no less than 100 ms as the base', () => {
    const rare = [
      { ms: 20, n: 60 },
      { ms: 50, n: 60 },
    ] // 120 in all, 60 in each hour
    const { worstHours } = worstRatios([{ on: armOf('a', rare), off: armOf('a', rare) }], 1.1)
    assert.equal(worstHours.on.hour, undefined)
    assert.equal(worstHours.ratio, 0.5)
  })
})
