import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { serviceClasses } from '../base/index.ts'
import { effectOf, type RouteChange, type Surroundings, type TargetChange } from './effect.ts'
import { judge } from './resolve.ts'
import { readDocument } from './schema.ts'
import type { Route } from './types.ts'

const tenants = [
  { id: 'ten_1', name: 'Support' },
  { id: 'ten_2', name: 'Research' },
  { id: 'ten_3', name: 'Sales' },
]
const around: Surroundings = {
  tenants,
  isUp: ({ model }) => model !== 'down',
  isServed: (model) => model === 'toy',
}
const small = (...targets: object[]) => ({ name: 'small', targets })
const changes = (before: object[], after: object[], more: Partial<Surroundings> = {}) =>
  effectOf(readDocument({ routes: before }).routes, readDocument({ routes: after }).routes, {
    ...around,
    ...more,
  }).changes
const targetsOf = (change: RouteChange | undefined): TargetChange =>
  change?.kind === 'targets' ? change : assert.fail('targets change')
const said = (outcomes: TargetChange['before']) =>
  outcomes.map(({ model, share }) => `${model} ${share}`)

describe('what new routes change', () => {
  it('is said once for everybody where nothing tells requests apart', () => {
    const before = [{ ...small({ model: 'a' }), aliases: ['s'] }]
    const after = [{ ...small({ model: 'a', weight: 3 }, { model: 'b' }), aliases: ['s'] }]
    const [only, ...more] = changes(before, after)
    const { names, tenants: named, others, classes, ...rest } = targetsOf(only)
    assert.deepEqual([names, named, others, classes.length], [['small', 's'], [], true, 4])
    assert.deepEqual([rest.inputTokensMin, rest.inputTokensMax, more.length], [0, null, 0])
    assert.deepEqual([said(rest.before), said(rest.after)], [['a 1'], ['a 0.75', 'b 0.25']])
  })

  it('names the tenants, classes and lengths that a condition is about, and no others', () => {
    const when = { tenants: ['sales', 'ten_1'], classes: ['batch'], inputTokensMax: 99 }
    const before = [small({ model: 'a', preference: 2 })]
    const after = [small({ model: 'a', preference: 2 }, { model: 'b', when })]
    const found = changes(before, after).map(targetsOf)
    assert.deepEqual(
      found.map((one) => [one.tenants, one.others, one.classes, one.inputTokensMax]),
      [[['Support', 'Sales'], false, ['batch'], 99]],
    )
  })

  it('says which tags a change is about, of keys and of requests, in few words', () => {
    const opened = { keyTags: ['eu', 'trial'] }
    const after = [small({ model: 'a', preference: 2 }, { model: 'b', when: opened })]
    const [one, ...more] = changes([small({ model: 'a', preference: 2 })], after).map(targetsOf)
    const key = (tag: string, has: boolean) => ({ of: 'key', tag, has })
    assert.deepEqual(more, [])
    assert.deepEqual(
      one?.tags.toSorted((x, y) => x.length - y.length),
      [[key('trial', true)], [key('eu', true), key('trial', false)]],
    )
    const wished = [small({ model: 'a' }, { model: 'c', when: { requestTags: ['fast'] } })]
    const found = changes([small({ model: 'a' })], wished).map(targetsOf)
    assert.deepEqual(
      found.map(({ tags }) => tags),
      [[[{ of: 'request', tag: 'fast', has: true }]]],
    )
  })

  it('counts a name without a route as the model of that name, or as not answered', () => {
    const toy = { name: 'toy', targets: [{ model: 'b' }] }
    const hidden = changes([], [toy, small({ model: 'b' })]).map(targetsOf)
    assert.deepEqual(
      hidden.map((one) => [one.names, said(one.before), said(one.after)]),
      [
        [['toy'], ['toy 1'], ['b 1']],
        [['small'], [], ['b 1']],
      ],
    )
  })

  it('says nothing of an order of writing, nor of an alias that another route takes over', () => {
    const targets = [{ model: 'a' }, { model: 'b' }]
    const before = [{ name: 'x', aliases: ['s'], targets }]
    const after = [
      { name: 's', targets: targets.toReversed() },
      { name: 'x', targets },
    ]
    assert.deepEqual(changes(before, after), [])
  })

  it('tells of allowances, defaults and ends', () => {
    const targets = [{ model: 'a' }, { model: 'r', price: { inputNanos: 1, outputNanos: 1 } }]
    const of = (allowance: number) => ({ allowances: { Sales: allowance }, classes: ['standard'] })
    const before = [{ name: 'x', targets, overflow: of(5) }]
    const deprecation = { date: '2099-01-01' }
    const after = [{ name: 'x', targets, overflow: of(7), defaults: { seed: 1 }, deprecation }]
    const [first, ...others] = changes(before, after)
    const { tenants: who, classes, after: now } = targetsOf(first)
    assert.deepEqual([who, classes, now[1]?.allowanceNanos], [['Sales'], ['standard'], 7])
    assert.deepEqual(
      others.map(({ kind }) => kind),
      ['defaults', 'deprecation'],
    )
  })

  it('gives up on whom it is for, by name, where that takes too long', () => {
    const crowd = Array.from({ length: 900 }, (_, at) => ({ id: `ten_${at}`, name: `T${at}` }))
    const names = crowd.map(({ name }) => name)
    const after = [small({ model: 'b', when: { tenants: names } }, { model: 'c' })]
    const effect = effectOf([], readDocument({ routes: after }).routes, {
      ...around,
      tenants: crowd,
    })
    assert.deepEqual([effect.unexamined, effect.changes], [['small'], []])
  })
})

const conditions = fc.record(
  {
    tenants: fc.subarray(['support', 'ten_2'], { minLength: 1 }),
    classes: fc.subarray([...serviceClasses], { minLength: 1 }),
    inputTokensMin: fc.integer({ min: 0, max: 4 }),
    inputTokensMax: fc.integer({ min: 4, max: 9 }),
    keyTags: fc.subarray(['eu', 'trial'], { minLength: 1 }),
    requestTags: fc.subarray(['eu'], { minLength: 1 }),
  },
  { requiredKeys: [] },
)
const target = fc.record({
  model: fc.constantFrom('a', 'b', 'down'),
  preference: fc.integer({ min: 1, max: 2 }),
  weight: fc.constantFrom(1, 3),
  when: conditions,
})
const sameTarget = ({ model, when }: { model: string; when: object }) =>
  JSON.stringify([model, when])
const routes = fc
  .uniqueArray(target, { minLength: 1, maxLength: 4, selector: sameTarget })
  .map((targets): Route[] => readDocument({ routes: [{ name: 'r', targets }] }).routes)

describe('every request', () => {
  it('is in exactly one change where it goes elsewhere, and in none where it does not', () => {
    const facts = fc.record({
      at: fc.constantFrom(0, 1, 2),
      serviceClass: fc.constantFrom(...serviceClasses),
      inputTokens: fc.integer({ min: 0, max: 12 }),
      keyTags: fc.subarray(['eu', 'trial', 'other']),
      requestTags: fc.subarray(['eu', 'other']),
    })
    fc.assert(
      fc.property(routes, routes, fc.array(facts, { minLength: 8 }), (before, after, asked) => {
        const { changes: found } = effectOf(before, after, around)
        for (const { at, ...kind } of asked) {
          const { serviceClass, inputTokens } = kind
          const { id: tenantId, name: tenantName } = tenants[at] ?? assert.fail('a tenant')
          const one = { tenantId, tenantName, ...kind }
          const isSo = ({ of, tag, has }: TargetChange['tags'][number][number]) =>
            has === kind[of === 'key' ? 'keyTags' : 'requestTags'].includes(tag)
          const isNamed = found.some((change) => targetsOf(change).tenants.includes(tenantName))
          const covering = found.map(targetsOf).filter((change) => {
            const { inputTokensMin, inputTokensMax, classes } = change
            const isHis = change.tenants.includes(tenantName) || (change.others && !isNamed)
            const alternatives = change.tags.filter((signs) => signs.every(isSo))
            assert.ok(alternatives.length <= 1, 'alternatives exclude each other')
            if (change.tags.length > 0 && alternatives.length === 0) return false
            const isLong = inputTokens > (inputTokensMax ?? Infinity)
            return (
              isHis && classes.includes(serviceClass) && !isLong && inputTokens >= inputTokensMin
            )
          })
          const sums = [before, after].map(([route]) => firstAsked(route, one))
          const told = covering.map((change) => [shares(change.before), shares(change.after)])
          assert.ok(covering.length <= 1, 'no two changes are about the same request')
          if (covering.length === 1) assert.deepEqual(told[0], sums)
          else assert.deepEqual(sums[0], sums[1])
        }
      }),
    )
  })
})

/** Share by model, added up straight from the verdicts. */
function firstAsked(route: Route | undefined, facts: Parameters<typeof judge>[1]) {
  const verdicts = route ? judge(route, facts, around.isUp) : []
  return shares(verdicts.map(({ target: { model }, share }) => ({ model, share })))
}

function shares(parts: readonly { model: string; share: number }[]) {
  const sums: Record<string, string> = {}
  for (const model of ['a', 'b', 'down']) {
    const own = parts.filter((part) => part.model === model)
    sums[model] = own.reduce((sum, { share }) => sum + share, 0).toFixed(6)
  }
  return sums
}
