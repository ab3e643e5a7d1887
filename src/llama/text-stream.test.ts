import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { seededRandom } from '../base/index.ts'
import { TextStream } from './text-stream.ts'

/** Every token is one byte. */
const bytes = (tokens: Token[]) => Buffer.from(tokens as number[]).toString()
const stream = (stops: string[] = []) => new TextStream(bytes, [], stops)

function run(text: string, stops: string[] = []) {
  const out = stream(stops)
  const pieces = [...Buffer.from(text)].map((byte) => out.push(byte as Token))
  return { text: pieces.join('') + out.flush(), pieces, met: out.met }
}

test('text comes out whole and no piece ends within a character', () => {
  const text = 'Mühle 水車 🌾 done'
  const { text: out, pieces } = run(text)
  assert.equal(out, text)
  for (const piece of pieces) assert.ok(!piece.includes('\uFFFD'))
})

test('bytes that are no character come out in the end', () => {
  const out = stream()
  const pieces = [0xff, 0xfe, 0x41].map((byte) => out.push(byte as Token))
  assert.equal(pieces.join('') + out.flush(), '\uFFFD\uFFFDA')
})

test('the text ends before the first stop string', () => {
  assert.deepEqual(run('one two three', [' three', 'two']).text, 'one ')
  assert.equal(run('abab', ['abc']).text, 'abab')
  assert.equal(run('xaaab', ['aab']).text, 'xa')
  assert.equal(run('no stop here', ['###']).met, undefined)
  assert.equal(run('one two three', [' three', 'two']).met, 'two')
})

test('whatever the text and the stops, the outcome is that of cutting the whole text', (t) => {
  const seed = 20_240_517
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const pick = (length: number) =>
    Array.from({ length }, () => 'abé水'[Math.floor(random.next() * 4)]).join('')
  for (let round = 0; round < 500; round++) {
    const text = pick(30)
    const stops = [pick(1 + Math.floor(random.next() * 4)), pick(3)]
    const cuts = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
    const expected = cuts.length > 0 ? text.slice(0, Math.min(...cuts)) : text
    assert.equal(run(text, stops).text, expected, `${text} ${stops.join(' ')}`)
  }
})
