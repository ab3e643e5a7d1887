/** Several keys of one service: in turn, and with rests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyRing } from './key-ring.ts'

const ring = (...ids: string[]) => new KeyRing(ids.map((id) => ({ id, secret: `sk-${id}` })))
const taken = (keys: KeyRing, nowMs: number, times: number) =>
  Array.from({ length: times }, () => keys.take(nowMs)?.id).join('')
const limited = (retryAfterMs: number | null) => ({ requests: null, tokens: null, retryAfterMs })

test('keys go out in turn', () => {
  assert.equal(taken(ring('a', 'b', 'c'), 0, 7), 'abcabca')
  assert.equal(ring().take(0), undefined)
})

test('a key that is refused or limited rests as long as it was told, others go on', () => {
  const keys = ring('a', 'b')
  keys.answered('a', 429, limited(5000), 0)
  assert.equal(taken(keys, 4999, 3), 'bbb')
  assert.equal(keys.restOf('a', 4999), 'limited')
  assert.equal(taken(keys, 5000, 2), 'ab')
  keys.answered('b', 401, null, 5000)
  assert.equal(keys.restOf('b', 5001), 'refused')
  assert.equal(keys.hasOther('a', 5001), false)
  assert.equal(taken(keys, 60_000, 2), 'aa')
  assert.equal(keys.restOf('b', 400_000), null)
})

test('answers to what was sent before a refusal for the rate, which come later, end no rest', () => {
  const keys = ring('a', 'b')
  keys.answered('a', 429, limited(5000), 0)
  keys.answered('a', 200, null, 1000)
  const requests = { limit: 60, remaining: 0, fullInMs: 60_000 }
  keys.answered('a', 200, { requests, tokens: null, retryAfterMs: null }, 2000)
  assert.equal(taken(keys, 4999, 3), 'bbb')
  assert.equal(keys.restOf('a', 4999), 'limited')
  keys.answered('b', 401, null, 5000)
  keys.answered('b', 200, null, 6000)
  assert.equal(keys.restOf('b', 6000), null, 'it is taken after all')
})

test('where all rest, the one that is next to be there goes', () => {
  const keys = ring('a', 'b')
  keys.answered('a', 429, limited(9000), 0)
  keys.answered('b', 429, limited(3000), 0)
  assert.equal(taken(keys, 0, 2), 'bb')
})

test('a key whose last request was just taken rests until one more fits', () => {
  const keys = ring('a', 'b')
  const requests = { limit: 60, remaining: 0, fullInMs: 60_000 }
  keys.answered('a', 200, { requests, tokens: null, retryAfterMs: null }, 0)
  assert.equal(taken(keys, 999, 2), 'bb')
  assert.equal(keys.restOf('a', 1000), null)
})

test('other keys take the place of the old ones; one that stays keeps its rest', () => {
  const keys = ring('a', 'b')
  keys.answered('b', 429, limited(5000), 0)
  keys.set([
    { id: 'b', secret: 'sk-b' },
    { id: 'c', secret: 'sk-c' },
  ])
  assert.equal(taken(keys, 0, 3), 'ccc')
  assert.deepEqual(keys.ids, ['b', 'c'])
})
