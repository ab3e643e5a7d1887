/** Figures of `bench rivals`: what waits, fails or comes in bundles is counted for what it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, newCall } from './chat-load.ts'
import { type ArmFigures, figuresOf, type Row, rivalsAhead, tableOf } from './rivals-figures.ts'

const call = (sentMs: number, fields: Partial<Call> = {}): Call => ({
  ...newCall(),
  sentMs,
  ...fields,
})
const window = { fromMs: 0, untilMs: 10_000 }

test('a call that still waits counts with its wait so far, one that failed for ever', () => {
  const light = [
    call(0, { tokenMs: [100] }),
    call(2000),
    call(9000),
    call(9500, { refused: 429 }),
    call(9500, { failure: 'gone' }),
  ]
  const { n, p50, p95, unfinished, failed } = figuresOf({ light, neighbour: [], ...window })
  assert.deepEqual([n, unfinished, failed], [5, 2, 2])
  assert.deepEqual(p50, { ms: 8000, isAtLeast: true })
  assert.deepEqual(p95, { ms: null, isAtLeast: true })
})

test('tokens of the neighbour are those of its usage, as far as they came in time', () => {
  const usage = { promptTokens: 5, cachedTokens: 0, outputTokens: 80 }
  const neighbour = [
    call(0, { tokenMs: [1000, 2000, 3000, 11_000], usage }),
    call(0, { tokenMs: [-5, 4000, 5000] }),
  ]
  const { neighbourTokensPerS } = figuresOf({ light: [], neighbour, ...window })
  assert.equal(neighbourTokensPerS, Math.round((60 + 2) / 10))
})

test('every figure in which a rival on the same engine is better is named', () => {
  const figures = (ms: number, neighbourTokensPerS: number): ArmFigures => ({
    n: 1,
    p50: { ms, isAtLeast: false },
    p95: { ms: 900, isAtLeast: false },
    unfinished: 0,
    failed: 0,
    neighbourTokensPerS,
    neighbourFailed: 0,
  })
  const row = (title: string, engine: string, flood: ArmFigures): Row => ({
    name: title,
    title,
    engine,
    isOurs: title === 'ours',
    arms: { alone: null, flood, batch: null },
  })
  const rows = [
    row('quick', 'a', figures(10, 5)),
    row('busy', 'a', figures(30, 50)),
    row('elsewhere', 'b', figures(1, 99)),
    row('ours', 'a', figures(20, 9)),
  ]
  assert.deepEqual(rivalsAhead(rows), [
    'flood: quick over ours: first token p50 10 against 20 ms',
    'flood: busy over ours: neighbour 50 against 9 tok/s',
  ])
  assert.match(
    tableOf(rows),
    /no evidence for GPUs[\s\S]*\| quick \| has none \| 10 \/ 900 \(1\), 5 tok/,
  )
})
