import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NOT_LISTED, Roster } from './roster.ts'
import { ShortLivedMap } from './short-lived-map.ts'

const steps = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.option(fc.nat(9)) }),
)

test('a short-lived map holds what a map would hold', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const ours = new ShortLivedMap<number>()
      const plain = new Map<string, number>()
      for (const { key, value } of list) {
        if (value === null) assert.equal(ours.delete(key), plain.delete(key))
        else {
          ours.set(key, value)
          plain.set(key, value)
        }
        assert.equal(ours.get(key), plain.get(key))
        assert.equal(ours.has(key), plain.has(key))
        assert.equal(ours.size, plain.size)
        assert.deepEqual([...ours.values()], [...plain.values()])
      }
    }),
  )
})

test('a roster holds what a set would hold, also while it is gone through', () => {
  const members = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, rosterIndex: NOT_LISTED }))
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(4), enters: fc.boolean() })), (list) => {
      const roster = new Roster<(typeof members)[number]>()
      const plain = new Set<(typeof members)[number]>()
      for (const member of members) member.rosterIndex = NOT_LISTED
      for (const { at, enters } of list) {
        const member = members[at]
        if (!member) continue
        if (enters) roster.add(member)
        else roster.delete(member)
        if (enters) plain.add(member)
        else plain.delete(member)
        const found: string[] = []
        roster.forEach(({ name }) => {
          found.push(name)
        })
        assert.deepEqual(found.sort(), [...plain].map(({ name }) => name).sort())
        assert.equal(roster.size, plain.size)
      }
      roster.forEach((member) => {
        roster.delete(member)
      })
      assert.equal(roster.size, 0)
    }),
  )
})
