/** The two sides of `bench sim-real`, real and simulated, and how far they are apart. */
import { type ServiceClass, seededRandom } from '../src/base/index.ts'
import type { EngineProfileView } from '../src/http/index.ts'
import {
  capacityOf,
  type Lengths,
  mixOf,
  parseProfile,
  playFleet,
  type TraceRow,
} from '../src/pool/index.ts'
import type { Call } from './chat-load.ts'
import { percentile } from './quantiles.ts'
import { isFailed, unitsWithin } from './utilisation-figures.ts'

/** Of the tenants of people, and how many tenants have batch work; these weigh 1, 2, … */
export const WEIGHTS = [1, 2, 3]
export const BATCH_TENANTS = 2
export const COST = { input: 1, output: 2 }
const TTFT_MS = 1000
/** Two capacities of an engine that differ by more say little of the time between them. */
const DRIFT_MAX = 0.1
/** What the simulator may be off by: points of utilisation, and parts of first tokens. */
const ALLOWED = { points: 3, p50: 0.2, p99: 0.35 }

/** A request of the trace; times of its call are those since the trace began. */
export interface Played {
  tenant: string
  serviceClass: ServiceClass
  dueMs: number
  call: Call
}

/** What is measured of a real server beside the trace. */
export interface RealRun {
  seconds: number
  seed: number
  /** Time to first token that is none of the engine's. */
  outsideMs: number
  /** Closed loops before and after the trace, with what they asked for. */
  before: Loop
  after: Loop
  played: readonly Played[]
}

interface Loop {
  capacityUnitsPerS: number
  lengths: readonly Lengths[]
}

interface Side {
  utilisation: number
  /** Part of the capacity that went to first tokens after the promise. */
  lateShare: number
  ttftP50Ms: number
  ttftP99Ms: number
  n: number
  capacityUnitsPerS: number
  /** What utilisation is of the capacity. */
  goodUnitsPerS: number
}

/** @returns both sides of a run, their differences, and which of them are more than allowed */
export function sidesOf(run: RealRun, profile: EngineProfileView) {
  const real = realSide(run)
  const simulated = simulatedSide(run, profile)
  const drift = run.after.capacityUnitsPerS / run.before.capacityUnitsPerS - 1
  return {
    ...comparison(real, simulated),
    valid: Math.abs(drift) <= DRIFT_MAX,
    capacityDrift: round(drift),
    outsideEngineMs: run.outsideMs,
  }
}

/**
 * Work counts where it ended inside the trace's time and, if interactive, began in time. Capacity
 * is the mean of what was measured before and after: the higher one would be the luckier one, and
 * that of the model has no luck.
 */
function realSide({ played, seconds, before, after }: RealRun) {
  const capacityUnitsPerS = (before.capacityUnitsPerS + after.capacityUnitsPerS) / 2
  const people = played.filter(({ serviceClass }) => serviceClass === 'standard')
  const window = { fromMs: 0, untilMs: seconds * 1000 }
  const isGood = ({ call, serviceClass }: Played) =>
    serviceClass === 'batch' || ttftMs(call) <= TTFT_MS
  const ended = played.filter(
    ({ call }) => (call.endMs ?? Number.POSITIVE_INFINITY) <= window.untilMs,
  )
  const unitsPerS = (some: readonly Played[]) => {
    const calls = some.map(({ call }) => call)
    return unitsWithin(calls, window, COST) / seconds
  }
  const goodUnitsPerS = unitsPerS(ended.filter(isGood))
  const lateUnitsPerS = unitsPerS(ended.filter((one) => !isGood(one)))
  const ttfts = people.map(({ call }) => ttftMs(call))
  return {
    utilisation: round(goodUnitsPerS / capacityUnitsPerS),
    lateShare: round(lateUnitsPerS / capacityUnitsPerS),
    ttftP50Ms: round(percentile(ttfts, 0.5)),
    ttftP99Ms: round(percentile(ttfts, 0.99)),
    n: ttfts.length,
    capacityUnitsPerS: round(capacityUnitsPerS),
    goodUnitsPerS: round(goodUnitsPerS),
    failed: played.filter(({ call }) => isFailed(call)).length,
  }
}

export const ttftMs = (call: Call) =>
  isFailed(call) ? Number.POSITIVE_INFINITY : (call.tokenMs[0] ?? 0) - call.sentMs

/**
 * The trace with the lengths that the engine counted. What it found read is a beginning that all
 * prompts of a tenant share; those of which it found nothing begin like the others.
 */
export function traceOf(played: readonly Played[]): TraceRow[] {
  const sharedBy = new Map(
    [...Map.groupBy(played, ({ tenant }) => tenant)].map(([tenant, own]) => {
      const found = own.flatMap(({ call }) => call.usage?.cachedTokens || [])
      return [tenant, found.length > 0 ? percentile(found, 0.5) : 0]
    }),
  )
  return played.flatMap(({ call: { usage }, dueMs, tenant, serviceClass }) => {
    if (usage === null) return []
    const { promptTokens: inputTokens, cachedTokens, outputTokens } = usage
    const shared = cachedTokens || (sharedBy.get(tenant) ?? 0)
    const tokens = Math.min(inputTokens - 1, shared)
    const prefix = tokens > 0 ? [{ id: tenant, tokens }] : []
    return [{ atMs: dueMs, tenant, serviceClass, inputTokens, outputTokens, prefix }]
  })
}

/** What the engine found read need not be read; none where it told nothing. */
export function lengthsOf({ usage }: Call): Lengths[] {
  if (usage === null) return []
  const { promptTokens, cachedTokens, outputTokens } = usage
  return [{ inputTokens: Math.max(1, promptTokens - cachedTokens), outputTokens }]
}

function simulatedSide(real: RealRun, measured: EngineProfileView): Side {
  const { seconds, seed, outsideMs, before, after } = real
  const profile = parseProfile(measured)
  const loop = mixOf([...before.lengths, ...after.lengths], seededRandom(seed))
  const weights = new Map(WEIGHTS.map((weight, i) => [`people-${i}`, weight]))
  for (let i = 0; i < BATCH_TENANTS; i++) weights.set(`night-${i}`, 1 + i)
  const { unitsPerS } = capacityOf(profile, loop, COST)
  const promise = { ttftMs: TTFT_MS, tokenGapMs: Number.MAX_SAFE_INTEGER }
  const run = playFleet(
    { profile, cost: COST, engines: 1, promise, weights },
    traceOf(real.played),
    { untilMs: seconds * 1000 },
  )
  const tail = run.recorder.tail()
  return {
    utilisation: round(run.recorder.goodUnits / (unitsPerS * seconds)),
    lateShare: round(run.recorder.lateUnits / (unitsPerS * seconds)),
    ttftP50Ms: round(tail.ttftP50Ms + outsideMs),
    ttftP99Ms: round(tail.ttftP99Ms + outsideMs),
    n: tail.n,
    capacityUnitsPerS: round(unitsPerS),
    goodUnitsPerS: round(run.recorder.goodUnits / seconds),
  }
}

function comparison(real: Side, simulated: Side) {
  const off = (of: (side: Side) => number) => round(of(simulated) / of(real) - 1)
  const difference = {
    utilisationPoints: round(100 * (simulated.utilisation - real.utilisation)),
    ttftP50: off(({ ttftP50Ms }) => ttftP50Ms),
    ttftP99: off(({ ttftP99Ms }) => ttftP99Ms),
    capacity: off(({ capacityUnitsPerS }) => capacityUnitsPerS),
    goodUnits: off(({ goodUnitsPerS }) => goodUnitsPerS),
  }
  const within = {
    utilisation: Math.abs(difference.utilisationPoints) <= ALLOWED.points,
    ttftP50: Math.abs(difference.ttftP50) <= ALLOWED.p50,
    ttftP99: Math.abs(difference.ttftP99) <= ALLOWED.p99,
  }
  return { real, simulated, difference, within }
}

export const round = (value: number) => Math.round(value * 1e4) / 1e4
