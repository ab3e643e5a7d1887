import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkParts } from './body-parts.ts'
import { testLimits } from './test-gateway.ts'

const isWithin = (text: string, bodyPartsMax: number) => {
  try {
    checkParts(Buffer.from(text), { bodyPartsMax })
    return true
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'body_too_complex')
    return false
  }
}

/** Objects, lists and named fields of a value. */
function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const names = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, one) => sum + partsOf(one), 1 + names)
}

test('objects, lists and named fields are counted, whatever texts hold', () => {
  const seed = fc.sample(fc.integer(), 1)[0] ?? 0
  const value = fc.jsonValue({
    maxDepth: 4,
    stringUnit: fc.constantFrom('"', '\\', '{', '[', ':', 'a'),
  })
  const holds = fc.property(value, fc.integer({ min: 0, max: 3 }), (json, indent) => {
    const parts = partsOf(json)
    // Shorter than the bound it is let through unseen.
    const text = JSON.stringify(json, null, indent) + ' '.repeat(parts + 1)
    assert.equal(isWithin(text, parts), true)
    if (parts > 0) assert.equal(isWithin(text, parts - 1), false)
  })
  fc.assert(holds, { seed, numRuns: 500 })
})

test('what is no JSON is not counted for ever, and long texts are no parts', () => {
  assert.equal(isWithin(`"${'{'.repeat(200_000)}`, testLimits.bodyPartsMax), true)
  assert.equal(isWithin(`"${'\\'.repeat(200_001)}`, testLimits.bodyPartsMax), true)
  assert.equal(isWithin(JSON.stringify({ a: '{['.repeat(200_000) }), 2), true)
})
