import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneOfLiterals } from './grammar-rules.ts'

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
