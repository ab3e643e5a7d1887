import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { seededRandom, serviceClasses } from '../base/index.ts'
import { judge, resolve } from './resolve.ts'
import type { RequestFacts, Route, RouteTarget } from './types.ts'

const bare = { name: 'r', aliases: [], defaults: {}, deprecation: null, overflow: null }
const tenants = ['Support', 'Research', 'ten_3']

const tags = fc.subarray(['eu', 'trial', 'fast'], { minLength: 1 })
const conditions = fc.record(
  {
    tenants: fc.subarray(tenants, { minLength: 1 }),
    classes: fc.subarray([...serviceClasses], { minLength: 1 }),
    inputTokensMin: fc.integer({ min: 0, max: 50 }),
    inputTokensMax: fc.integer({ min: 0, max: 100 }),
    keyTags: tags,
    requestTags: tags,
  },
  { requiredKeys: [] },
)
const target: fc.Arbitrary<RouteTarget> = fc.record({
  model: fc.string({ minLength: 1, maxLength: 6 }),
  engine: fc.constant(null),
  preference: fc.integer({ min: 1, max: 3 }),
  weight: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  when: conditions,
  price: fc.constant(null),
})
const route: fc.Arbitrary<Route> = fc
  .array(target, { minLength: 1, maxLength: 6 })
  .map((targets) => ({ ...bare, targets }))
const facts: fc.Arbitrary<RequestFacts> = fc.record({
  tenantId: fc.constantFrom('ten_1', 'ten_2', 'ten_3'),
  tenantName: fc.constantFrom('support', 'Research', 'Sales'),
  serviceClass: fc.constantFrom(...serviceClasses),
  inputTokens: fc.integer({ min: 0, max: 120 }),
  keyTags: fc.subarray(['eu', 'trial', 'fast']),
  requestTags: fc.subarray(['eu', 'trial', 'fast']),
  draw: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
})
/** Which targets are up, by bits. */
const mask = fc.integer({ min: 0, max: 63 })
const upBy =
  ({ targets }: Route, bits: number) =>
  (one: RouteTarget) =>
    (bits & (1 << targets.indexOf(one))) !== 0

/** The conditions once more, as the document says them. */
function meets(
  { when }: RouteTarget,
  { tenantId, tenantName, serviceClass, inputTokens, keyTags, requestTags }: RequestFacts,
) {
  const names = when.tenants?.map((name) => name.toLowerCase())
  return (
    (names === undefined || names.includes(tenantName.toLowerCase()) || names.includes(tenantId)) &&
    (when.classes === undefined || when.classes.includes(serviceClass)) &&
    (when.keyTags === undefined || when.keyTags.some((one) => keyTags.includes(one))) &&
    (when.requestTags === undefined || when.requestTags.some((one) => requestTags.includes(one))) &&
    inputTokens >= (when.inputTokensMin ?? 0) &&
    inputTokens <= (when.inputTokensMax ?? 1e9)
  )
}

describe('the targets of a request', () => {
  it('are those whose conditions it meets, each once', () => {
    fc.assert(
      fc.property(route, facts, mask, (given, request, bits) => {
        const ordered = resolve(given, request, upBy(given, bits))
        assert.equal(new Set(ordered).size, ordered.length)
        const expected = given.targets.filter((one) => meets(one, request))
        assert.deepEqual(new Set(ordered), new Set(expected))
      }),
    )
  })

  it('come by what is up, then by preference', () => {
    fc.assert(
      fc.property(route, facts, mask, (given, request, bits) => {
        const isUp = upBy(given, bits)
        const ranks = resolve(given, request, isUp).map((one) =>
          isUp(one) ? one.preference : 1000 + one.preference,
        )
        assert.deepEqual(
          ranks,
          [...ranks].sort((a, b) => a - b),
        )
      }),
    )
  })

  it('are the same for the same draw, and never other ones for another', () => {
    fc.assert(
      fc.property(route, facts, facts, mask, (given, request, other, bits) => {
        const isUp = upBy(given, bits)
        const once = resolve(given, request, isUp)
        assert.deepEqual(resolve(given, request, isUp), once)
        const again = resolve(given, { ...request, draw: other.draw }, isUp)
        assert.deepEqual(new Set(again), new Set(once))
      }),
    )
  })

  it('have the first place as often as their weight says, and so the second after it', () => {
    const targets = [1, 2, 5].map((weight) => ({
      model: `m${weight}`,
      engine: null,
      preference: 1,
      weight,
      when: {},
      price: null,
    }))
    const given: Route = { ...bare, targets }
    const request = {
      tenantId: 't',
      tenantName: 'T',
      serviceClass: 'standard',
      inputTokens: 1,
      keyTags: [],
      requestTags: [],
    } as const
    const random = seededRandom(11)
    const firsts = new Map<string, number>()
    const seconds = new Map<string, number>()
    const rounds = 40_000
    for (let i = 0; i < rounds; i++) {
      const [first, second] = resolve(given, { ...request, draw: random.next() }, () => true)
      firsts.set(first?.model ?? '', (firsts.get(first?.model ?? '') ?? 0) + 1)
      const pair = `${first?.model}>${second?.model}`
      seconds.set(pair, (seconds.get(pair) ?? 0) + 1)
    }
    const isNear = (count: number | undefined, share: number) =>
      assert.ok(Math.abs((count ?? 0) / rounds - share) < 0.01, `${count} of ${rounds}: ${share}`)
    isNear(firsts.get('m1'), 1 / 8)
    isNear(firsts.get('m2'), 2 / 8)
    isNear(firsts.get('m5'), 5 / 8)
    isNear(seconds.get('m5>m2'), (5 / 8) * (2 / 3))
    isNear(seconds.get('m1>m5'), (1 / 8) * (5 / 7))
  })

  it('are told with their shares of the first place, which add up', () => {
    fc.assert(
      fc.property(route, facts, mask, (given, request, bits) => {
        const isUp = upBy(given, bits)
        const verdicts = judge(given, request, isUp)
        assert.deepEqual(
          verdicts.map((one) => one.target),
          given.targets,
        )
        const [first] = resolve(given, request, isUp)
        const sum = verdicts.reduce((total, { share }) => total + share, 0)
        assert.ok(Math.abs(sum - (first === undefined ? 0 : 1)) < 1e-9)
        for (const { target: one, misfit, share } of verdicts) {
          assert.equal(misfit === null, meets(one, request))
          if (one === first) assert.ok(share > 0)
        }
      }),
    )
  })
})
