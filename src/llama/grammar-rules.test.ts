import assert from 'node:assert/strict'
import { test } from 'node:test'
import { elementsOf, oneOfLiterals, repeated } from './grammar-rules.ts'

test('a choice of literals shares what they have in common from the left', () => {
  assert.equal(oneOfLiterals(['rye']), '("rye")')
  assert.equal(oneOfLiterals(['rye', 'oat']), '("rye" | "oat")')
  assert.equal(oneOfLiterals(['oat', 'oak', 'oat']), '("oa" ("t" | "k"))')
})

test('one literal may be the beginning of another', () => {
  assert.equal(oneOfLiterals(['1', '12', '123']), '("1" ("2" ("3")?)?)')
})

test('characters outside the basic plane are never split, and quotes are escaped', () => {
  assert.equal(oneOfLiterals(['🌾', '🌿']), '("🌾" | "🌿")')
  assert.equal(oneOfLiterals(['"a"', '"b"']), '("\\"" ("a\\"" | "b\\""))')
})

test('an item is repeated as often as it may be, with few rules', () => {
  const bounds = [
    [0, 0],
    [0, 64],
    [0, 65],
    [63, 200],
    [64, 64],
    [67, 67],
    [100, 100],
    [70, 331],
    [3, undefined],
    [130, undefined],
  ] as const
  for (const [min, max] of bounds) {
    const rule = repeated('x', min, max)
    const matcher = new RegExp(`^${rule.replaceAll(' ', '')}$`)
    for (let count = 0; count < 340; count++) {
      const isAllowed = count >= min && count <= (max ?? count)
      assert.equal(matcher.test('x'.repeat(count)), isAllowed, `${count} with ${rule}`)
    }
    assert.ok(elementsOf(rule) <= 130, rule)
  }
})

test('elements are counted outside of literals and sets of characters', () => {
  assert.equal(elementsOf('"{90}" [{9}"\\]] x{2,30} ("\\"" [0-9]{5})'), 37)
})
