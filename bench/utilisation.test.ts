import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import { type ArmFigures, type Met, ttftRatios, weightedShareError } from './utilisation-figures.ts'
import { drawArrivals } from './utilisation-plan.ts'
import { resultOf, type Sample } from './utilisation-result.ts'

const measured = {
  capacityUnitsPerS: 200,
  unitsPerRequest: 50,
  knee: 8,
  firstTokenMs: 500,
  tokenGapMs: 100,
}
const met = (tenant: number, ttftMs: number): Met => ({
  tenant,
  ttftMs,
  tokenGapMs: 70,
  endToEndMs: ttftMs + 1000,
  queueMs: 0,
})
const arm = (met: Met[], goodputUnitsPerS: number): ArmFigures => ({
  met,
  goodputUnitsPerS,
  batchUnits: [100, 200],
  occupancy: 1,
  failed: 0,
})

test('arrivals are the same for the same seed, about half of capacity, within the knee', () => {
  const draw = () => drawArrivals([1, 2, 3], measured, 600_000, seededRandom(4))
  const arrivals = draw()
  assert.deepEqual(draw(), arrivals)
  const share = (arrivals.length * measured.unitsPerRequest) / (600 * measured.capacityUnitsPerS)
  assert.ok(share > 0.4 && share < 0.6, `${share}`)
  const heldMs = ({ maxTokens }: { maxTokens: number }) => 500 + 100 * maxTokens
  for (const { dueMs } of arrivals) {
    const open = arrivals.filter((a) => a.dueMs <= dueMs && a.dueMs + heldMs(a) > dueMs)
    assert.ok(open.length <= measured.knee, `${open.length} at ${dueMs}`)
  }
})

test('the tenant that fares worst counts, and arms that differ in arrivals do not compare', () => {
  const off = [met(0, 100), met(1, 100)]
  const ratios = ttftRatios([met(0, 110), met(1, 300)], off, seededRandom(1))
  assert.deepEqual(
    ratios.map(({ ratio }) => ratio),
    [1.1, 3],
  )
  assert.throws(() => ttftRatios([met(0, 110)], off, seededRandom(1)), /same arrivals/)
})

test('the share of batch tenants is held against their weights', () => {
  assert.equal(weightedShareError([100, 200], [1, 2]), 0)
  assert.ok(Math.abs(weightedShareError([120, 180], [1, 2]) - 0.2) < 1e-9)
})

test('runs are pooled; what cannot be believed is void and says why', () => {
  const sample = (change: Partial<Sample> = {}): Sample => ({
    seed: 1,
    capacityBefore: 200,
    capacityAfter: 190,
    promises: { ttftMs: 1000, tokenGapMs: 150 },
    on: [arm([met(0, 120)], 188)],
    off: [arm([met(0, 100)], 100)],
    ...change,
  })
  const pooled = resultOf([sample(), sample()], 8, 1) as Record<string, unknown>
  assert.equal(pooled.valid, true)
  assert.equal(pooled.enough, false)
  assert.equal(pooled.goodputUtilisation, 0.94)
  assert.equal(pooled.nInteractive, 2)
  const voids = (change: Partial<Sample>) =>
    (resultOf([sample(change)], 8, 1) as { void: string[] }).void.join()
  assert.match(voids({ capacityAfter: 170 }), /calibrations differ by 15 %/)
  assert.match(voids({ on: [arm([met(0, 120)], 230)] }), /above 1/)
  assert.match(voids({ off: [arm([met(0, 1500)], 100)] }), /not kept without batch/)
})
