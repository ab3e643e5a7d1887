import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { whenParentGone } from './parents.ts'

it('the end of one of our starters is noticed once, not their life', async () => {
  const starters = [1, 2].map(() => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']))
  const [first, second] = starters as [(typeof starters)[0], (typeof starters)[0]]
  const clock = new FakeClock()
  let ends = 0
  whenParentGone([first.pid as number, second.pid as number], clock, () => ends++)
  clock.advance(5000)
  assert.equal(ends, 0)
  second.kill('SIGKILL')
  await once(second, 'exit')
  clock.advance(5000)
  assert.equal(ends, 1)
  first.kill('SIGKILL')
})
