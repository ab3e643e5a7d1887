import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInProfiles, parseProfile } from '../src/pool/index.ts'
import { newCall } from './chat-load.ts'
import { interceptMs } from './sim-real.ts'
import { sidesOf } from './sim-real-sides.ts'

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

/**
 * Requests one after another, each of 60 tokens, of which all but the first find 20 read, and 21
 * written in half a second.
 */
function runBetween(beforeUnitsPerS: number, afterUnitsPerS: number) {
  const lengths = [{ inputTokens: 40, outputTokens: 21 }]
  const played = Array.from({ length: 20 }, (_, i) => ({
    tenant: 'people-0',
    serviceClass: 'standard' as const,
    dueMs: 500 * i,
    call: {
      ...newCall(),
      sentMs: 500 * i,
      tokenMs: Array.from({ length: 21 }, (_, token) => 500 * i + 100 + 10 * token),
      endMs: 500 * i + 301,
      usage: { promptTokens: 60, cachedTokens: i === 0 ? 0 : 20, outputTokens: 21 },
    },
  }))
  return {
    seconds: 10,
    seed: 1,
    outsideMs: 7,
    before: { capacityUnitsPerS: beforeUnitsPerS, lengths },
    after: { capacityUnitsPerS: afterUnitsPerS, lengths },
    played,
  }
}

const profile = parseProfile(builtInProfiles.find(({ name }) => name === 'embedded-135m'))

test('a real side did what ended in time, of the mean of what was measured before and after', () => {
  const { real, simulated, difference, valid } = sidesOf(runBetween(390, 410), profile)
  assert.equal(real.goodUnitsPerS, (20 * (40 + 2 * 21) + 20) / 10)
  assert.equal(real.utilisation, 0.415)
  assert.equal(real.ttftP50Ms, 100)
  assert.equal(simulated.goodUnitsPerS, real.goodUnitsPerS)
  assert.equal(difference.goodUnits, 0)
  assert.ok(simulated.ttftP50Ms > 7)
  assert.equal(valid, true)
})

test('a machine whose capacity changed by more than a tenth gives no valid figures', () => {
  assert.equal(sidesOf(runBetween(400, 350), profile).valid, false)
})
