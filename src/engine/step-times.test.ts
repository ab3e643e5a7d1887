/** The lines of our own engine's metrics are those that it wrote, shortened. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStepTimes, stepTimesBetween } from './step-times.ts'

const PAGE = `
# HELP gristmill:read_tokens_total Prompt tokens that steps read.
# TYPE gristmill:read_tokens_total counter
gristmill:read_tokens_total 411
gristmill:read_pieces_total 9
gristmill:read_seconds_total 0.8
gristmill:enough_streams 13
gristmill:passes_total{sequences="1"} 40
gristmill:passes_total{sequences="16"} 12
gristmill:pass_seconds_total{sequences="1"} 0.4
gristmill:pass_seconds_total{sequences="16"} 0.5
`

const answering =
  (text: string, status = 200) =>
  () =>
    Promise.resolve({ status, text })

test('our own engine tells how long it reads, and how long passes of so many sequences take', async () => {
  assert.deepEqual(await readStepTimes('gristmill', answering(PAGE)), {
    read: { tokens: 411, pieces: 9, seconds: 0.8 },
    passes: [
      { sequences: 1, count: 40, seconds: 0.4 },
      { sequences: 16, count: 12, seconds: 0.5 },
    ],
    enough: 13,
  })
})

test('other engines, older ones of ours and pages that are no metrics tell nothing', async () => {
  assert.equal(await readStepTimes('vllm', answering(PAGE)), null)
  assert.equal(await readStepTimes('gristmill', answering(PAGE, 404)), null)
  assert.equal(await readStepTimes('gristmill', answering('gristmill:slots 4\n')), null)
  const older = PAGE.replace(/^gristmill:enough.*$/m, '')
  assert.equal(await readStepTimes('gristmill', answering(older)), null)
  const counts = PAGE.replaceAll(/^gristmill:pass_seconds.*$/gm, '')
  assert.deepEqual((await readStepTimes('gristmill', answering(counts)))?.passes, [])
})

test('between two answers are the steps that ended meanwhile', () => {
  const before = {
    read: { tokens: 100, pieces: 2, seconds: 0.25 },
    passes: [{ sequences: 1, count: 5, seconds: 0.5 }],
    enough: 13,
  }
  const after = {
    read: { tokens: 150, pieces: 3, seconds: 0.5 },
    passes: [
      { sequences: 1, count: 5, seconds: 0.5 },
      { sequences: 2, count: 4, seconds: 0.75 },
    ],
    enough: 13,
  }
  assert.deepEqual(stepTimesBetween(before, after), {
    read: { tokens: 50, pieces: 1, seconds: 0.25 },
    passes: [{ sequences: 2, count: 4, seconds: 0.75 }],
    enough: 13,
  })
})

test('nothing is between the answers of an engine that was started anew, or told nothing', () => {
  const one = { read: { tokens: 100, pieces: 2, seconds: 0.25 }, passes: [], enough: 13 }
  const anew = { read: { tokens: 10, pieces: 1, seconds: 0.1 }, passes: [], enough: 13 }
  assert.equal(stepTimesBetween(one, anew), undefined)
  assert.equal(stepTimesBetween(null, one), undefined)
  assert.equal(stepTimesBetween(one, null), undefined)
})
