import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Limited, WaitLimits } from './wait-limits.ts'

function queueOf(deadlinesMs: number[]): Limited<number> {
  return {
    limitBucket: undefined,
    findDue(untilMs, due) {
      due.push(...deadlinesMs.filter((atMs) => atMs < untilMs))
      const later = deadlinesMs.filter((atMs) => atMs >= untilMs)
      deadlinesMs = later
      return Math.min(...later)
    },
  }
}

test('a queue is looked at when its first ticket gives up, and again for the next', () => {
  const limits = new WaitLimits<number>()
  limits.note(queueOf([500, 900]), 500)
  assert.deepEqual(limits.due(500), [])
  assert.deepEqual(limits.due(600), [500])
  assert.deepEqual(limits.due(1000), [900])
  assert.deepEqual(limits.due(1e9), [])
})

test('hundreds of thousands of queues may give up at moments of their own', () => {
  const limits = new WaitLimits<number>()
  const deadlines = Array.from({ length: 200_000 }, (_, i) => 1000 + 100 * i)
  for (const atMs of deadlines) limits.note(queueOf([atMs]), atMs)
  assert.deepEqual(limits.due(1100), [1000])
  assert.deepEqual(limits.due(1200), [1100])
})
