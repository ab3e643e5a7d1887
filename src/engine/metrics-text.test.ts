import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readSamples } from './metrics-text.ts'

const names = new Set(['a:running', 'b_total'])
const read = (text: string) => readSamples(text, names).map(({ value }) => value)

test('reads what is asked for, with and without labels and times', () => {
  const text = [
    '# HELP a:running Requests that run.',
    '# TYPE a:running gauge',
    'a:running{engine="0",model="x"} 3.0',
    'a:running 4 1700000000000',
    'a:running_bucket{le="1"} 9',
    'b_total 1.5e+03\r',
    'c 7',
  ].join('\n')
  assert.deepEqual(readSamples(text, names), [
    { name: 'a:running', labels: 'engine="0",model="x"', value: 3 },
    { name: 'a:running', labels: '', value: 4 },
    { name: 'b_total', labels: '', value: 1500 },
  ])
})

test('a brace, a quote or a space inside a label is no end of it', () => {
  assert.deepEqual(read('a:running{m="} 9 \\" {"} 2'), [2])
})

test('leaves out what it cannot read', () => {
  const lines = ['a:running', 'a:running{x="1" 3', 'a:running NaN', 'a:running {} many', '']
  assert.deepEqual(read(lines.join('\n')), [])
  assert.deepEqual(read('a:running +Inf\nb_total -Inf'), [Infinity, -Infinity])
})

test('whatever a page says, reading it ends', () => {
  const line = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `a:running${rest}`),
    fc.string().map((rest) => `a:running{${rest}} 1`),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      for (const value of read(lines.join('\n'))) assert.equal(typeof value, 'number')
    }),
  )
})
