import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { checked } from './check.ts'
import { GristmillError } from './errors.ts'

const schema = z.strictObject({
  name: z.string().min(1).max(5),
  weight: z.number().min(0.1).max(9).optional(),
  count: z.number().int().gt(0).optional(),
  list: z.array(z.string()).min(2).max(3).optional(),
  tier: z.enum(['low', 'high']).optional(),
  email: z.email().optional(),
  at: z.iso.datetime().optional(),
  code: z.string().regex(/^\d+$/, 'it must have digits only').optional(),
  either: z.union([z.string(), z.array(z.string()).max(1)]).optional(),
  shape: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('dot') }),
      z.object({ kind: z.literal('line'), length: z.number() }),
    ])
    .optional(),
})

/** What is wrong, where, and in which words. */
const cases: [unknown, string, string][] = [
  [undefined, 'body', 'it is missing'],
  [[], 'body', 'it must be an object'],
  [{}, 'name', 'it is missing'],
  [{ name: 7 }, 'name', 'it must be a string'],
  [{ name: '' }, 'name', 'it must not be empty'],
  [{ name: 'longer' }, 'name', 'it must have at most 5 characters'],
  [{ name: 'a', colour: 'red' }, 'colour', 'there is no such field'],
  [{ name: 'a', weight: 0 }, 'weight', 'it must be at least 0.1'],
  [{ name: 'a', weight: Number.NaN }, 'weight', 'it must be a number'],
  [{ name: 'a', count: 1.5 }, 'count', 'it must be a whole number'],
  [{ name: 'a', count: 0 }, 'count', 'it must be above 0'],
  [{ name: 'a', list: ['x'] }, 'list', 'it must have at least 2 entries'],
  [{ name: 'a', list: ['x', 1] }, 'list.1', 'it must be a string'],
  [{ name: 'a', tier: 'middle' }, 'tier', 'it must be one of low, high'],
  [{ name: 'a', email: 'a' }, 'email', 'it must be an email address, such as anna@example.org'],
  [{ name: 'a', at: 'soon' }, 'at', 'it must be a time, such as 2026-01-31T12:00:00Z'],
  [{ name: 'a', code: 'x' }, 'code', 'it must have digits only'],
  [{ name: 'a', either: 5 }, 'either', 'it must be a string or a list'],
  [{ name: 'a', either: ['x', 'y'] }, 'either', 'it must have at most 1 entries'],
  [{ name: 'a', either: [5] }, 'either.0', 'it must be a string'],
  [{ name: 'a', shape: { kind: 'blob' } }, 'shape.kind', 'it must be one of dot, line'],
  [{ name: 'a', shape: { kind: 'line' } }, 'shape.length', 'it is missing'],
]

it('what is missing is told so, whatever forms it may have', () => {
  const either = z.object({ either: z.union([z.string(), z.array(z.string())]) })
  const told = new GristmillError('invalid_value', { param: 'either', reason: 'it is missing' })
  assert.throws(() => checked(either, {}), told)
})

it('a list is read no further than to its first wrong entry', () => {
  const msOf = (run: () => unknown) => {
    const beganMs = performance.now()
    run()
    return performance.now() - beganMs
  }
  const entry = z.array(z.string())
  const wrong = Array<number>(200_000).fill(1)
  const right = wrong.map(String)
  const rightMs = msOf(() => checked(entry, right))
  for (const schema of [
    z.object({ of: entry }),
    z.object({ of: z.union([z.string(), z.array(z.object({ type: z.string() }))]) }),
  ]) {
    const wrongMs = msOf(() => assert.throws(() => checked(schema, { of: wrong })))
    assert.ok(wrongMs < 10 * (rightMs + 10))
  }
})

it('of several lists the one whose entries fit says what is wrong', () => {
  const lists = z.object({ of: z.union([z.array(z.number()), z.array(z.string()).max(1)]) })
  const told = { param: 'of', reason: 'it must have at most 1 entries' }
  const error = new GristmillError('invalid_value', told)
  assert.throws(() => checked(lists, { of: ['x', 'y'] }), error)
})

describe('a value that does not fit', () => {
  for (const [value, param, reason] of cases) {
    it(`is told by its place and what would be right: ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => checked(schema, value),
        new GristmillError('invalid_value', { param, reason }),
      )
    })
  }
})
