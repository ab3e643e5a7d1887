/**
 * What a trace of traffic needs: engines for every tenant alone, one pool for all, and a pool that
 * batch work fills; all played through the production scheduler, at the same promise. Pure.
 */
import { bandOf, type Random, seededRandom } from '../base/index.ts'
import { type Lengths, mixOf, portionsOf, SimBatches } from './sim-batch.ts'
import { capacityOf, promiseOf } from './sim-capacity.ts'
import { type Fleet, type FleetRun, fewestEngines, playFleet, unitsOf } from './sim-fleet.ts'
import { HOUR_MS } from './sim-generate.ts'
import { costOfProfile, type EngineProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'

export interface PlanOptions {
  /** In order of time, with tenants. */
  rows: readonly TraceRow[]
  profile: EngineProfile
  /** p99 of the time to first token that every tenant is promised. */
  ttftP99Ms: number
  costPerEngineHour?: number
  seed?: number
  /** Told before each part of the work: how many are done, of how many, and what comes now. */
  onStep?: PlanStep
}

export type PlanStep = (done: number, of: number, what: string) => void

/** Work is given out for this part of capacity. */
const TARGET = 0.95
const LOADS = [0.5, 1, 2, 4]
/** What is left at the end of a trace may finish within this time. */
const DRAIN_MS = 60_000
/** Copies of a request that stand for more traffic come within this time of it. */
export const COPY_SPREAD_MS = 600_000

interface Case {
  fleet: Omit<Fleet, 'engines'>
  unitsPerS: number
  spanMs: number
  costPerEngineHour: number | undefined
  mix: Lengths[]
}

/** @returns a report as the contract of the admin API has it (`PlanReport`) */
export function planFor(options: PlanOptions) {
  const { rows, ttftP99Ms, costPerEngineHour, seed = 1 } = options
  const spanMs = (rows.at(-1)?.atMs ?? 0) + DRAIN_MS
  const step = stepper(byTenant(rows).length + FIXED_STEPS, options.onStep)
  step('what one engine can do')
  const interactive = interactiveOf(rows)
  const mix = mixOf(rows, seededRandom(seed))
  const capacity = capacityOf(options.profile, mix)
  const { profile, unitsPerS } = capacity
  const cost = costOfProfile(options.profile)
  const promise = promiseOf(ttftP99Ms, capacity)
  const one: Case = { fleet: { profile, cost, promise }, unitsPerS, spanMs, costPerEngineHour, mix }
  step('the fewest engines of one pool')
  const pooled = fewestEngines(one.fleet, interactive, unitsPerS)
  const own = byTenant(rows).map(([tenant, mine]) => {
    step(`the fewest engines of ${tenant} alone`)
    const sizing = fewestEngines(one.fleet, interactiveOf(mine), unitsPerS)
    return { tenant, rows: mine, sizing }
  })
  const cannot = pooled.cannot ?? own.find(({ sizing }) => sizing.cannot)?.sizing.cannot ?? null
  const engines = Math.max(1, pooled.engines)
  const arrangements = cannot === null ? arrange(one, rows, engines, own, step) : []
  return {
    trace: {
      requests: rows.length,
      tenants: own.length,
      hours: round(spanMs / HOUR_MS),
      backgroundShare: round(1 - unitsOf(interactive, cost) / Math.max(1, unitsOf(rows, cost))),
    },
    engine: {
      name: profile.name,
      basis: profile.basis,
      cap: profile.cap,
      capacityUnitsPerS: Math.round(unitsPerS),
      cost,
    },
    promise: { ttftP99Ms, tokenGapMs: Math.round(promise.tokenGapMs) },
    costPerEngineHour: costPerEngineHour ?? null,
    arrangements,
    sensitivity: cannot === null ? sensitivity(one, rows, seed, step) : [],
    verdict: verdictOf(arrangements, cannot),
    cannot,
    seed,
  }
}

interface Own {
  tenant: string
  rows: TraceRow[]
  sizing: { engines: number }
}

type Step = (what: string) => void

/** Parts of the work besides one for each tenant. */
const FIXED_STEPS = 5 + LOADS.length

function stepper(of: number, onStep: PlanStep | undefined): Step {
  let done = 0
  return (what) => onStep?.(done++, of, what)
}

function arrange(
  one: Case,
  rows: readonly TraceRow[],
  pooled: number,
  own: readonly Own[],
  step: Step,
) {
  const untilMs = one.spanMs
  step('own engines over the whole trace')
  const alone = own.map(({ tenant, rows: mine, sizing }) => {
    const engines = Math.max(1, sizing.engines)
    return { tenant, engines, run: playFleet({ ...one.fleet, engines }, mine, { untilMs }) }
  })
  const total = alone.reduce((engines, each) => engines + each.engines, 0)
  const dedicated = {
    kind: 'dedicated' as const,
    ...figures(
      one,
      total,
      alone.map(({ run }) => run),
    ),
    batchPastWindow: 0,
    tenants: alone.map(({ tenant, engines, run }) => tenantOf(tenant, engines, run)),
  }
  const fleet = { ...one.fleet, engines: pooled }
  step('one pool over the whole trace')
  const together = playFleet(fleet, rows, { untilMs })
  const { goodUnits, lateUnits } = together.recorder
  const free = (TARGET * one.unitsPerS * pooled * untilMs) / 1000 - goodUnits - lateUnits
  const { cost } = one.fleet
  const batches = new SimBatches({
    portions: portionsOf(rows, Math.max(0, free), untilMs),
    mix: one.mix,
    unitsOf: (lengths) => unitsOf([lengths], cost),
    ahead: one.fleet.profile.cap * pooled,
  })
  step('the pool with batch work beside it')
  const filled = playFleet(fleet, rows, { untilMs, batches })
  const pool = (run: FleetRun) => ({
    ...figures(one, pooled, [run]),
    tenants: run.recorder.tenants.map((tenant) => tenantOf(tenant, null, run)),
  })
  return [
    dedicated,
    { kind: 'pooled' as const, ...pool(together), batchPastWindow: 0 },
    {
      kind: 'pooled_with_batch' as const,
      ...pool(filled),
      batchPastWindow: batches.lateLines,
    },
  ]
}

function figures(one: Case, engines: number, runs: readonly FleetRun[]) {
  const { unitsPerS, spanMs, costPerEngineHour } = one
  const total = (of: (run: FleetRun) => number) => runs.reduce((sum, run) => sum + of(run), 0)
  const good = total(({ recorder }) => recorder.goodUnits)
  const late = total(({ recorder }) => recorder.lateUnits)
  const background = total(({ recorder }) => recorder.backgroundTotal)
  const millionTokens = total(({ recorder }) => recorder.tokens) / 1e6
  const cost = costPerEngineHour === undefined ? null : costPerEngineHour * engines
  return {
    engines,
    utilisation: round(good / ((unitsPerS * engines * spanMs) / 1000)),
    millionTokens: round(millionTokens),
    costPerMillionTokens:
      cost === null ? null : round((cost * spanMs) / HOUR_MS / Math.max(1e-9, millionTokens)),
    batchShare: round(background / Math.max(1, good + late)),
  }
}

function tenantOf(tenant: string, engines: number | null, { recorder }: FleetRun) {
  const { n: _n, ...tail } = recorder.worstHour(tenant)
  return { tenant, engines, requests: recorder.tail(tenant).n, ...rounded(tail) }
}

/** Engines needed by the traffic times a factor. */
function sensitivity(one: Case, rows: readonly TraceRow[], seed: number, step: Step) {
  return LOADS.map((load) => {
    step(`${load} times the traffic`)
    const scaled = scale(rows, load, seededRandom(seed))
    const fewest = (some: readonly TraceRow[]) =>
      fewestEngines(one.fleet, interactiveOf(some), one.unitsPerS)
    const pooled = fewest(scaled)
    const own = byTenant(scaled).map(([, mine]) => fewest(mine))
    const isPossible = own.every(({ cannot }) => cannot === undefined)
    // Whoever has nothing but background work needs an engine for it, too.
    const dedicated = own.reduce((sum, { engines }) => sum + Math.max(1, engines), 0)
    return {
      load,
      dedicatedEngines: isPossible ? dedicated : null,
      pooledEngines: pooled.cannot === undefined ? Math.max(1, pooled.engines) : null,
    }
  })
}

/** So many times the traffic of each tenant: requests left out, or repeated a little later. */
export function scale(rows: readonly TraceRow[], load: number, random: Random): TraceRow[] {
  const spanMs = (rows.at(-1)?.atMs ?? 0) + 1
  const scaled = rows.flatMap((row) => {
    const copies = Math.floor(load) + (random.next() < load % 1 ? 1 : 0)
    return Array.from({ length: copies }, (_, copy) => {
      const shiftMs = copy === 0 ? 0 : random.next() * COPY_SPREAD_MS
      return copy === 0 ? row : { ...row, atMs: (row.atMs + shiftMs) % spanMs }
    })
  })
  return scaled.sort((a, b) => a.atMs - b.atMs)
}

function verdictOf(arrangements: readonly { engines: number }[], cannot: string | null) {
  const [dedicated, pooled] = arrangements
  if (!dedicated || !pooled) {
    return { pays: false, sentence: `These engines cannot keep the promise: ${cannot}.` }
  }
  const pays = pooled.engines < dedicated.engines
  const times = Math.round((10 * dedicated.engines) / pooled.engines) / 10
  const sentence = pays
    ? `One pool needs ${counted(pooled.engines)} where tenants alone need ${dedicated.engines}: ${times} times as many.`
    : `Pooling does not pay here: tenants alone need ${counted(dedicated.engines)}, one pool ${pooled.engines}.`
  return { pays, sentence }
}

const counted = (engines: number) => `${engines} engine${engines === 1 ? '' : 's'}`

const interactiveOf = (rows: readonly TraceRow[]) =>
  rows.filter(({ serviceClass }) => bandOf(serviceClass) === 'interactive')

const byTenant = (rows: readonly TraceRow[]) =>
  [...Map.groupBy(rows, ({ tenant }) => tenant)].sort(([a], [b]) => (a < b ? -1 : 1))

const round = (value: number) => Math.round(value * 1e4) / 1e4

const rounded = <Figures extends Record<string, number>>(figures: Figures) =>
  Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, Math.round(value)]),
  ) as Figures
