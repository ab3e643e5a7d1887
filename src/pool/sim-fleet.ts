/** A number of equal engines under a trace: how they do, and how few are enough. */

import { bandOf } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { type CostWeights, defaultSchedulerConfig } from './scheduler-types.ts'
import type { Lengths, SimBatches } from './sim-batch.ts'
import { SimReserve } from './sim-control.ts'
import { HOUR_MS } from './sim-generate.ts'
import type { EngineProfile } from './sim-profile.ts'
import { type SimPromise, SimRecorder } from './sim-recorder.ts'
import type { TraceRow } from './sim-trace.ts'
import { Simulation } from './simulator.ts'

export interface Fleet {
  profile: EngineProfile
  cost: CostWeights
  engines: number
  promise: SimPromise
  weights?: ReadonlyMap<string, number>
}

export interface FleetRun {
  recorder: SimRecorder
  /** Sequences per engine that background work left free, on average. */
  meanReserve: number
  /** Sequences in flight on average, as a part of the caps. */
  slotOccupancy: number
}

/** Plays a trace, and batch work beside it, through the production scheduler. */
export function playFleet(
  { profile, cost, engines, promise, weights }: Fleet,
  rows: readonly TraceRow[],
  options: { untilMs: number; batches?: SimBatches },
): FleetRun {
  const recorder = new SimRecorder(cost, promise)
  const scheduler = new Scheduler({ ...defaultSchedulerConfig, cost })
  const reserve = new SimReserve(scheduler, { profile, engines, promiseMs: promise.ttftMs })
  const hasBackground =
    options.batches !== undefined ||
    rows.some(({ serviceClass }) => bandOf(serviceClass) === 'background')
  let occupied = 0
  let samples = 0
  const simulation = new Simulation({
    engines: Array.from({ length: engines }, (_, i) => ({ id: `engine-${i}`, profile })),
    requests: rows,
    feeds: options.batches ? [options.batches] : [],
    scheduler,
    ...(weights && { weights }),
    observers: [recorder, reserve],
    control(nowMs, now) {
      if (hasBackground) reserve.update(nowMs, now)
      for (const engine of now.engines.values()) occupied += Math.min(profile.cap, engine.held)
      samples += engines * profile.cap
    },
    untilMs: options.untilMs,
  })
  simulation.run()
  recorder.close(simulation.nowMs)
  return {
    recorder,
    meanReserve: reserve.meanReserve,
    slotOccupancy: samples === 0 ? 0 : occupied / samples,
  }
}

export interface Sizing {
  engines: number
  /** Why no number of engines keeps the promise, where that is so. */
  cannot?: string
}

/** Share of the promise that a prompt may take by itself before more engines are of no use. */
const OWN_SHARE = 0.9
/** Engines that are tried: so many times what the work alone would need, and a few. */
const ENGINES_PER_LOAD_MAX = 20
const ENGINES_MORE = 16

/**
 * The fewest engines with which every tenant's p99 of the time to first token keeps the promise in
 * the busiest two hours, batch left out.
 * @param unitsPerS capacity of one engine
 */
export function fewestEngines(
  fleet: Omit<Fleet, 'engines'>,
  rows: readonly TraceRow[],
  unitsPerS: number,
): Sizing {
  const { profile, cost, promise } = fleet
  if (rows.length === 0) return { engines: 0 }
  const ownMs = ownReadingP99Ms(profile, rows)
  if (ownMs > OWN_SHARE * promise.ttftMs) {
    const cannot =
      `the prompts alone take ${Math.round(ownMs)} ms to read at p99, ` +
      `of ${promise.ttftMs} ms promised`
    return { engines: 0, cannot }
  }
  const busy = busiest(rows, cost)
  const spanMs = Math.max(1000, (busy.at(-1)?.atMs ?? 0) + 1000)
  const isEnough = (engines: number) => {
    const { recorder } = playFleet({ ...fleet, engines }, busy, { untilMs: spanMs })
    return recorder.tenants.every((name) => recorder.tail(name).ttftP99Ms <= promise.ttftMs)
  }
  const load = (1000 * unitsOf(busy, cost)) / spanMs / unitsPerS
  let low = Math.max(1, Math.floor(load))
  if (isEnough(low)) return { engines: low }
  let high = low
  do {
    low = high
    high = Math.max(high + 1, Math.ceil(high * 1.3))
    if (low > load * ENGINES_PER_LOAD_MAX + ENGINES_MORE) {
      const cannot = `the promise is not kept with ${low} engines for the work of ${load.toFixed(1)}`
      return { engines: 0, cannot }
    }
  } while (!isEnough(high))
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (isEnough(middle)) high = middle
    else low = middle
  }
  return { engines: high }
}

/** Time to read a prompt on an idle engine that knows nothing, at p99 of the worst tenant. */
export function ownReadingP99Ms(profile: EngineProfile, rows: readonly TraceRow[]): number {
  const byTenant = Map.groupBy(rows, ({ tenant }) => tenant)
  const tails = [...byTenant.values()].map((own) => {
    const tokens = own.map(({ inputTokens }) => inputTokens).sort((a, b) => a - b)
    return tokens[Math.ceil(tokens.length * 0.99) - 1] ?? 0
  })
  return (1000 * Math.max(0, ...tails)) / profile.readTokensPerS
}

/** Service of rows, what prefixes may save left out. */
export function unitsOf(rows: readonly Lengths[], cost: CostWeights): number {
  return rows.reduce(
    (units, row) => units + cost.input * row.inputTokens + cost.output * row.outputTokens,
    0,
  )
}

/** The two hours with the most service, their times from 0 on; all of a shorter trace. */
export function busiest(rows: readonly TraceRow[], cost: CostWeights): TraceRow[] {
  const hours: TraceRow[][] = []
  for (const row of rows) {
    const hour = Math.floor(row.atMs / HOUR_MS)
    while (hours.length <= hour) hours.push([])
    hours[hour]?.push(row)
  }
  const loads = hours.map((hour) => unitsOf(hour, cost))
  let best = 0
  for (let i = 0; i < loads.length; i++) {
    const pair = (at: number) => (loads[at] ?? 0) + (loads[at + 1] ?? 0)
    if (pair(i) > pair(best)) best = i
  }
  const chosen = [...(hours[best] ?? []), ...(hours[best + 1] ?? [])]
  return chosen.map((row) => ({ ...row, atMs: row.atMs - best * HOUR_MS }))
}
