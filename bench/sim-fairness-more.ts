/** Fairness where it is not one gap: tenants bound to different models, and shared prefixes. */
import type { Random } from '../src/base/index.ts'
import {
  type Arrival,
  costOfProfile,
  defaultSchedulerConfig,
  Scheduler,
  type SimRequest,
  type SimScheduler,
  Simulation,
} from '../src/pool/index.ts'
import { GapMeter } from './sim-gaps.ts'
import { PureAffinity } from './sim-schedulers.ts'
import { profileOf, requestsOf, SUITE_MS, suiteOf } from './sim-suites.ts'

const COST = costOfProfile(profileOf('a10g-7b'))
const ours = () => new Scheduler({ ...defaultSchedulerConfig, cost: COST })

/**
 * Two engines; one serves the model `small` only, the other `small` and `large`. A tenant asks for
 * `small`, four for `large`: max-min gives the first an engine, and each other a quarter of one.
 */
export function modelShares(seed: number) {
  const profile = profileOf('a10g-7b')
  const tenants = ['a', 'b', 'c', 'd', 'e']
  const model = (tenant: string) => (tenant === 'a' ? 'small' : 'large')
  const suite = suiteOf(
    {
      name: 'models',
      streams: tenants.map((tenant) => ({
        tenant,
        rate: 3,
        change: (request: SimRequest) => ({ ...request, model: model(tenant) }),
      })),
      models: Object.fromEntries(tenants.map((tenant) => [tenant, model(tenant)])),
      engines: [
        { id: 'first', profile, models: ['small'] },
        { id: 'second', profile, models: ['small', 'large'] },
      ],
    },
    seed,
  )
  const gaps = new GapMeter(suite.tenants, COST)
  const { engines, requests, durationMs } = suite
  new Simulation({
    engines,
    requests,
    scheduler: ours(),
    observers: [gaps],
    untilMs: durationMs,
  }).run()
  const shares = Object.fromEntries(
    tenants.map((tenant) => [tenant, round(gaps.received(tenant) / gaps.total)]),
  )
  const ideal = (tenant: string) => (tenant === 'a' ? 0.5 : 0.125)
  const errors = tenants.map((tenant) => Math.abs((shares[tenant] ?? 0) / ideal(tenant) - 1))
  return { shares, maxMinError: round(Math.max(...errors)) }
}

const PREFIXES = 6
const PREFIX_TOKENS = 1500

/** Four tenants with six long beginnings each, on four engines that hold a few of them. */
export function prefixCost(random: Random) {
  const tenants = ['a', 'b', 'c', 'd']
  const requests = tenants
    .flatMap((tenant, i) => {
      const change = (request: SimRequest): SimRequest => ({
        ...request,
        keyId: `${tenant}-${Math.floor(PREFIXES * random.next())}`,
      })
      // The first two ask for far more than their share.
      return requestsOf(
        { tenant, rate: i < 2 ? 9 : 3, input: PREFIX_TOKENS + 100, output: 64, change },
        SUITE_MS,
        random,
      )
    })
    .sort((a, b) => a.atMs - b.atMs)
    .map((request) => ({
      ...request,
      prefix: [{ id: request.keyId ?? '', tokens: PREFIX_TOKENS }],
    }))
  const affinity = playPrefixes(
    requests,
    new PureAffinity(COST, (arrival: Arrival) => arrival.keyId),
  )
  const fair = playPrefixes(requests, ours())
  const blind = playPrefixes(
    requests,
    new Scheduler({ ...defaultSchedulerConfig, cost: COST, affinityAdvanceUnits: 0 }),
  )
  return {
    answersVsAffinity: round(fair.answers / affinity.answers),
    answersVsAffinityInTurn: round(blind.answers / affinity.answers),
    hitShare: round(fair.hits),
    hitShareInTurn: round(blind.hits),
    hitShareAffinity: round(affinity.hits),
    maxGapOver2U: round(fair.gapOver2U),
    maxGapOver2UAffinity: round(affinity.gapOver2U),
  }
}

function playPrefixes(requests: SimRequest[], scheduler: SimScheduler) {
  const profile = { ...profileOf('a10g-7b'), kvTokens: 40_000 }
  const gaps = new GapMeter(
    [...new Set(requests.map(({ tenant }) => tenant))].map((name) => ({ name, weight: 1 })),
    COST,
  )
  let answers = 0
  let prompts = 0
  let read = 0
  new Simulation({
    engines: ['1', '2', '3', '4'].map((id) => ({ id, profile })),
    requests,
    scheduler,
    observers: [
      gaps,
      {
        promptRead: ({ request, uncachedTokens }) => {
          prompts += request.inputTokens
          read += uncachedTokens
        },
        ended: (_, outcome) => {
          if (outcome === 'done') answers++
        },
      },
    ],
    untilMs: SUITE_MS,
  }).run()
  // U of the four engines: every sequence at the largest context.
  const sequences = 4 * (profile.cap + profile.express)
  const { over2U } = gaps.worst(COST.output * sequences * (PREFIX_TOKENS + 100 + 64))
  return { answers, hits: 1 - read / prompts, gapOver2U: over2U }
}

const round = (value: number) => Math.round(value * 1e4) / 1e4
