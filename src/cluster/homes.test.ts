import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { homesBefore } from './homes.ts'

const named = (ids: readonly string[]) => ids.map((id) => ({ id, url: `http://${id}` }))
/** All of them in order, as somebody sees it who is none of them. */
const orderOf = (ids: readonly string[], key: string) => homesBefore('nobody', named(ids), key)

const someIds = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 })

describe('the gateway that keeps what is known to one alone', () => {
  it('is the same for all of them, whichever order they are known in', () => {
    fc.assert(
      fc.property(someIds, fc.string(), (ids, key) => {
        const order = orderOf(ids, key)
        assert.deepEqual(orderOf([...ids].reverse(), key), order)
        for (const id of ids) {
          const before = homesBefore(id, named(ids), key)
          assert.deepEqual(before, order.slice(0, order.indexOf(`http://${id}`)))
        }
      }),
    )
  })

  it('stays the same where another one comes or goes', () => {
    fc.assert(
      fc.property(someIds, fc.string(), (ids, key) => {
        const left = ids.slice(1)
        const order = orderOf(ids, key)
        assert.deepEqual(
          orderOf(left, key),
          order.filter((url) => url !== `http://${ids[0]}`),
        )
      }),
    )
  })

  it('is each of them for its part of the keys', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 3000; i++) {
      const first = orderOf(['a', 'b', 'c'], `order-${i}`)[0] ?? ''
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 150, `${count}`)
    assert.equal(counts.size, 3)
  })
})
