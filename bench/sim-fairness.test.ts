import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../src/base/index.ts'
import {
  type CostWeights,
  costOfProfile,
  defaultSchedulerConfig,
  Scheduler,
  Simulation,
} from '../src/pool/index.ts'
import { boundUnits } from './sim-fairness.ts'
import { modelShares, prefixCost } from './sim-fairness-more.ts'
import { GapMeter } from './sim-gaps.ts'
import { LeastCounter } from './sim-schedulers.ts'
import { fairnessSuites, profileOf, type Suite } from './sim-suites.ts'

const cost = costOfProfile(profileOf('a10g-7b'))

function gapsOf(suite: Suite, order: 'fair' | 'fcfs' | 'least', weights: CostWeights): GapMeter {
  const gaps = new GapMeter(suite.tenants, weights)
  new Simulation({
    engines: suite.engines,
    requests: suite.requests,
    scheduler:
      order === 'least'
        ? new LeastCounter(weights)
        : new Scheduler({ ...defaultSchedulerConfig, cost: weights, order }),
    weights: new Map(suite.tenants.map(({ name, weight }) => [name, weight])),
    observers: [gaps],
    untilMs: suite.durationMs,
  }).run()
  return gaps
}

describe('fairness on a virtual clock', () => {
  const seed = 3
  const suites = fairnessSuites(seed)

  for (const suite of suites.filter(({ name }) => !name.startsWith('long'))) {
    it(`keeps tenants of "${suite.name}" within the bound`, (t) => {
      t.diagnostic(`seed ${seed}`)
      const gap = gapsOf(suite, 'fair', cost).worst(boundUnits(suite, cost))
      assert.ok(gap.over2U <= 1, `${gap.gap} units are ${gap.over2U} of the bound`)
    })
  }

  it('is not kept by first come, first served', () => {
    const suite = suites.find(({ name }) => name === 'overload')
    assert.ok(suite)
    const gap = gapsOf(suite, 'fcfs', cost).worst(boundUnits(suite, cost))
    assert.ok(gap.over2U > 1)
  })

  it('gives no credit for idle time, unlike counters without lift', () => {
    const suite = suites.find(({ name }) => name === 'on-off-overload')
    assert.ok(suite)
    const of = (order: 'fair' | 'least') => gapsOf(suite, order, cost).worst(1).gap
    assert.ok(of('fair') < of('least'))
  })

  it('costs next to nothing where prefixes are shared, and pure affinity is not fair', (t) => {
    t.diagnostic(`seed ${seed}`)
    const prefixes = prefixCost(seededRandom(seed))
    assert.ok(prefixes.answersVsAffinity > 0.9, JSON.stringify(prefixes))
    assert.ok(prefixes.answersVsAffinityInTurn < 0.6, JSON.stringify(prefixes))
    assert.ok(prefixes.maxGapOver2U <= 1, JSON.stringify(prefixes))
    assert.ok(prefixes.maxGapOver2UAffinity > prefixes.maxGapOver2U, JSON.stringify(prefixes))
  })

  it('is max-min where tenants ask for different models', () => {
    const { maxMinError } = modelShares(seed)
    assert.ok(maxMinError < 0.1, `shares are off by ${maxMinError}`)
  })
})
