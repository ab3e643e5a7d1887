import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeldPlaces, SHOWS_WITHIN_MS, UNTOLD_MS_MAX } from './held-places.ts'
import { Recount } from './recount.ts'
import { SentBeats } from './sent-beats.ts'
import { TokenFence } from './token-fence.ts'

describe('what decides whose word counts', () => {
  it('refuses whoever has a token lower than one that was seen', () => {
    const fence = new TokenFence()
    assert.equal(fence.accepts(4), true)
    fence.saw(5)
    assert.equal(fence.accepts(4), false)
    assert.equal(fence.accepts(5), true)
  })

  it('bounds the age of a message by when the beat was sent that it answers', () => {
    const beats = new SentBeats()
    const first = beats.next(1000)
    beats.next(1250)
    assert.equal(beats.ageMs(first, 3000), 2000)
    assert.equal(beats.ageMs(0, 3000), Number.POSITIVE_INFINITY)
    assert.equal(beats.ageMs(99, 3000), Number.POSITIVE_INFINITY)
    for (let i = 0; i < 100; i++) beats.next(2000)
    assert.equal(beats.ageMs(first, 3000), Number.POSITIVE_INFINITY)
  })
})

describe('a recount', () => {
  it('waits for everybody who lives, and for nobody who does not', () => {
    const recount = new Recount(['a', 'b', 'c'])
    recount.reported('a')
    recount.alive(new Set(['a', 'b', 'new']))
    assert.deepEqual([...recount.missing], ['b'])
    assert.equal(recount.isComplete, false)
    recount.reported('b')
    assert.equal(recount.isComplete, true)
  })
})

describe('places of which nobody tells', () => {
  it('come back as requests are found, and as their engine runs fewer', () => {
    const held = new HeldPlaces()
    held.lost('e', 4, 0)
    held.found('e')
    assert.equal(held.of('e'), 3)
    // Five run, of which three are known to be there.
    held.told('e', 5, 3, SHOWS_WITHIN_MS)
    assert.equal(held.of('e'), 2)
    held.told('e', 9, 3, SHOWS_WITHIN_MS)
    assert.equal(held.of('e'), 2)
    held.told('e', 3, 3, SHOWS_WITHIN_MS)
    assert.equal(held.of('e'), 0)
    assert.deepEqual(held.engines(), [])
  })

  it('are not given back while a start may still be on its way', () => {
    const held = new HeldPlaces()
    held.lost('e', 2, 1000)
    held.told('e', 0, 0, 1000 + SHOWS_WITHIN_MS - 1)
    assert.equal(held.of('e'), 2)
  })

  it('come back after a while where an engine tells nothing', () => {
    const held = new HeldPlaces()
    held.lost('e', 2, 0)
    held.untold('e', UNTOLD_MS_MAX - 1)
    assert.equal(held.of('e'), 2)
    held.untold('e', UNTOLD_MS_MAX)
    assert.equal(held.of('e'), 0)
  })
})
