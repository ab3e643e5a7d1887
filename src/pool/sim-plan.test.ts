import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { exampleTrace } from './sim-example.ts'
import { generateTrace, publicStatistics, splitTenants } from './sim-generate.ts'
import { planFor, scale } from './sim-plan.ts'
import { builtInProfiles, type EngineProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'
import { whatIf } from './sim-what-if.ts'

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

  it('tells how far it is', () => {
    const told: [number, number][] = []
    const onStep = (done: number, of: number) => told.push([done, of])
    planFor({ rows: conversations(3, 0.5, seed), profile, ttftP99Ms: 1500, onStep })
    assert.deepEqual(
      told.map(([done]) => done),
      told.map((_, at) => at),
    )
    for (const [, of] of told) assert.equal(of, told.length)
  })

  it('counts engines at the load that there is as the arrangements do', () => {
    const rows = conversations(3, 0.5, seed).map((row) =>
      row.tenant === 'tenant-3' ? { ...row, serviceClass: 'batch' as const } : row,
    )
    const { arrangements, sensitivity } = planFor({ rows, profile, ttftP99Ms: 1500 })
    const same = sensitivity.find(({ load }) => load === 1)
    assert.equal(same?.dedicatedEngines, arrangements[0]?.engines)
    assert.equal(same?.pooledEngines, arrangements[1]?.engines)
  })

  it('scales traffic up and down', () => {
    const rows = conversations(2, 1, seed)
    const times = (load: number) => scale(rows, load, seededRandom(1)).length / rows.length
    assert.ok(Math.abs(times(0.5) - 0.5) < 0.1)
    assert.equal(times(2), 2)
  })
})

describe('a question about a plan', () => {
  const rows = conversations(4, 2, 4)
  const ask = (change: Parameters<typeof whatIf>[0]['change'], engines?: number) =>
    whatIf({ rows, profile, ttftP99Ms: 1500, change, engines })

  it('more load fills the same engines and may need more', () => {
    const { before, after, enginesNeeded, basis } = ask({ kind: 'load', factor: 3 }, 2)
    assert.equal(before.engines, 2)
    assert.equal(after.engines, 2)
    assert.equal(after.requests, 3 * before.requests)
    assert.ok(after.utilisation > before.utilisation)
    assert.ok((enginesNeeded ?? 0) >= 2)
    assert.match(
      basis,
      new RegExp(`the busiest \\d+ min .* ${before.requests.toLocaleString('en-US')} requests`),
    )
  })

  it('one more tenant has a row of its own and leaves the traffic of the others', () => {
    const { before, after } = ask({ kind: 'tenant', like: 'tenant-2' }, 4)
    const of = (tenant: string) => after.tenants.find((one) => one.tenant === tenant)
    const original = before.tenants.find(({ tenant }) => tenant === 'tenant-2')
    assert.equal(of('tenant-2 (copy)')?.requests, original?.requests)
    assert.equal(of('tenant-2')?.requests, original?.requests)
    assert.throws(() => ask({ kind: 'tenant', like: 'nobody' }), /asks for nothing/)
  })

  it('an engine less is slower, and the last one stays', () => {
    const { before, after, sentence } = ask({ kind: 'engines', more: -1 }, 2)
    assert.equal(after.engines, 1)
    assert.ok(after.utilisation > before.utilisation)
    assert.match(sentence, /^One engine (keeps|does not keep) the promise/)
    assert.throws(() => ask({ kind: 'engines', more: -2 }, 2), /at least one must stay/)
  })

  it('of a large trace only the busiest part is played, and that is said', () => {
    const many = Array.from({ length: 30_000 }, (_, i): TraceRow => {
      // Twice as dense in the second half.
      const atMs = i < 10_000 ? i * 60 : 600_000 + (i - 10_000) * 30
      return {
        atMs,
        tenant: 'a',
        serviceClass: 'standard',
        inputTokens: 9,
        outputTokens: 2,
        prefix: [],
      }
    })
    const change = { kind: 'engines', more: 1 } as const
    const { before, basis } = whatIf({ rows: many, profile, ttftP99Ms: 1500, change, engines: 1 })
    assert.ok(before.requests <= 20_000 && before.requests > 15_000, `${before.requests}`)
    assert.match(basis, /the busiest 10 min of the trace/)
  })
})

describe('the example', () => {
  it('is always the same: two hours of six teams, one with work that may wait', () => {
    const rows = exampleTrace()
    assert.deepEqual(exampleTrace(), rows)
    assert.equal(new Set(rows.map(({ tenant }) => tenant)).size, 6)
    assert.ok(rows.some(({ serviceClass }) => serviceClass === 'batch'))
    assert.ok((rows.at(-1)?.atMs ?? 0) > 7_000_000)
    for (const [at, row] of rows.entries()) assert.ok(row.atMs >= (rows[at - 1]?.atMs ?? 0))
  })
})
