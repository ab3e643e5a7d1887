import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SequencePool } from './sequence-pool.ts'

class Held {
  tokens: number[] = []
  commonPrefix(tokens: readonly number[]): number {
    const at = this.tokens.findIndex((token, i) => token !== tokens[i])
    return at < 0 ? this.tokens.length : at
  }
  heldTokens = () => this.tokens.length
}

const tokens = (...ids: number[]) => ids

function pool(count: number) {
  const sequences = Array.from({ length: count }, () => new Held())
  return { sequences, pool: new SequencePool(sequences) }
}

function use(
  pool: SequencePool<Held, readonly number[]>,
  salt: string,
  prompt: number[],
  then: number[] = [],
) {
  const taken = pool.take(salt, prompt)
  assert.ok(taken)
  taken.sequence.tokens = [...prompt, ...then]
  pool.giveBack(taken.sequence)
  return taken
}

test('a conversation comes back to its sequence', () => {
  const { pool: places } = pool(3)
  const first = use(places, 'a', tokens(1, 2, 3, 4), [5, 6])
  use(places, 'a', tokens(9, 9, 9))
  const again = use(places, 'a', tokens(1, 2, 3, 4, 5, 6, 7))
  assert.equal(again.sequence, first.sequence)
  assert.equal(again.reusable, 6)
})

test('what another salt wrote is never reused', () => {
  const { pool: places } = pool(1)
  use(places, 'a', tokens(1, 2, 3, 4))
  assert.equal(use(places, 'b', tokens(1, 2, 3, 4)).reusable, 0)
  assert.equal(use(places, 'a', tokens(1, 2, 3, 4)).reusable, 0)
})

test('a small overlap does not evict another conversation; the longest unused goes', () => {
  const { pool: places, sequences } = pool(2)
  use(places, 'a', tokens(1, 2, 3, 4, 5, 6))
  use(places, 'a', tokens(7, 8, 9))
  const taken = use(places, 'a', tokens(7, 1, 1, 1))
  assert.equal(taken.sequence, sequences[0])
  assert.equal(taken.reusable, 0)
})

test('of two equal overlaps the one that loses less is taken', () => {
  const { pool: places } = pool(2)
  const a = places.take('a', tokens(1, 2, 3))
  const b = places.take('a', tokens(1, 2, 3))
  assert.ok(a && b)
  a.sequence.tokens = [1, 2, 3, 4, 5, 6, 7, 8]
  b.sequence.tokens = [1, 2, 3, 4]
  places.giveBack(b.sequence)
  places.giveBack(a.sequence)
  assert.equal(places.take('a', tokens(1, 2, 3, 9))?.sequence, b.sequence)
})

test('busy sequences stay neighbours, so that one pass computes them all', () => {
  const { pool: places, sequences } = pool(5)
  const taken = [1, 2, 3].map((salt) => places.take(String(salt), tokens(salt))?.index)
  assert.deepEqual(taken, [0, 1, 2])
  places.giveBack(sequences[1] as Held)
  assert.equal(places.take('4', tokens(4))?.index, 1)
  assert.equal(places.take('5', tokens(5))?.index, 3)
})

test('of two rows of busy sequences the lower one grows, so that they come together', () => {
  const { pool: places, sequences } = pool(9)
  for (let i = 0; i < 7; i++) places.take(String(i), tokens(i))
  for (const i of [2, 3, 4]) places.giveBack(sequences[i] as Held)
  const taken = [7, 8, 9, 10].map((salt) => places.take(String(salt), tokens(salt))?.index)
  assert.deepEqual(taken, [2, 3, 4, 7])
})

test('a long conversation is not given up to spare a pass, an old one or that of batch work is', () => {
  const conversation = Array.from({ length: 500 }, (_, i) => i)
  const next = (isBackground: boolean, since: number) => {
    const { pool: places, sequences } = pool(4)
    const first = places.take('batch', tokens(1), true)
    const held = places.take('a', conversation, isBackground)
    assert.deepEqual([first?.index, held?.index], [0, 1])
    if (held) held.sequence.tokens = [...conversation]
    places.giveBack(sequences[1] as Held)
    for (let i = 0; i < since; i++) use(places, 'b', tokens(i))
    return places.take('c', tokens(7))?.index
  }
  assert.equal(next(false, 0), 2)
  assert.equal(next(false, 8), 1)
  assert.equal(next(true, 0), 1)
})

test('an answer that takes long makes no conversation old', () => {
  const conversation = Array.from({ length: 500 }, (_, i) => i)
  const { pool: places, sequences } = pool(4)
  places.take('batch', tokens(1), true)
  places.take('a', conversation)
  for (let i = 0; i < 8; i++) use(places, 'b', tokens(i))
  const [, held] = sequences as [Held, Held]
  held.tokens = [...conversation]
  places.giveBack(held)
  assert.equal(places.take('c', tokens(7))?.index, 3)
})

test('a short beginning is read again where that spares a pass, a long one is not', () => {
  const { pool: places, sequences } = pool(5)
  const busy = [0, 1].map((i) => places.take(String(i), tokens(i))?.index)
  assert.deepEqual(busy, [0, 1])
  const long = Array.from({ length: 60 }, (_, i) => i)
  const [, , , , last] = sequences as [Held, Held, Held, Held, Held]
  for (const [length, index] of [
    [6, 2],
    [60, 4],
  ] as const) {
    const own = tokens(...long.slice(0, length))
    for (const salt of ['x', 'y', 'a']) places.take(salt, own)
    last.tokens = [...own]
    for (const one of sequences.slice(2)) places.giveBack(one)
    assert.equal(places.take('a', tokens(...own, 99))?.index, index)
    places.giveBack(sequences[index] as Held)
  }
})

test('background work takes the lowest sequences, whoever has used them', () => {
  const { pool: places, sequences } = pool(6)
  const batch = () => places.take('batch', tokens(7, 8, 9), true)?.index
  assert.deepEqual([batch(), batch(), batch()], [0, 1, 2])
  const person = places.take('person', tokens(1, 2, 3))
  assert.equal(person?.index, 3)
  places.giveBack(sequences[1] as Held)
  places.giveBack(person?.sequence as Held)
  assert.deepEqual([batch(), batch()], [1, 3])
})

test('what the chosen sequence holds of the prompt is kept, however little', () => {
  const { pool: places } = pool(1)
  use(places, 'a', tokens(1, 2, 3, 4, 5, 6))
  assert.equal(places.take('a', tokens(1, 9, 9, 9, 9, 9))?.reusable, 1)
})

test('busy sequences are not handed out, and none is given back twice', () => {
  const { pool: places } = pool(1)
  const taken = places.take('a', tokens(1))
  assert.ok(taken)
  assert.equal(places.take('a', tokens(1)), undefined)
  assert.equal(places.free, 0)
  places.giveBack(taken.sequence)
  assert.throws(() => places.giveBack(taken.sequence))
})

test('nothing is moved over what people may come back to, nor what cannot be moved', () => {
  const { pool: places, sequences } = pool(3)
  for (let i = 0; i < 3; i++) places.take(String(i), tokens(i))
  const [first, held, last] = sequences as [Held, Held, Held]
  const both = new Set([first, last])
  const gathered = () => places.gathering(both, () => true)
  held.tokens = Array.from({ length: 500 }, (_, i) => i)
  places.giveBack(held)
  assert.deepEqual(gathered(), [])
  held.tokens = tokens(1)
  assert.deepEqual(gathered(), [{ from: 2, to: 1 }])
  assert.deepEqual(
    places.gathering(both, (one) => one !== last),
    [{ from: 0, to: 1 }],
  )
})

test('a move takes the salt along, and frees the place that was left', () => {
  const { pool: places, sequences } = pool(3)
  for (const salt of ['a', 'b', 'c']) places.take(salt, tokens(1))
  const [first, second, third] = sequences as [Held, Held, Held]
  places.giveBack(second)
  places.move({ from: 2, to: 1 })
  assert.throws(() => places.move({ from: 2, to: 1 }), /cannot be moved/)
  assert.throws(() => places.giveBack(third), /not taken/)
  assert.equal(places.free, 1)
  places.giveBack(first)
  second.tokens = tokens(1, 2, 3)
  places.giveBack(second)
  assert.equal(places.take('b', tokens(1, 2, 3))?.reusable, 0)
  assert.equal(places.take('c', tokens(1, 2, 3))?.sequence, second)
})
