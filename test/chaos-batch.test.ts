import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chaosBatch } from '../bench/chaos-batch.ts'

describe('a batch whose gateway, engine and database are killed', () => {
  it('has one answer for every line, paid for once, and nobody is left hanging', async () => {
    const seed = 3
    const result = await chaosBatch({ seed, lines: 100, kills: 1, gapMs: 2500 })
    const told = `seed ${seed}: ${JSON.stringify(result, null, 2)}`
    assert.equal(result.status, 'completed', told)
    assert.equal(result.answeredOnce, 100, told)
    assert.equal(result.missing + result.duplicated, 0, told)
    assert.equal(result.ledgerMatches, true, told)
    assert.equal(result.fileTokens, result.chargedTokens, told)
    assert.equal(result.openIntents + result.doubleSettled, 0, told)
    assert.equal(result.uncleanClientErrors, 0, told)
    const { gateway, engine, postgres } = result.kills
    assert.ok(gateway + engine + postgres >= 2, told)
  })
})
