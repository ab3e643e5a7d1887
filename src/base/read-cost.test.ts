import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadCost, type ReadPiece } from './read-cost.ts'

/** Milliseconds of a piece on a machine where a token takes longer the more are before it. */
type Machine = (piece: ReadPiece) => number

const growing =
  (firstMs: number, slopeMs: number): Machine =>
  ({ position, tokens }) =>
    tokens * (firstMs + (slopeMs * (position + tokens / 2)) / 1024)

/** Reads a prompt in pieces of `budgetMs`; returns what each of them took. */
function readPrompt(cost: ReadCost, on: Machine, length: number, budgetMs: number): number[] {
  const tookMs: number[] = []
  for (let position = 0; position < length; ) {
    const fitting = cost.tokensIn(budgetMs, position, 512)
    const piece = { position, tokens: Math.min(length - position, fitting) }
    tookMs.push(on(piece))
    cost.record(on(piece), [piece])
    position += piece.tokens
  }
  return tookMs
}

function started(on: Machine): ReadCost {
  const cost = new ReadCost()
  const piece = { position: 0, tokens: 64 }
  cost.record(on(piece), [piece])
  return cost
}

const MACHINES = [
  [8, 9, 170],
  [1.2, 1.4, 90],
  [0.3, 0.3, 60],
  [5, 0, 100],
] as const

test('pieces fit in their time wherever in a long prompt they are, even in the first one', () => {
  for (const [firstMs, slopeMs, budgetMs] of MACHINES) {
    const on = growing(firstMs, slopeMs)
    const cost = started(on)
    for (let prompt = 0; prompt < 6; prompt++) {
      const most = Math.max(...readPrompt(cost, on, 1800, budgetMs))
      // How much it grows is not known before long prompts have been read.
      const bound = budgetMs * (prompt < 2 ? 1.3 : 1.05)
      assert.ok(most <= bound, `${most} of ${budgetMs}, prompt ${prompt}, ${firstMs} ${slopeMs}`)
    }
    const tookMs = readPrompt(cost, on, 1800, budgetMs).slice(0, -1)
    const mean = tookMs.reduce((sum, ms) => sum + ms, 0) / tookMs.length
    assert.ok(mean > 0.75 * budgetMs, `and use it: ${mean} of ${budgetMs}`)
  }
})

test('what long prompts cost is still known after many short ones', () => {
  const on = growing(8, 9)
  const cost = started(on)
  for (let prompt = 0; prompt < 6; prompt++) readPrompt(cost, on, 1800, 170)
  for (let prompt = 0; prompt < 500; prompt++) readPrompt(cost, on, 20, 170)
  assert.ok(Math.max(...readPrompt(cost, on, 1800, 170)) < 1.05 * 170)
})

test('a machine that turns quicker or slower is followed, at every position', () => {
  const cost = started(growing(8, 9))
  for (const factor of [1, 0.3, 2]) {
    const on = growing(8 * factor, 9 * factor)
    for (let prompt = 0; prompt < 8; prompt++) readPrompt(cost, on, 1800, 170)
    for (const position of [0, 800, 1700]) {
      const really = factor * (8 + (9 * position) / 1024)
      const ratio = cost.msPerToken(position) / really
      assert.ok(ratio > 0.8 && ratio < 1.25, `${ratio} at ${position}, ${factor} times`)
    }
  }
})

test('pieces of several prompts that share a step count where each of them was', () => {
  const on = growing(2, 4)
  const cost = started(on)
  for (let step = 0; step < 300; step++) {
    const read = [0, (step % 4) * 500].map((position) => ({ position, tokens: 30 }))
    cost.record(
      read.reduce((sum, piece) => sum + on(piece), 0),
      read,
    )
  }
  assert.ok(Math.abs(cost.msPerToken(1024) - 6) < 0.6, `${cost.msPerToken(1024)}`)
})
