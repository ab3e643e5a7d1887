import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaitLimits } from './wait-limits.ts'

/** Limits of queues with these deadlines, each noted by its first. */
function limitsOf(queues: number[][]): WaitLimits<number> {
  const limits = new WaitLimits<number>({
    findDue(queue, untilMs, due) {
      const deadlinesMs = queues[queue] ?? []
      due.push(...deadlinesMs.filter((atMs) => atMs < untilMs))
      queues[queue] = deadlinesMs.filter((atMs) => atMs >= untilMs)
      return Math.min(...queues[queue])
    },
  })
  for (const [queue, [firstMs = 0]] of queues.entries()) limits.note(queue, firstMs)
  return limits
}

test('a queue is looked at when its first ticket gives up, and again for the next', () => {
  const limits = limitsOf([[500, 900]])
  assert.deepEqual(limits.due(500), [])
  assert.deepEqual(limits.due(600), [500])
  assert.deepEqual(limits.due(1000), [900])
  assert.deepEqual(limits.due(1e9), [])
})

test('hundreds of thousands of queues may give up at moments of their own', () => {
  const limits = limitsOf(Array.from({ length: 200_000 }, (_, i) => [1000 + 100 * i]))
  assert.deepEqual(limits.due(1100), [1000])
  assert.deepEqual(limits.due(1200), [1100])
})
