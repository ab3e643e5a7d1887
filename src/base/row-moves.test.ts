import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from './random.ts'
import { type Move, movesIntoRow } from './row-moves.ts'

/** m is a member, o another one in use, . idle; upper case and # what is fixed. */
const placesOf = (map: string) =>
  map.split('').map((sign, index) => ({
    index,
    isMember: 'mM'.includes(sign),
    isBusy: 'mMoO'.includes(sign),
    isFixed: 'MO#'.includes(sign),
  }))

function moved(map: string): { after: string; moves: Move[] } {
  const signs = map.split('')
  const moves = movesIntoRow(placesOf(map))
  for (const { from, to } of moves) {
    assert.match(signs[from] ?? '', /[mo]/, `${map}: ${from} is moved`)
    assert.equal(signs[to], '.', `${map}: ${to} is taken`)
    signs[to] = signs[from] as string
    signs[from] = '.'
  }
  return { after: signs.join(''), moves }
}

test('members come together with as few moves as there can be', () => {
  for (const [before, count] of [
    ['.....', 0],
    ['..m..', 0],
    ['.mmm.', 0],
    ['mm.mm', 1],
    ['m....mmmm', 1],
    ['mm.m.m..m', 2],
    ['mom..', 1],
    ['mmommm.', 2],
    ['mmoommm', 0],
    ['mmommm', 0],
  ] as const) {
    const found = moved(before)
    assert.equal(found.moves.length, count, `${before}: ${found.after}`)
    if (count > 0) assert.match(found.after, /^[.o]*m+[.o]*$/)
  }
})

test('what is fixed stays, and the others come to it where they can', () => {
  assert.equal(moved('m..M').after, '..mM')
  assert.equal(moved('mO.m').after, '.Omm')
  assert.deepEqual(moved('M..M').moves, [])
  assert.deepEqual(moved('m##m').moves, [])
  assert.equal(moved('m#m.').after, '.#mm')
})

test('whatever lies where, members become neighbours or nothing moves', () => {
  const random = seededRandom(7)
  let gathered = 0
  for (let round = 0; round < 2000; round++) {
    const length = 1 + Math.floor(random.next() * 12)
    const map = Array.from({ length }, () => 'mmoo..MO#'[Math.floor(random.next() * 9)]).join('')
    const { after, moves } = moved(map)
    assert.deepEqual(after.split('').sort(), map.split('').sort())
    for (const [i, sign] of map.split('').entries())
      if ('MO#'.includes(sign)) assert.equal(after[i], sign)
    if (moves.length === 0) continue
    gathered++
    assert.match(after, /^[^mM]*[mM]+[^mM]*$/, `${map} became ${after}`)
  }
  assert.ok(gathered > 300, `${gathered}`)
})
