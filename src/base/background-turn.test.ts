import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackgroundTurn } from './background-turn.ts'
import { RANKS_PER_CLASS } from './service-class.ts'
import type { StepCandidate } from './step-plan.ts'

const one = (serviceClass: number, unread: number): StepCandidate => ({
  rank: serviceClass * RANKS_PER_CLASS,
  order: 0,
  index: 0,
  unread,
  toRead: unread,
  passedTokens: 0,
  paused: false,
  lastStepMs: 0,
})
const person = one(1, 0)
const line = one(3, 0)
const prompt = one(3, 500)
const [STEP_MS, STREAM_MS] = [10, 2]

/** So many minutes in which people's streams have that part of the time, and prompts the rest. */
function run(turn: BackgroundTurn, minutes: number, decode: StepCandidate[], part: number) {
  const candidates = [person, line, prompt]
  for (let ms = 0; ms < minutes * 60_000; ms += STEP_MS / part) {
    turn.note({ candidates, decode, durationMs: STEP_MS, streamMs: STREAM_MS })
    const durationMs = STEP_MS / part - STEP_MS
    turn.note({ candidates, decode: [], durationMs, streamMs: STREAM_MS })
  }
}

test('background prompts are read between tokens of people only once these have cost their price', () => {
  const turn = new BackgroundTurn()
  run(turn, 30, [person], 0.05)
  assert.equal(turn.share, 0, 'four fifths of those steps are lost, 4 % of the time')
  run(turn, 30, [person], 0.06)
  assert.equal(turn.share, 0)
  run(turn, 8, [person], 0.1)
  assert.ok(turn.share > 0.1 && turn.share < 1, `${turn.share}`)
  run(turn, 15, [person], 0.1)
  assert.ok(turn.share > 0.99)
})

test('a step that background streams fill costs them nothing', () => {
  const turn = new BackgroundTurn()
  run(turn, 15, [person, line, line, line, line], 0.9)
  assert.equal(turn.share, 0)
})

test('steps cost nothing where no background prompt could fill them', () => {
  const turn = new BackgroundTurn()
  const candidates = [person, line, one(1, 500)]
  for (let ms = 0; ms < 900_000; ms += STEP_MS)
    turn.note({ candidates, decode: [person], durationMs: STEP_MS, streamMs: STREAM_MS })
  assert.equal(turn.share, 0)
})

test('time without background work pays for nothing', () => {
  const turn = new BackgroundTurn()
  assert.equal(turn.share, 1)
  const decode = [person]
  turn.note({ candidates: decode, decode, durationMs: 3_600_000, streamMs: STREAM_MS })
  assert.equal(turn.share, 1)
})
