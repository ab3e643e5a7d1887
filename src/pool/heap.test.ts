import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Deadlined, DeadlineQueues } from './deadline-queues.ts'
import { Heap, type HeapMember } from './heap.ts'
import { WaitingLine } from './waiting-line.ts'

interface Member extends HeapMember {
  order: number
  key: number
}

const older = (a: { order: number }, b: { order: number }) => a.order < b.order

/** What a sorted list would give next. */
const least = <Item>(items: readonly Item[], before: (a: Item, b: Item) => boolean) =>
  items.reduce<Item | undefined>(
    (best, item) => (best && !before(item, best) ? best : item),
    undefined,
  )

const step = fc.record({
  what: fc.constantFrom('push', 'push', 'rise', 'fall', 'remove', 'pop'),
  which: fc.nat(1000),
  key: fc.nat(20),
})

describe('the heap', () => {
  it('has the smallest member first, however keys rise, fall, come and go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const all: Member[] = []
        const heap = new Heap<Member>({ counter: (row) => all[row]?.key ?? 0 })
        const inside: Member[] = []
        const before = (a: Member, b: Member) => a.key < b.key || (a.key === b.key && older(a, b))
        for (const [order, { what, which, key }] of steps.entries()) {
          const some = inside[which % Math.max(1, inside.length)]
          const gone = what === 'pop' ? heap.peek() : what === 'remove' ? some : undefined
          if (what === 'push') {
            const member = { index: -1, order, row: all.length, key }
            all.push(member)
            heap.push(member, key)
            inside.push(member)
          } else if (what === 'rise' && some) some.key += key
          else if (what === 'fall' && some) {
            some.key -= key
            heap.update(some, some.key)
          } else if (gone) {
            heap.remove(gone)
            inside.splice(inside.indexOf(gone), 1)
            assert.equal(gone.index, -1)
          }
          assert.equal(heap.size, inside.length)
          assert.equal(heap.peek(), least(inside, before))
          assert.deepEqual(new Set(heap.members()), new Set(inside))
        }
      }),
    )
  })
})

describe('the queue of a last level', () => {
  it('gives the earliest deadline first, also where tickets come out of order or leave early', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const line = new WaitingLine<Deadlined>()
        const queues = new DeadlineQueues<Deadlined>(line)
        // Another one has the same numbers beside it.
        queues.add()
        const queue = queues.add()
        const inside: Deadlined[] = []
        const before = (a: Deadlined, b: Deadlined) =>
          a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && older(a, b))
        for (const [order, { what, which, key }] of steps.entries()) {
          const some = inside[which % Math.max(1, inside.length)]
          const gone = what === 'pop' ? queues.peek(queue) : what === 'remove' ? some : undefined
          if (gone) {
            queues.remove(queue, gone)
            line.remove(gone)
            inside.splice(inside.indexOf(gone), 1)
          } else if (what !== 'remove' && what !== 'pop') {
            // Mostly in order, as tickets come.
            const deadlineMs = what === 'fall' ? key : order + key / 10
            const item = { number: -1, index: -1, order, deadlineMs, rank: deadlineMs }
            line.push(item)
            queues.push(queue, item)
            inside.push(item)
          }
          assert.equal(queues.size(queue), inside.length)
          assert.equal(queues.peek(queue), least(inside, before))
          assert.deepEqual(new Set(queues.items(queue)), new Set(inside))
        }
      }),
    )
  })
})
