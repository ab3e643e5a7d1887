import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withField, withMore } from './json-field.ts'

test('one field changes and nothing else, whatever stands around it', () => {
  const others = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 6 })
  const spaces = fc.constantFrom(0, 1, 4, '\t')
  fc.assert(
    fc.property(others, fc.string(), fc.jsonValue(), spaces, (around, model, inner, space) => {
      const fields = { ...around, deep: { model: 'inner', inner }, model, last: ['model', inner] }
      const now = withField(Buffer.from(JSON.stringify(fields, null, space)), 'model', '"new"')
      assert.equal(now.toString(), JSON.stringify({ ...fields, model: 'new' }, null, space))
    }),
    { numRuns: 100 },
  )
})

test('numbers, names in escapes and a field that stands twice', () => {
  const changed = (json: string, name: string, value: string) =>
    withField(Buffer.from(json), name, value).toString()
  assert.equal(changed('{"n":1e5}', 'n', '7'), '{"n":7}')
  assert.equal(
    changed('{"mo\\u0064el" : "a\\"b", "x":1}', 'model', '"c"'),
    '{"mo\\u0064el" : "c", "x":1}',
  )
  assert.equal(changed('{"m":{"m":1},"m":"a","m":"b"}', 'm', '2'), '{"m":{"m":1},"m":2,"m":2}')
  const deep = withField(Buffer.from('{"m":1,"o":{"m":2,"p":{"m":3}},"l":[{"m":4}]}'), 'm', '5', 2)
  assert.equal(deep.toString(), '{"m":1,"o":{"m":5,"p":{"m":3}},"l":[{"m":4}]}')
  assert.equal(changed('{"other":"model"}', 'model', '"c"'), '{"other":"model"}')
})

test('fields are added behind the others', () => {
  const json = Buffer.from('{ "seed":12345678901234567890 }\n')
  assert.equal(withMore(json, { a: 1 }).toString(), '{ "seed":12345678901234567890 ,"a":1}')
  assert.equal(withMore(json, {}), json)
})
