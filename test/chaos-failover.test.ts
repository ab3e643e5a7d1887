import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chaosFailover } from '../bench/chaos-failover.ts'

describe('one of two engines that is killed, slow, failing and hanging under load', () => {
  it('costs no client an answer that had not begun, and mixes none', async () => {
    const seed = 3
    const result = await chaosFailover({ seed, seconds: 2, load: 0.3 })
    const told = `seed ${seed}: ${JSON.stringify(result, null, 2)}`
    assert.equal(result.clientErrors, 0, told)
    assert.equal(result.mixed, 0, told)
    assert.equal(result.faults.length, 5, told)
    for (const { requests } of result.faults) assert.ok(requests > 0, told)
  })
})
