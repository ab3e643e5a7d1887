/**
 * One question about a plan, answered in seconds: what if one more tenant came, the load grew, or
 * an engine were added or taken away. Plays the busiest time of the trace before and after. Pure.
 */
import { bandOf, GristmillError, type Random, seededRandom } from '../base/index.ts'
import { mixOf } from './sim-batch.ts'
import { capacityOf, promiseOf } from './sim-capacity.ts'
import { busiest, type Fleet, fewestEngines, playFleet, unitsOf } from './sim-fleet.ts'
import { COPY_SPREAD_MS, type PlanStep, scale } from './sim-plan.ts'
import { costOfProfile, type EngineProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'

export type PlanChange =
  /** One more tenant that asks as this one does, a little later. */
  | { kind: 'tenant'; like: string }
  /** So many times the traffic of each tenant. */
  | { kind: 'load'; factor: number }
  /** So many engines more; fewer where negative. */
  | { kind: 'engines'; more: number }

export interface WhatIfOptions {
  /** In order of time, with tenants. */
  rows: readonly TraceRow[]
  profile: EngineProfile
  ttftP99Ms: number
  change: PlanChange
  /** Engines of the pool now; the fewest that keep the promise where absent. */
  engines?: number | undefined
  seed?: number
  onStep?: PlanStep
}

/** More requests than this are not played: the time that is looked at is halved instead. */
const REQUESTS_MAX = 20_000
const TAIL_MS = 1000
const STEPS = 4

/** @returns an answer as the contract of the admin API has it (`WhatIfReport`) */
export function whatIf(options: WhatIfOptions) {
  const { rows, profile: sheet, ttftP99Ms, change, seed = 1, onStep } = options
  onStep?.(0, STEPS, 'what one engine can do')
  const capacity = capacityOf(sheet, mixOf(rows, seededRandom(seed)))
  const { profile, unitsPerS } = capacity
  const cost = costOfProfile(sheet)
  const fleet = { profile, cost, promise: promiseOf(ttftP99Ms, capacity) }
  const interactive = rows.filter(({ serviceClass }) => bandOf(serviceClass) === 'interactive')
  const now = shortened(busiest(interactive, cost), cost)
  if (now.length === 0)
    throw refusal('trace', 'nobody in it waits for an answer, all is background')
  const then = changed(now, change, seededRandom(seed))
  onStep?.(1, STEPS, 'the pool as it is')
  const sized = options.engines ?? fewestEngines(fleet, now, unitsPerS).engines
  const engines = Math.max(1, sized)
  const after = engines + (change.kind === 'engines' ? change.more : 0)
  if (after < 1) throw refusal('engines', `of ${engines} engines at least one must stay`)
  const before = outcome({ ...fleet, engines }, now, unitsPerS)
  onStep?.(2, STEPS, 'the pool after the change')
  const changedOutcome = outcome({ ...fleet, engines: after }, then, unitsPerS)
  onStep?.(3, STEPS, 'the fewest engines after the change')
  const needed = fewestEngines(fleet, then, unitsPerS)
  return {
    change,
    basis: basisOf(now, profile.name),
    before,
    after: changedOutcome,
    enginesNeeded: needed.cannot === undefined ? needed.engines : null,
    cannot: needed.cannot ?? null,
    sentence: sentenceOf(changedOutcome, needed, ttftP99Ms),
  }
}

/** The half with more service, again and again, until few enough requests are left. */
function shortened(rows: TraceRow[], cost: Fleet['cost']): TraceRow[] {
  let left = rows
  while (left.length > REQUESTS_MAX) {
    const begin = left[0]?.atMs ?? 0
    const middle = (begin + (left.at(-1)?.atMs ?? 0)) / 2
    const halves = [
      left.filter(({ atMs }) => atMs < middle),
      left.filter(({ atMs }) => atMs >= middle),
    ] as const
    const fuller = unitsOf(halves[0], cost) >= unitsOf(halves[1], cost) ? halves[0] : halves[1]
    // All of them at one moment cannot be told apart.
    if (fuller.length === left.length) break
    left = fuller
  }
  const beginMs = left[0]?.atMs ?? 0
  return left.map((row) => ({ ...row, atMs: row.atMs - beginMs }))
}

function changed(rows: TraceRow[], change: PlanChange, random: Random): TraceRow[] {
  if (change.kind === 'engines') return rows
  if (change.kind === 'load') return scale(rows, change.factor, random)
  const { like } = change
  const own = rows.filter(({ tenant }) => tenant === like)
  if (own.length === 0) throw refusal('like', `${like} asks for nothing in the busiest time`)
  const spanMs = (rows.at(-1)?.atMs ?? 0) + 1
  const spread = Math.min(COPY_SPREAD_MS, spanMs)
  const copies = own.map((row) => ({
    ...row,
    tenant: copyOf(like),
    atMs: (row.atMs + random.next() * spread) % spanMs,
  }))
  return [...rows, ...copies].sort((a, b) => a.atMs - b.atMs)
}

const copyOf = (tenant: string) => `${tenant} (copy)`

function outcome(fleet: Fleet, rows: readonly TraceRow[], unitsPerS: number) {
  const untilMs = (rows.at(-1)?.atMs ?? 0) + TAIL_MS
  const { recorder } = playFleet(fleet, rows, { untilMs })
  const tenants = recorder.tenants.toSorted().map((tenant) => {
    const { n, ...tail } = recorder.tail(tenant)
    const { ttftP50Ms, ttftP99Ms, waitP50Ms, waitP99Ms } = tail
    return {
      tenant,
      engines: null,
      requests: n,
      ttftP50Ms: Math.round(ttftP50Ms),
      ttftP99Ms: Math.round(ttftP99Ms),
      waitP50Ms: Math.round(waitP50Ms),
      waitP99Ms: Math.round(waitP99Ms),
    }
  })
  const late = tenants.filter(({ ttftP99Ms }) => ttftP99Ms > fleet.promise.ttftMs)
  const capacityUnits = (unitsPerS * fleet.engines * untilMs) / 1000
  return {
    engines: fleet.engines,
    requests: rows.length,
    utilisation: Math.round((1e4 * recorder.goodUnits) / capacityUnits) / 1e4,
    late: late.map(({ tenant }) => tenant),
    tenants,
  }
}

function sentenceOf(
  { engines, late }: { engines: number; late: string[] },
  needed: { engines: number; cannot?: string },
  ttftP99Ms: number,
): string {
  const have = engines === 1 ? 'One engine' : `${engines} engines`
  const keeps = engines === 1 ? 'keeps' : 'keep'
  if (late.length === 0) {
    const spare = needed.cannot === undefined ? engines - needed.engines : 0
    const rest = spare > 0 ? ` ${needed.engines} would be enough.` : ''
    return `${have} ${keeps} the promise of ${ttftP99Ms} ms for everybody.${rest}`
  }
  const who = late.length === 1 ? late[0] : `${late.length} tenants`
  const fail = engines === 1 ? 'does' : 'do'
  if (needed.cannot !== undefined) {
    return `${have} ${fail} not keep the promise for ${who}, and no number does: ${needed.cannot}.`
  }
  return `${have} ${fail} not keep the promise for ${who}: it takes ${needed.engines}.`
}

function basisOf(rows: readonly TraceRow[], engine: string): string {
  const minutes = Math.max(1, Math.round((rows.at(-1)?.atMs ?? 0) / 60_000))
  return (
    `Simulated: the busiest ${minutes} min of the trace, ${rows.length.toLocaleString('en-US')} requests that people ` +
    `wait for, on engines like ${engine}; background work left out.`
  )
}

const refusal = (param: string, reason: string) =>
  new GristmillError('invalid_value', { param, reason })
