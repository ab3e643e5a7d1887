import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { builtInProfiles, dedicatedEngines, type TraceRow } from './index.ts'

const profile = builtInProfiles.find(({ name }) => name === 'embedded-135m')
const row = (atMs: number, tenant: string, serviceClass: TraceRow['serviceClass']): TraceRow => {
  return { atMs, tenant, serviceClass, inputTokens: 80, outputTokens: 20, prefix: [] }
}
const rows = [
  ...Array.from({ length: 300 }, (_, i) => row(i * 100, 'busy', 'standard')),
  ...Array.from({ length: 20 }, (_, i) => row(i * 1500, 'calm', 'standard')),
  row(1000, 'nightly', 'batch'),
].sort((a, b) => a.atMs - b.atMs)

describe('engines of tenants alone', () => {
  it('are added up, with an interval over what might have been as well', () => {
    assert.ok(profile)
    const asked = { rows, profile, ttftP99Ms: 2000 }
    const found = dedicatedEngines({ ...asked, draws: 3 })
    assert.equal(found.cannot, null)
    const of = new Map(found.tenants.map((tenant) => [tenant.tenant, tenant]))
    assert.deepEqual([...of.keys()], ['busy', 'calm', 'nightly'])
    // Whoever has batch work only needs one, and so does whoever asks once in a while.
    assert.deepEqual([of.get('nightly')?.engines, of.get('calm')?.engines], [1, 1])
    assert.ok((of.get('busy')?.engines ?? 0) > 1)
    assert.equal(of.get('busy')?.requests, 300)
    const sum = found.tenants.reduce((engines, one) => engines + one.engines, 0)
    assert.equal(found.engines, sum)
    assert.ok(found.low <= sum && sum <= found.high)
    assert.deepEqual(dedicatedEngines({ ...asked, draws: 3 }), found)
    const exact = dedicatedEngines({ ...asked, draws: 0 })
    assert.deepEqual([exact.low, exact.high], [sum, sum])
  })

  it('are none where they cannot keep the promise', () => {
    assert.ok(profile)
    const long = [{ ...row(0, 'busy', 'standard'), inputTokens: 2000 }]
    const { cannot, engines } = dedicatedEngines({ rows: long, profile, ttftP99Ms: 10, draws: 2 })
    assert.match(cannot ?? '', /^busy: the prompts alone take/)
    assert.equal(engines, 0)
  })
})
