import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nanosOfBooked } from '../../base/index.ts'
import { termsFor } from './discount-terms.ts'
import type { DiscountTerms, HourUse } from './discount-types.ts'
import { grantedOf, linesOf } from './granted.ts'
import { monthParts } from './months.ts'

const UNIT = 10n ** 9n
const nanos = fc.bigInt({ min: 0n, max: 10n ** 13n })
const tokens = fc.bigInt({ min: 0n, max: 10n ** 7n })
const hours = fc.array(fc.record({ nanos, tokens }), { maxLength: 30 })
const tiers = fc
  .uniqueArray(nanos, { maxLength: 4 })
  .chain((above) =>
    fc.tuple(
      fc.constant(above.toSorted((a, b) => (a < b ? -1 : 1))),
      fc.array(fc.bigInt({ min: 1n, max: 10n ** 6n }), { minLength: 4, maxLength: 4 }),
    ),
  )
  .map(([above, shares]) =>
    above.map((aboveNanos, at) => ({ aboveNanos, millionths: shares[at] ?? 1n })),
  )
const free = fc.option(
  fc.oneof(
    fc.record({ unit: fc.constant('money' as const), amount: nanos }),
    fc.record({ unit: fc.constant('tokens' as const), amount: tokens }),
  ),
)
const anyTerms = fc.record({ free, tiers })
const seed = Number(process.env.GRISTMILL_TEST_SEED ?? Date.now() % 2 ** 31)
const options = { seed, numRuns: 300 }

describe('what is granted of a month', () => {
  it('is the same in whatever parts it is closed, to the nano, and never more than the charge', () => {
    const cuts = fc.array(fc.nat(30), { maxLength: 5 })
    fc.assert(
      fc.property(anyTerms, hours, cuts, (terms, month, wanted) => {
        const ends = [...new Set([...wanted.filter((cut) => cut < month.length), month.length])]
        const states = [0, ...ends.toSorted((a, b) => a - b)].map((end) =>
          grantedOf(terms, month.slice(0, end)),
        )
        const amounts = states
          .slice(1)
          .flatMap((until, at) =>
            linesOf({ version: 1, ...terms }, '2026-11', states[at] ?? until, until),
          )
          .map(({ amount }) => nanosOfBooked(amount))
        const whole = grantedOf(terms, month)
        assert.equal(
          amounts.reduce((sum, amount) => sum + amount, 0n),
          -whole.free - whole.discount,
        )
        assert.ok(whole.free + whole.discount <= whole.charge)
        assert.ok(amounts.every((amount) => amount < 0n))
      }),
      options,
    )
  })

  it('takes percentages of what is within each tier, and rounds once, half to even', () => {
    const graduated = [
      { aboveNanos: 100n * UNIT, millionths: 50_000n },
      { aboveNanos: 1000n * UNIT, millionths: 100_000n },
    ]
    const of = (charge: bigint) =>
      grantedOf({ free: null, tiers: graduated }, [{ nanos: charge, tokens: 1n }]).discount
    assert.equal(of(100n * UNIT), 0n)
    assert.equal(of(300n * UNIT), 10n * UNIT)
    assert.equal(of(1500n * UNIT), 95n * UNIT)
    // 5 % of 10 and of 30 nanos are a half more than 0 and than 1.
    assert.deepEqual([of(100n * UNIT + 10n), of(100n * UNIT + 30n)], [0n, 2n])
  })

  it('frees money first, or tokens in the order of hours, and discounts the rest', () => {
    const used: HourUse[] = [
      { nanos: 100n, tokens: 10n },
      { nanos: 900n, tokens: 30n },
      { nanos: 500n, tokens: 5n },
    ]
    const half = [{ aboveNanos: 0n, millionths: 500_000n }]
    const of = (unit: 'money' | 'tokens', amount: bigint) => {
      const { charge, ...granted } = grantedOf({ free: { unit, amount }, tiers: half }, used)
      assert.equal(charge, 1500n)
      return granted
    }
    assert.deepEqual(of('money', 500n), { free: 500n, discount: 500n })
    assert.deepEqual(of('money', 9999n), { free: 1500n, discount: 0n })
    // A third of the second hour.
    assert.deepEqual(of('tokens', 20n), { free: 400n, discount: 550n })
  })

  it('says how it was worked out', () => {
    const terms = {
      version: 7,
      free: { unit: 'tokens' as const, amount: 20n },
      tiers: [{ aboveNanos: 100n * UNIT, millionths: 12_500n }],
    }
    const none = { charge: 0n, free: 0n, discount: 0n }
    const until = { charge: 300n * UNIT, free: UNIT, discount: 2n * UNIT }
    assert.deepEqual(
      linesOf(terms, '2026-11', none, until).map(({ kind, method, basis, amount }) => {
        return [kind, method, basis, amount]
      }),
      [
        ['allowance', 'the first 20 tokens of a month', '300', '-1'],
        ['discount', '1.25 % above 100', '299', '-2'],
      ],
    )
    assert.deepEqual(linesOf(terms, '2026-11', until, until), [])
  })
})

describe('the terms of a month', () => {
  const base = { note: '', actor: 'cli', atMs: 0, free: { unit: 'money' as const, amount: UNIT } }
  const terms: DiscountTerms[] = [
    { version: 1, tenantId: null, plan: 'partner', fromMonth: '2026-01', ...base, tiers: [] },
    { version: 2, tenantId: 'ten_a', plan: null, fromMonth: '2026-03', ...base, tiers: [] },
    {
      version: 3,
      tenantId: 'ten_a',
      plan: null,
      fromMonth: '2026-05',
      ...base,
      free: null,
      tiers: [],
    },
    { version: 4, tenantId: null, plan: 'partner', fromMonth: '2026-03', ...base, tiers: [] },
    { version: 5, tenantId: null, plan: 'partner', fromMonth: '2026-03', ...base, tiers: [] },
  ]
  const version = (tenantId: string, plan: string | null, month: string) =>
    termsFor(terms, tenantId, plan, month)?.version

  it('are those for the tenant before those for its plan, the latest, until they end', () => {
    assert.equal(version('ten_a', 'partner', '2026-02'), 1)
    assert.equal(version('ten_a', 'partner', '2026-04'), 2)
    assert.equal(version('ten_a', null, '2026-05'), undefined)
    assert.equal(version('ten_a', 'partner', '2026-12'), 5)
    assert.equal(version('ten_b', 'partner', '2025-12'), undefined)
  })

  it('are asked for each month that a period has a part of', () => {
    const [from, to] = [Date.UTC(2026, 10, 30, 12), Date.UTC(2027, 0, 2)]
    assert.deepEqual(
      monthParts(from, to).map(({ month, fromMs, toMs }) => [month, (toMs - fromMs) / 3_600_000]),
      [
        ['2026-11', 12],
        ['2026-12', 744],
        ['2027-01', 24],
      ],
    )
  })
})
