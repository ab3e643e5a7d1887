import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from './fake-clock.ts'
import { Rounds } from './rounds.ts'

function watched() {
  const clock = new FakeClock()
  const open: (() => void)[] = []
  let begun = 0
  const rounds = new Rounds(clock, 1000, () => {
    begun++
    return new Promise((resolve) => open.push(resolve))
  })
  const end = async () => {
    open.shift()?.()
    await turn()
  }
  return { clock, rounds, end, begun: () => begun }
}

test('a round begins at once, then every so often, never beside another', async () => {
  const { clock, rounds, end, begun } = watched()
  rounds.wake()
  assert.equal(begun(), 0, 'it is not started')
  rounds.start()
  assert.equal(begun(), 1)
  clock.advance(3000)
  assert.equal(begun(), 1)
  await end()
  assert.equal(begun(), 2, 'what was missed is made up for, once')
  await end()
  assert.equal(begun(), 2)
  clock.advance(1000)
  assert.equal(begun(), 3)
})

test('stopped, it waits for the round that runs and begins none', async () => {
  const { clock, rounds, end, begun } = watched()
  rounds.start()
  rounds.wake()
  let isOver = false
  const over = rounds.stop().then(() => {
    isOver = true
  })
  await turn()
  assert.ok(!isOver)
  await end()
  await over
  clock.advance(5000)
  rounds.wake()
  assert.deepEqual([rounds.isStopped, begun()], [true, 1])
})
