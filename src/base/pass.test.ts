import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextPass, type PassCosts } from './pass.ts'

const stream = (index: number, lastStepMs: number) => ({ index, lastStepMs })
const indices = (streams: { index: number }[]) => streams.map(({ index }) => index)

/** As on a processor without matrix instructions: a stream costs twice what a pass does. */
const dearStreams: PassCosts = { passMs: (count) => 5 + 10 * count, canFill: () => true }
/** As with them: one stream 10 ms, two 20, and every further one hardly more. */
const dearPasses: PassCosts = {
  passMs: (count) => (count === 1 ? 10 : 18 + count),
  canFill: () => true,
}

test('neighbours step together', () => {
  const { pass, others } = nextPass([stream(2, 5), stream(3, 1), stream(4, 9)], dearStreams)
  assert.deepEqual(indices(pass.streams), [2, 3, 4])
  assert.deepEqual([pass.between, others], [[], []])
})

test('of those apart the ones step who have waited longest', () => {
  const streams = [stream(0, 30), stream(1, 10), stream(3, 20), stream(6, 5), stream(7, 40)]
  const { pass, others } = nextPass(streams, dearStreams)
  assert.deepEqual(indices(pass.streams), [6, 7])
  assert.deepEqual(indices(others), [0, 1, 3])
})

test('all have had their step after as many as there are passes', () => {
  const streams = [0, 1, 4, 6, 7, 9].map((index) => stream(index, 0))
  for (let atMs = 1; atMs <= 4; atMs++) {
    for (const one of nextPass(streams, dearStreams).pass.streams) one.lastStepMs = atMs
  }
  assert.deepEqual(
    streams.map(({ lastStepMs }) => lastStepMs),
    [1, 1, 2, 3, 3, 4],
  )
})

test('where a pass costs more than what stands between two rows, they are one', () => {
  const streams = [0, 1, 3, 4, 7, 8].map((index) => stream(index, 0))
  const { pass, others } = nextPass(streams, dearPasses)
  assert.deepEqual(indices(pass.streams), [0, 1, 3, 4, 7, 8])
  assert.deepEqual(pass.between, [2, 5, 6])
  assert.deepEqual(others, [])
})

test('rows are joined where it saves time only: two single streams are not, four are', () => {
  const at = (...positions: number[]) => positions.map((index) => stream(index, 0))
  assert.deepEqual(indices(nextPass(at(0, 2), dearPasses).pass.streams), [0])
  assert.deepEqual(indices(nextPass(at(0, 2, 4, 6), dearPasses).pass.streams), [0, 2, 4, 6])
  // Twenty between cost as much as a pass.
  assert.deepEqual(indices(nextPass(at(0, 1, 22, 23), dearPasses).pass.streams), [0, 1])
})

test('what cannot be computed along keeps rows apart', () => {
  const streams = [0, 1, 3, 4, 6, 7].map((index) => stream(index, index))
  const { pass } = nextPass(streams, { ...dearPasses, canFill: (index) => index !== 2 })
  assert.deepEqual(indices(pass.streams), [0, 1])
  const second = nextPass(streams.slice(2), dearPasses).pass
  assert.deepEqual([indices(second.streams), second.between], [[3, 4, 6, 7], [5]])
})
