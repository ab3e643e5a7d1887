import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../src/base/index.ts'
import { chaosMonths } from './chaos-months.ts'

it('random months are charged as an oracle in SQL says, and add up', async (t) => {
  const seed = systemClock.nowMs() % 2 ** 31
  t.diagnostic(`seed ${seed}`)
  const { differences, sumsOff, unallocated, firstBroken, minutes } = await chaosMonths({
    seed,
    months: 12,
  })
  assert.ok(minutes > 40)
  assert.deepEqual(
    { differences, sumsOff, unallocated, firstBroken },
    {
      differences: 0,
      sumsOff: 0,
      unallocated: 0,
      firstBroken: null,
    },
  )
})
