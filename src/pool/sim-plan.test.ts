import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { generateTrace, publicStatistics, splitTenants } from './sim-generate.ts'
import { planFor, scale } from './sim-plan.ts'
import { builtInProfiles, type EngineProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'

const profile = builtInProfiles.find(({ name }) => name === 'l40s-8b') as EngineProfile

/** Ten minutes of conversations of several tenants. */
function conversations(tenants: number, perS: number, seed: number): TraceRow[] {
  const random = seededRandom(seed)
  const [statistics] = publicStatistics
  assert.ok(statistics)
  const rows = generateTrace({ ...statistics, perS, spanMs: 600_000 }, random)
  return splitTenants(rows, tenants, random)
}

describe('a plan', () => {
  const seed = 4

  it('needs fewer engines for tenants together, and batch makes tokens cheaper', (t) => {
    t.diagnostic(`seed ${seed}`)
    const rows = conversations(6, 2, seed)
    const report = planFor({ rows, profile, ttftP99Ms: 1500, costPerEngineHour: 1 })
    const [dedicated, pooled, filled] = report.arrangements
    assert.ok(dedicated && pooled && filled)
    assert.ok(pooled.engines < dedicated.engines)
    assert.ok((filled.costPerMillionTokens ?? 0) < (pooled.costPerMillionTokens ?? 0))
    assert.ok((pooled.costPerMillionTokens ?? 0) < (dedicated.costPerMillionTokens ?? 0))
    assert.ok(dedicated.utilisation < pooled.utilisation && pooled.utilisation < filled.utilisation)
    assert.ok(filled.utilisation <= 1 && filled.batchShare > 0)
    for (const { ttftP99Ms } of pooled.tenants) assert.ok(ttftP99Ms <= 1500 * 1.2)
    assert.ok(report.verdict.pays)
    const [half, , double] = report.sensitivity
    assert.ok((half?.pooledEngines ?? 0) <= (double?.pooledEngines ?? 0))
  })

  it('says plainly where pooling does not pay', () => {
    const report = planFor({ rows: conversations(1, 2, seed), profile, ttftP99Ms: 1500 })
    assert.equal(report.verdict.pays, false)
    assert.match(report.verdict.sentence, /does not pay here/)
    assert.equal(report.arrangements[0]?.costPerMillionTokens, null)
  })

  it('says why a promise cannot be kept', () => {
    const rows = conversations(2, 1, seed).map((row) => ({ ...row, inputTokens: 50_000 }))
    const report = planFor({ rows, profile, ttftP99Ms: 1000 })
    assert.match(report.cannot ?? '', /prompts alone/)
    assert.deepEqual(report.arrangements, [])
    assert.equal(report.verdict.pays, false)
  })

  it('is the same for the same seed', () => {
    const rows = conversations(3, 0.5, seed)
    const once = planFor({ rows, profile, ttftP99Ms: 1500, seed: 9 })
    assert.deepEqual(planFor({ rows, profile, ttftP99Ms: 1500, seed: 9 }), once)
  })

  it('scales traffic up and down', () => {
    const rows = conversations(2, 1, seed)
    const times = (load: number) => scale(rows, load, seededRandom(1)).length / rows.length
    assert.ok(Math.abs(times(0.5) - 0.5) < 0.1)
    assert.equal(times(2), 2)
  })
})
