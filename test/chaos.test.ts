import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chaosMixed } from '../bench/chaos-mixed.ts'

describe('the ledger after engines and a gateway were killed under load', () => {
  it('has what every client was told, once, and nothing is left open', async () => {
    const seed = 7
    const result = await chaosMixed({ seed, calls: 300 })
    const told = `seed ${seed}: ${JSON.stringify(result, null, 2)}`
    assert.deepEqual(result.violations, [], told)
    assert.equal(result.clientTokens, result.ledgerTokens, told)
    assert.equal(result.openIntents + result.doubleSettled + result.leakedSlots, 0, told)
    assert.equal(result.engineKills + result.gatewayKills, 3, told)
    assert.ok(result.abortedByPlan >= 30, told)
    assert.ok(result.recovered > 0, told)
  })
})
