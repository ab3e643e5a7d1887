/** From what requests met with to the figures of `bench utilisation`; no clock, no network. */
import type { Random } from '../src/base/index.ts'
import type { Call } from './chat-load.ts'
import { mean, pairedRatioInterval, percentile } from './quantiles.ts'
import type { Arm, TenantCall } from './utilisation-load.ts'

/** Weights of the cost unit: uncached prompt tokens and output tokens. */
export interface CostWeights {
  input: number
  output: number
}

/** What is promised to interactive requests; of pace at the p95. */
export interface Promises {
  ttftMs: number
  tokenGapMs: number
}

/** What one interactive request met with; a request that failed waited for ever. */
export interface Met {
  tenant: number
  ttftMs: number
  tokenGapMs: number | null
  endToEndMs: number
  /** Part of the time to first token that it waited in the gateway's queue. */
  queueMs: number
}

/** One arm of one block, reduced to what figures are made of. */
export interface ArmFigures {
  met: Met[]
  goodputUnitsPerS: number
  batchUnits: number[]
  occupancy: number
  /** Requests that were refused or failed. */
  failed: number
}

export const isFailed = (call: Call) => call.refused !== null || call.endMs === null

/** Mean time between the tokens of a request; null below two tokens. */
export function tokenGapMs({ tokenMs }: Call): number | null {
  const [first, last] = [tokenMs[0], tokenMs.at(-1)]
  if (first === undefined || last === undefined || tokenMs.length < 2) return null
  return (last - first) / (tokenMs.length - 1)
}

export function metOf(call: TenantCall): Met {
  const { tenant, sentMs, tokenMs, endMs } = call
  const queueMs = call.queueMs ?? 0
  if (isFailed(call)) {
    return { tenant, ttftMs: Infinity, tokenGapMs: null, endToEndMs: Infinity, queueMs }
  }
  return {
    tenant,
    ttftMs: (tokenMs[0] ?? Infinity) - sentMs,
    tokenGapMs: tokenGapMs(call),
    endToEndMs: (endMs ?? Infinity) - sentMs,
    queueMs,
  }
}

/** Service of finished requests that fell between two moments: prompt with the first token. */
export function unitsWithin(
  calls: readonly Call[],
  { fromMs, untilMs }: Pick<Arm, 'fromMs' | 'untilMs'>,
  cost: CostWeights,
): number {
  const isWithin = (atMs: number) => atMs >= fromMs && atMs < untilMs
  let units = 0
  for (const { usage, tokenMs } of calls) {
    const [first] = tokenMs
    if (usage === null || first === undefined) continue
    // An event may carry several tokens; the usage says how many they were in all.
    const perEvent = usage.outputTokens / tokenMs.length
    units += cost.output * perEvent * tokenMs.filter(isWithin).length
    if (isWithin(first)) units += cost.input * (usage.promptTokens - usage.cachedTokens)
  }
  return units
}

/** The p95 counts as the promise of pace, so single requests are held to the first token only. */
export function figuresOf(
  arm: Arm,
  batchTenants: number,
  ttftPromiseMs: number,
  cost: CostWeights,
): ArmFigures {
  const kept = arm.interactive.filter((call) => metOf(call).ttftMs <= ttftPromiseMs)
  const batchUnits = Array.from({ length: batchTenants }, (_, tenant) =>
    unitsWithin(
      arm.batch.filter((call) => call.tenant === tenant),
      arm,
      cost,
    ),
  )
  const good = unitsWithin(kept, arm, cost) + batchUnits.reduce((sum, units) => sum + units, 0)
  return {
    met: arm.interactive.map(metOf),
    goodputUnitsPerS: (1000 * good) / (arm.untilMs - arm.fromMs),
    batchUnits,
    occupancy: arm.occupancy.length === 0 ? Number.NaN : mean(arm.occupancy),
    failed: [...arm.interactive, ...arm.batch].filter(isFailed).length,
  }
}

/** Ratio of p99s to first token, of the tenant that fares worst, with its 95 % interval. */
export interface TenantRatio {
  tenant: number
  onMs: number
  offMs: number
  ratio: number
  low: number
  high: number
  n: number
}

/**
 * @param on what the same arrivals met with as in `off`, in the same order
 * @throws Error where they are not as many
 */
export function ttftRatios(on: readonly Met[], off: readonly Met[], random: Random): TenantRatio[] {
  if (on.length !== off.length) throw new Error('the arms did not have the same arrivals')
  const tenants = [...new Set(off.map(({ tenant }) => tenant))].sort((a, b) => a - b)
  return tenants.map((tenant) => {
    const of = (met: readonly Met[]) => met.filter((m) => m.tenant === tenant).map((m) => m.ttftMs)
    const [above, below] = [of(on), of(off)]
    const [onMs, offMs] = [percentile(above, 0.99), percentile(below, 0.99)]
    const { low, high } = pairedRatioInterval(above, below, 0.99, random)
    return { tenant, onMs, offMs, ratio: onMs / offMs, low, high, n: above.length }
  })
}

/** p95 over requests of their mean time between tokens. */
export function tokenGapP95(met: readonly Met[]): number {
  const gaps = met.flatMap((one) => (one.tokenGapMs === null ? [] : [one.tokenGapMs]))
  return percentile(gaps, 0.95)
}

/** Largest deviation of a share of service from the share of weight, over batch tenants. */
export function weightedShareError(units: readonly number[], weights: readonly number[]): number {
  const total = units.reduce((sum, one) => sum + one, 0)
  const weight = weights.reduce((sum, one) => sum + one, 0)
  const errors = units.map((one, i) => Math.abs(one / total / ((weights[i] ?? 0) / weight) - 1))
  return Math.max(...errors)
}
