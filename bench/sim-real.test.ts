import assert from 'node:assert/strict'
import { test } from 'node:test'
import { interceptMs } from './sim-real.ts'

const seen = (tokens: number, outsideMs: number, msPerToken: number) => ({
  tokens: [tokens, tokens, tokens],
  ttftMs: [0, 1, 300].map((noiseMs) => outsideMs + msPerToken * tokens + noiseMs),
})

test('what is outside the engine is the same however fast it reads', () => {
  for (const msPerToken of [0.1, 2, 7]) {
    const outsideMs = interceptMs(seen(20, 30, msPerToken), seen(80, 30, msPerToken))
    assert.ok(Math.abs(outsideMs - 31) < 1e-6, `${outsideMs}`)
  }
})

test('a machine that was slower while it read little has no time outside below zero', () => {
  assert.equal(interceptMs(seen(20, 0, 5), seen(80, 0, 8)), 0)
})

test('lengths that are alike tell nothing', () => {
  assert.throws(() => interceptMs(seen(20, 0, 5), seen(20, 0, 5)), /more tokens/)
})
