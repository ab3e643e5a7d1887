import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextPass } from './pass.ts'

const stream = (index: number, lastStepMs: number) => ({ index, lastStepMs })
const indices = (streams: { index: number }[]) => streams.map(({ index }) => index)

test('neighbours step together', () => {
  const { pass, others } = nextPass([stream(2, 5), stream(3, 1), stream(4, 9)])
  assert.deepEqual(indices(pass), [2, 3, 4])
  assert.deepEqual(others, [])
})

test('of those apart the ones step who have waited longest', () => {
  const streams = [stream(0, 30), stream(1, 10), stream(3, 20), stream(6, 5), stream(7, 40)]
  const { pass, others } = nextPass(streams)
  assert.deepEqual(indices(pass), [6, 7])
  assert.deepEqual(indices(others), [0, 1, 3])
})

test('all have had their step after as many as there are passes', () => {
  const streams = [0, 1, 4, 6, 7, 9].map((index) => stream(index, 0))
  for (let atMs = 1; atMs <= 4; atMs++) {
    for (const one of nextPass(streams).pass) one.lastStepMs = atMs
  }
  assert.deepEqual(
    streams.map(({ lastStepMs }) => lastStepMs),
    [1, 1, 2, 3, 3, 4],
  )
})
