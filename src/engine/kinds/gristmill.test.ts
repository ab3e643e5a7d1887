import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gristmillTraits } from './gristmill.ts'
import { modelListSchema } from './model-list.ts'

test('a cap that was set is not called found, but its capacity is', () => {
  const traits = (cap: number) => {
    const calibration = { capacityUnitsPerS: 550, knee: 8, kneeTokenGapP95Ms: 70 }
    const list = { data: [{ id: 'mill', owned_by: 'gristmill', meta: { cap, calibration } }] }
    return gristmillTraits(modelListSchema.parse(list).data)
  }
  assert.match(traits(8).capReason, /calibration/)
  assert.equal(traits(4).capReason, 'As the engine was started.')
  assert.equal(traits(4).capacityUnitsPerS, 550)
})
