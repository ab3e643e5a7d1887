import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digitsOf, parseExactly } from './exact-json.ts'

test('whole numbers of any length are written as they were read', () => {
  const text = '{"id":1234567890123456789,"list":[-98765432109876543210,7,0.1234567890123456789]}'
  const read = parseExactly(text) as { id: unknown; list: unknown[] }
  assert.equal(JSON.stringify(read), text.replace('0.1234567890123456789', '0.12345678901234568'))
  assert.equal(digitsOf(read.id), '1234567890123456789')
  assert.deepEqual([digitsOf(read.list[1]), digitsOf({ rawJSON: '1' })], [undefined, undefined])
})

test('all else is written as it is after JSON.parse', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const more = `[${text},"0123456789012345"]`
      assert.equal(JSON.stringify(parseExactly(more)), JSON.stringify(JSON.parse(more)))
    }),
    { numRuns: 200 },
  )
  const deep = `${'['.repeat(20_000)}1234567890123456789${']'.repeat(20_000)}`
  assert.ok(Array.isArray(parseExactly(deep)))
  assert.throws(() => parseExactly('{"a":1234567890123456789'), SyntaxError)
})
