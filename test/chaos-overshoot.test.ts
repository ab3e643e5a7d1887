import assert from 'node:assert/strict'
import { it } from 'node:test'
import { chaosOvershoot } from '../bench/chaos-overshoot.ts'

it('gateways that share a budget never pass it, one of them killed on the way', async () => {
  const options = { seed: 4, rounds: 1, gateways: 3, callers: 60, kills: 1 }
  const result = await chaosOvershoot(options)
  const told = JSON.stringify(result)
  assert.deepEqual([result.kills, result.overshoots, result.lostLeases], [1, 0, 0], told)
  assert.deepEqual([result.falseRefusals, result.miscounted], [0, 0], told)
  assert.ok(result.maxEngineNanos <= result.limitNanos, told)
  assert.ok(result.servedShareOfLimit > 0.8, told)
})
