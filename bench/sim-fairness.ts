/**
 * How fair the scheduler is on a virtual clock: the gap between tenants that both have work
 * waiting, as a part of the bound that follows from configuration, and what fairness costs.
 */
import { seededRandom } from '../src/base/index.ts'
import {
  type CostWeights,
  costOfProfile,
  defaultSchedulerConfig,
  Scheduler,
  type SimScheduler,
  type SimTicket,
  Simulation,
} from '../src/pool/index.ts'
import { mean, percentile } from './quantiles.ts'
import { modelShares, prefixCost } from './sim-fairness-more.ts'
import { GapMeter } from './sim-gaps.ts'
import { LeastCounter, RoundRobin } from './sim-schedulers.ts'
import { fairnessSuites, type Suite } from './sim-suites.ts'

export interface FairnessOptions {
  seed?: number
  log(line: string): void
}

const ORDERS: Record<string, (cost: CostWeights) => SimScheduler> = {
  fcfs: (cost) => new Scheduler({ ...defaultSchedulerConfig, cost, order: 'fcfs' }),
  leastCounter: (cost) => new LeastCounter(cost),
  roundRobin: (cost) => new RoundRobin(cost),
  ours: (cost) => new Scheduler({ ...defaultSchedulerConfig, cost }),
}

/** What an engine's times give, so that throughput is time and not a matter of the mix. */
function costOf({ engines }: Suite): CostWeights {
  const [engine] = engines
  if (engine === undefined) throw new Error('a suite has an engine')
  return costOfProfile(engine.profile)
}

/** First come, first served takes no express sequences, so on equal terms nobody has any. */
function withoutExpress(suite: Suite): Suite {
  const engines = suite.engines.map((engine) => ({
    ...engine,
    profile: { ...engine.profile, express: 0 },
  }))
  return { ...suite, engines }
}

interface OrderResult {
  maxGap: number
  maxGapOver2U: number
  meanGap: number
  throughputVsFcfs: number
  lightTtftMs: number | undefined
  lightTtftP99Ms: number | undefined
}

/**
 * U = max(w_in × largest input, w_out × M), M = (cap + express) × largest context, all of it
 * configured; never the largest that happened to be seen.
 */
export function boundUnits(suite: Suite, cost: CostWeights): number {
  const sequences = Math.max(...suite.engines.map(({ profile }) => profile.cap + profile.express))
  return Math.max(cost.input * suite.inputTokensMax, cost.output * sequences * suite.contextTokens)
}

function play(suite: Suite, scheduler: SimScheduler) {
  const gaps = new GapMeter(suite.tenants, costOf(suite))
  const light: SimTicket[] = []
  const arrived = (ticket: SimTicket) => {
    if (ticket.request.tenant === suite.light) light.push(ticket)
  }
  new Simulation({
    engines: suite.engines,
    requests: suite.requests,
    scheduler,
    weights: new Map(suite.tenants.map(({ name, weight }) => [name, weight])),
    observers: [gaps, { arrived }],
    control: () => gaps.sample(),
    untilMs: suite.durationMs,
  }).run()
  // Who is still waiting counts with the time until now.
  const ttftMs = light.map(
    ({ arrivedMs, firstTokenMs }) => (firstTokenMs ?? suite.durationMs) - arrivedMs,
  )
  return { gaps, ttftMs }
}

function judge(suite: Suite): Record<string, OrderResult> {
  const played = Object.entries(ORDERS).map(
    ([name, create]) => [name, play(suite, create(costOf(suite)))] as const,
  )
  const fcfs = played.find(([name]) => name === 'fcfs')?.[1].gaps.total ?? Number.NaN
  const u = boundUnits(suite, costOf(suite))
  return Object.fromEntries(
    played.map(([name, { gaps, ttftMs }]) => {
      const { gap, over2U } = gaps.worst(u)
      const hasLight = ttftMs.length > 0
      const result: OrderResult = {
        maxGap: Math.round(gap),
        maxGapOver2U: round(over2U),
        meanGap: Math.round(gaps.meanGap),
        throughputVsFcfs: round(gaps.total / fcfs),
        lightTtftMs: hasLight ? Math.round(mean(ttftMs)) : undefined,
        lightTtftP99Ms: hasLight ? Math.round(percentile(ttftMs, 0.99)) : undefined,
      }
      return [name, result]
    }),
  )
}

/** Work done ÷ that of first come, first served with exactly as many places. */
function equalThroughput(suite: Suite): number {
  const equal = withoutExpress(suite)
  const totalOf = (order: 'fcfs' | 'fair') => {
    const scheduler = new Scheduler({ ...defaultSchedulerConfig, cost: costOf(suite), order })
    return play(equal, scheduler).gaps.total
  }
  return round(totalOf('fair') / totalOf('fcfs'))
}

const round = (value: number) => Math.round(value * 1e4) / 1e4

/** Runs all suites. @returns the figures of `ours`, the other orders beside it */
export function benchSimFairness({ seed = 1, log }: FairnessOptions): object {
  const suites = fairnessSuites(seed).map((suite) => {
    const { ours, ...others } = judge(suite)
    if (ours === undefined) throw new Error('the order `ours` did not run')
    const throughputEqualPlaces = equalThroughput(suite)
    log(
      `${suite.name}: gap ${ours.maxGapOver2U} of 2U (first come first served ` +
        `${others.fcfs?.maxGapOver2U}), throughput ${ours.throughputVsFcfs}, ` +
        `with as many places ${throughputEqualPlaces}`,
    )
    const cost = costOf(suite)
    const bound = { cost, boundUnits: boundUnits(suite, cost) }
    return { name: suite.name, ...bound, ...ours, throughputEqualPlaces, orders: others }
  })
  const models = modelShares(seed)
  const prefixes = prefixCost(seededRandom(seed))
  log(`max-min over models: error ${models.maxMinError}; prefixes: ${JSON.stringify(prefixes)}`)
  log(
    `where prefixes are shared, fairness costs ` +
      `${(100 * (1 - prefixes.answersVsAffinity)).toFixed(1)} % of the answers of pure affinity`,
  )
  return {
    suites,
    models,
    prefixes,
    maxGapOver2U: Math.max(...suites.map((suite) => suite.maxGapOver2U)),
    throughputVsFcfs: Math.min(...suites.map((suite) => suite.throughputVsFcfs)),
    throughputEqualPlaces: [
      Math.min(...suites.map((suite) => suite.throughputEqualPlaces)),
      Math.max(...suites.map((suite) => suite.throughputEqualPlaces)),
    ],
    seed,
    rounds: 1,
  }
}
