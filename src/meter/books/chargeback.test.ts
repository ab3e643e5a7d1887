import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChargebackSum } from './chargeback.ts'
import {
  type Chargeback,
  type EngineMinute,
  type IdleCause,
  idleRules,
} from './chargeback-types.ts'
import type { EngineCost } from './engine-costs.ts'
import { type WeightChange, weightSpans } from './weights.ts'

const MINUTE_MS = 60_000
const S = 1_000_000n

function cost(engineId: string, perHour: bigint, fromMs = 0): EngineCost {
  const parts = { machine: perHour, energy: 0n, staff: 0n }
  return { engineId, engineName: engineId, fromMs, actor: 'cli', atMs: 0, ...parts }
}

type UseSeconds = Record<
  string,
  number | [seconds: number, units: number, waste: Record<string, number>]
>

/** A minute of `eng_1` of which the rest is free. */
function minute(number: number, uses: UseSeconds, idle: Partial<Record<IdleCause, number>> = {}) {
  const tenants = Object.entries(uses).map(([tenantId, use]) => {
    const [seconds, units, waste] = typeof use === 'number' ? [use, use * 100, {}] : use
    const micro = (value: number) => BigInt(Math.round(value * 1e6))
    const wasted = Object.entries(waste).map(([cause, value]) => [cause, micro(value)] as const)
    return { tenantId, usedUs: micro(seconds), microUnits: micro(units), waste: new Map(wasted) }
  })
  const parts = Object.entries(idle).map(
    ([cause, s]) => [cause as IdleCause, BigInt(s) * S] as const,
  )
  const taken = [...tenants.map(({ usedUs }) => usedUs), ...parts.map(([, us]) => us)]
  const free = taken.reduce((left, us) => left - us, 60n * S)
  const all = new Map<IdleCause, bigint>([...parts, ['free', free]])
  const made: EngineMinute = {
    engineId: 'eng_1',
    atMs: number * MINUTE_MS,
    registeredUs: 60n * S,
    idle: all,
    tenants,
  }
  return made
}

const equal: WeightChange[] = ['a', 'b'].map((tenantId) => ({ tenantId, fromMs: 0, weight: 1 }))
/** A nano a microsecond: amounts of money are times. */
const RATE = 3_600_000_000n

function charged(
  minutes: readonly EngineMinute[],
  rule: (typeof idleRules)[number] = 'operator',
  costs = [cost('eng_1', RATE)],
  weights = equal,
): Chargeback {
  const sum = new ChargebackSum(costs, weightSpans(weights))
  for (const one of minutes) sum.add(one)
  return sum.finish(rule)
}

/** Seconds that were paid for, by tenant, kind and cause. */
const seconds = ({ lines }: Chargeback) =>
  Object.fromEntries(
    lines.map(({ tenantId, kind, cause, nanos }) => {
      const name = [tenantId ?? 'operator', kind, cause].filter(Boolean).join(' ')
      return [name, Number(nanos) / 1e6]
    }),
  )

describe('chargeback', () => {
  it('tells what was within the share, borrowed and lent, and what was nobody’s', () => {
    const back = charged([minute(0, { a: 45, b: 5 }, { down: 6 })])
    assert.deepEqual(seconds(back), {
      'a entitled': 27,
      'a borrowed': 18,
      'b entitled': 5,
      'operator shared down': 6,
      'operator shared free': 4,
    })
    // All that b left was lent or free, and a had the one part of it.
    assert.deepEqual([...back.lentUs], [['b', 18n * S]])
  })

  it('charges callers for what they gave up, and nobody for what engines and gateways lost', () => {
    const waste = { client_gone: 500, engine_failed: 1000 }
    const back = charged([minute(0, { a: [20, 2000, waste] })])
    assert.deepEqual(seconds(back), {
      'a entitled': 5,
      'a wasted client_gone': 5,
      'operator shared engine_failed': 10,
      'operator shared free': 40,
    })
  })

  it('shares idle time by weight or by use, and leaves none of it then', () => {
    const minutes = [minute(0, { a: 30, b: 10 }), minute(1, {}, { down: 20 })]
    assert.deepEqual(seconds(charged(minutes, 'weight')), {
      'a entitled': 30,
      'a shared down': 10,
      'a shared free': 30,
      'b entitled': 10,
      'b shared down': 10,
      'b shared free': 30,
    })
    const { 'a shared free': a, 'b shared free': b } = seconds(charged(minutes, 'use'))
    assert.deepEqual([a, b], [45, 15])
  })

  it('takes each minute at the cost and the weights that held then', () => {
    const costs = [cost('eng_1', RATE), cost('eng_1', 3n * RATE, MINUTE_MS)]
    const weights = [...equal, { tenantId: 'a', fromMs: MINUTE_MS, weight: 0 }]
    const back = charged([minute(0, { a: 10 }), minute(1, { a: 10 })], 'weight', costs, weights)
    assert.deepEqual(seconds(back), {
      'a entitled': 10,
      'a borrowed': 30,
      'a shared free': 25,
      'b shared free': 175,
    })
  })

  it('gives a tenant its share from the minute on in which it was made', () => {
    const weights = [equal[0], { tenantId: 'b', fromMs: MINUTE_MS + 59_000, weight: 1 }]
    const minutes = [minute(0, { b: 10 }), minute(1, { b: 20 })]
    const back = charged(
      minutes,
      'operator',
      undefined,
      weights.filter((one) => one !== undefined),
    )
    const { 'b borrowed': borrowed, 'b entitled': entitled } = seconds(back)
    assert.deepEqual([borrowed, entitled], [10, 20])
  })

  it('says what has no cost, and gives replicas that of their entry', () => {
    const replica = { ...minute(0, { a: 60 }), engineId: 'eng_1-2' }
    const unknown = { ...minute(0, { a: 60 }), engineId: 'eng_2' }
    const { engines } = charged([replica, unknown])
    assert.deepEqual(
      engines.map(({ engineId, nanos, uncostedUs }) => [engineId, nanos, uncostedUs]),
      [
        ['eng_1-2', 60n * S, 0n],
        ['eng_2', 0n, 60n * S],
      ],
    )
  })

  it('does not count a minute twice that two gateways watched, and says what is in no part', () => {
    const { registeredUs, tenants, ...one } = minute(0, { a: 30 })
    const twice = { ...one, registeredUs: 2n * registeredUs, tenants: [...tenants, ...tenants] }
    const idle = new Map([...one.idle].map(([cause, us]) => [cause, 2n * us]))
    assert.equal(charged([{ ...twice, idle }]).engines[0]?.nanos, 60n * S)
    const short = { ...minute(0, { a: 30 }), idle: new Map<IdleCause, bigint>() }
    assert.equal(charged([short]).engines[0]?.unexplainedUs, 30n * S)
    const empty = { ...short, tenants: [] }
    assert.deepEqual(seconds(charged([empty])), { 'operator shared unmeasured': 60 })
  })
})

/** Milliseconds of four tenants within a minute, and what a third of it may have lost. */
const anyMinute = fc.tuple(
  fc.nat(9),
  fc.array(fc.nat(15_000), { minLength: 4, maxLength: 4 }),
  fc.nat(2000),
)
const anyMonth = fc.uniqueArray(anyMinute, { minLength: 1, maxLength: 8, selector: ([at]) => at })
type Month = [number, number[], number][]

const names = ['a', 'b', 'c', 'd']
const weights = names.map((tenantId, at) => ({ tenantId, fromMs: 0, weight: at + 1 }))
const odd = [cost('eng_1', 1_234_567_891n), cost('eng_1', 987_654_321n, 5 * MINUTE_MS)]
const minutesOf = (month: Month) =>
  month.map(([at, uses, lost]) => {
    const waste = { client_gone: lost, timeout: lost / 3 }
    const use = (ms: number) => [ms / 1000, 1000, waste] as [number, number, Record<string, number>]
    return minute(at, Object.fromEntries(uses.map((ms, who) => [names[who], use(ms)])))
  })
const paid = ({ lines }: Chargeback, of: string | null) =>
  lines.reduce((sum, { tenantId, nanos }) => (tenantId === of ? sum + nanos : sum), 0n)
const total = ({ engines }: Chargeback) => engines.reduce((sum, { nanos }) => sum + nanos, 0n)

describe('any month', () => {
  it('comes to the same in any order, and its parts to the cost of the engines', () => {
    fc.assert(
      fc.property(anyMonth, fc.constantFrom(...idleRules), (month, rule) => {
        const minutes = minutesOf(month)
        const back = charged(minutes, rule, odd, weights)
        assert.deepEqual(charged(minutes.toReversed(), rule, odd, weights), back)
        const parts = [null, ...names].map((name) => paid(back, name))
        assert.equal(
          parts.reduce((sum, nanos) => sum + nanos),
          total(back),
        )
        if (rule !== 'operator') assert.equal(parts[0], 0n)
      }),
    )
  })

  it('costs two halves of a tenant what the whole one paid, but for the rounding', () => {
    const halves = weights.flatMap((one) =>
      one.tenantId === 'd' ? ['d', 'e'].map((tenantId) => ({ ...one, tenantId, weight: 2 })) : one,
    )
    fc.assert(
      fc.property(anyMonth, fc.constantFrom(...idleRules), (month, rule) => {
        const whole = minutesOf(month)
        const split = whole.map((one) => ({
          ...one,
          tenants: one.tenants.flatMap((use) => {
            if (use.tenantId !== 'd') return use
            // Odd microseconds go to the second half.
            const half = {
              usedUs: use.usedUs / 2n,
              microUnits: use.microUnits / 2n,
              waste: new Map([...use.waste].map(([cause, units]) => [cause, units / 2n])),
            }
            const rest = {
              usedUs: use.usedUs - half.usedUs,
              microUnits: use.microUnits - half.microUnits,
              waste: new Map([...use.waste].map(([c, u]) => [c, u - (half.waste.get(c) ?? 0n)])),
            }
            return [
              { tenantId: 'd', ...half },
              { tenantId: 'e', ...rest },
            ]
          }),
        }))
        const before = charged(whole, rule, odd, weights)
        const after = charged(split, rule, odd, halves)
        assert.equal(total(after), total(before))
        const off = paid(after, 'd') + paid(after, 'e') - paid(before, 'd')
        // One nano for each division that rounded, and what half a microsecond of waste weighs.
        assert.ok(off >= -40n && off <= 40n, `${off} nanos`)
      }),
    )
  })
})
