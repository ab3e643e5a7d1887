/**
 * A day of a trace on a virtual clock: how many engines tenants need together and each alone, and
 * how far batch work fills the pool without making first tokens late.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { seededRandom } from '../src/base/index.ts'
import {
  builtInProfiles,
  capacityOf,
  costOfProfile,
  type EngineProfile,
  type FleetRun,
  fewestEngines,
  mixOf,
  ownReadingP99Ms,
  parseProfile,
  promiseOf,
  type TraceRow,
} from '../src/pool/index.ts'
import {
  capacityOfDay,
  type DayPlan,
  interactiveUnits,
  playOff,
  playOn,
  TARGET,
} from './sim-day-play.ts'
import { type DaySource, daySources } from './sim-day-sources.ts'
import type { DayMessage, DaysTask } from './sim-day-worker.ts'
import { intervalOf, type WorstRatio, worstRatios } from './sim-day-worst.ts'

export interface DayOptions {
  /** Folder of public traces. */
  traces?: string | undefined
  /** Only days whose names contain this; all where undefined. */
  only?: string | undefined
  /** What stands aside inside the engine; that of the profile where undefined. */
  yields?: string | undefined
  seed?: number
  /** Days by seed, from that one on, whose first tokens are pooled. */
  days?: number
  profile?: string | undefined
  log(line: string): void
}

/** Utilisation that is aimed for. */
const GOAL = 0.92
/** First tokens with batch work may take so many times as long as without. */
const RATIO_GOAL = 1.1
const TTFT_MS = 1000
/** Parts of all work that is batch, for the table. */
const SHARES = [0.1, 0.25, 0.5]
/** Threads that play days. */
const WORKERS = Math.min(2, availableParallelism())

/** Runs every source. @returns `traces`, an entry each */
export async function benchSimDay(options: DayOptions): Promise<object> {
  const { traces, only, seed = 1, days = 1, profile, yields, log } = options
  const found = builtInProfiles.find(({ name }) => name === (profile ?? 'h100-8b'))
  if (found === undefined) {
    throw new Error(`profiles are ${builtInProfiles.map(({ name }) => name).join(', ')}`)
  }
  const engine = parseProfile({
    ...found,
    // As many as there are places, so that a burst never waits for batch lines to end.
    ...(yields !== undefined && { yields, spare: found.cap }),
  })
  if (traces === undefined) log('No --traces: days come from the built-in generator.')
  const seeds = Array.from({ length: days }, (_, day) => seed + day)
  const results: object[] = []
  for (const source of daySources(traces, seed, only)) {
    const result = await judge(source, engine, { traces, seeds, log })
    log(`${source.name}: ${result.headline}`)
    results.push(result)
  }
  return {
    traces: results,
    profile: engine.name,
    basis: engine.basis,
    yields: engine.yields,
    seed,
    rounds: days,
  }
}

async function judge(
  source: DaySource,
  whole: EngineProfile,
  { traces, seeds, log }: Pick<DayOptions, 'traces' | 'log'> & { seeds: readonly number[] },
) {
  const { plan, sized } = planOf(source, whole, seeds[0] ?? 1)
  const off = playOff(plan, source.rows)
  const byBatchShare = SHARES.map((share) => shareRow(share, plan, source.rows, off))
  const days = await playDays({ traces, name: source.name, plan }, seeds, log)
  const pooled = pooledFigures(days)
  const figures = {
    name: source.name,
    source: source.source,
    requests: source.rows.length,
    cap: plan.profile.cap,
    spare: plan.profile.spare,
    capacityUnitsPerS: Math.round(plan.unitsPerS),
    promiseTtftMs: plan.promise.ttftMs,
    promiseTokenGapMs: Math.round(plan.promise.tokenGapMs),
    ...pooled,
    ...sized,
    batchShareFor92: round(Math.max(0, 1 - pooled.batchOffUtilisation / GOAL)),
    byBatchShare,
  }
  return { ...figures, headline: headline(figures) }
}

/** Engines for the first day, in one pool and for each tenant alone. */
function planOf({ rows }: DaySource, whole: EngineProfile, seed: number) {
  const mix = mixOf(rows, seededRandom(seed))
  const capacity = capacityOf(whole, mix)
  const { profile, unitsPerS } = capacity
  const cost = costOfProfile(whole)
  const asked = promiseOf(TTFT_MS, capacity)
  const first = fewestEngines({ profile, cost, promise: asked }, rows, unitsPerS)
  // Where prompts alone take longer than promised, what engines and neighbours add is promised.
  const ownMs = first.cannot === undefined ? 0 : Math.ceil(ownReadingP99Ms(profile, rows))
  const promise = { ...asked, ttftMs: TTFT_MS + ownMs }
  const fleet = { profile, cost, promise }
  const pooled = ownMs === 0 ? first : fewestEngines(fleet, rows, unitsPerS)
  const tenants = [...Map.groupBy(rows, ({ tenant }) => tenant).values()]
  const dedicatedEngines = tenants.reduce(
    (total, own) => total + fewestEngines(fleet, own, unitsPerS).engines,
    0,
  )
  const engines = Math.max(1, pooled.engines)
  const plan: DayPlan = { ...fleet, unitsPerS, mix, engines }
  const sized = {
    tenants: tenants.length,
    pooledEngines: engines,
    dedicatedEngines,
    dedicatedOverPooledEngines: round(dedicatedEngines / engines),
    ...(first.cannot !== undefined && {
      cannot: `cannot keep ${TTFT_MS} ms to the first token, because ${first.cannot}`,
    }),
    ...(pooled.cannot !== undefined && { unsized: `cannot be sized: ${pooled.cannot}` }),
  }
  return { plan, sized }
}

/** One day for each seed, in order of seeds, several at once. */
async function playDays(
  task: Omit<DaysTask, 'seeds'>,
  seeds: readonly number[],
  log: DayOptions['log'],
): Promise<DayMessage[]> {
  const played: DayMessage[] = []
  const parts = Array.from({ length: Math.min(WORKERS, seeds.length) }, (_, part) =>
    seeds.filter((_seed, i) => i % WORKERS === part),
  )
  await Promise.all(
    parts.map((part) => {
      const workerData: DaysTask = { ...task, seeds: part }
      const worker = new Worker(new URL('./sim-day-worker.ts', import.meta.url), { workerData })
      worker.on('message', (day: DayMessage) => {
        const days = played.push(day)
        log(`${task.name}: ${days} of ${seeds.length} days`)
      })
      return new Promise((resolve, reject) => {
        worker.once('error', reject)
        worker.once('exit', resolve)
      })
    }),
  )
  return played.sort((a, b) => a.seed - b.seed)
}

function pooledFigures(days: readonly DayMessage[]) {
  const mean = (of: (day: DayMessage) => number) =>
    round(days.reduce((sum, day) => sum + of(day), 0) / days.length)
  const { worstHours, sameHour } = worstRatios(days, RATIO_GOAL)
  const placebos = days.map(({ placebo, off }) => ({ on: placebo, off }))
  const others = days.map(({ off }, i) => ({ on: days[i - 1]?.off ?? off, off })).slice(1)
  const single = (pairs: readonly Parameters<typeof worstRatios>[0][number][]) =>
    pairs.map((pair) => byBoth(worstRatios([pair], RATIO_GOAL)))
  return {
    utilisation: mean((day) => day.utilisation),
    utilisationMin: round(Math.min(...days.map((day) => day.utilisation))),
    batchOffUtilisation: mean((day) => day.batchOffUtilisation),
    slotOccupancy: mean((day) => day.slotOccupancy),
    wasted: mean((day) => day.wasted),
    lateShare: mean((day) => day.lateShare),
    batchPastWindow: days.reduce((sum, day) => sum + day.batchPastWindow, 0),
    batchLines: days.reduce((sum, day) => sum + day.batchLines, 0),
    meanReserve: mean((day) => day.meanReserve),
    e2eMeanOnOverOff: mean((day) => day.e2eMeanOnOverOff),
    ...worstFigures(worstHours),
    sameHour: worstFigures(sameHour),
    placebo: byBoth(worstRatios(placebos, RATIO_GOAL)),
    singleDays: { batch: single(days), placebo: single(placebos), dayBefore: single(others) },
  }
}

const byBoth = (ratios: ReturnType<typeof worstRatios>) => ({
  worstHours: round(ratios.worstHours.ratio),
  sameHour: round(ratios.sameHour.ratio),
})

function worstFigures(worst: WorstRatio) {
  const { low, high } = intervalOf(worst, seededRandom(1))
  const { on, off, ratio, tenant, tenantsOver } = worst
  return {
    ttftP99OnOverOff: round(ratio),
    ttftRatioLow: round(low),
    ttftRatioHigh: round(high),
    worstN: Math.min(on.blocks.flat().length, off.blocks.flat().length),
    worstTenant: tenant,
    worstOnHour: on.hour,
    worstOffHour: off.hour,
    worstOnMs: Math.round(on.p99Ms),
    worstOffMs: Math.round(off.p99Ms),
    tenantsOver,
  }
}

interface Headline {
  utilisation: number
  ttftRatioLow: number
  ttftRatioHigh: number
  worstN: number
  lateShare: number
  wasted: number
  batchShareFor92: number
  ttftP99OnOverOff: number
  worstTenant: string
  worstOnMs: number
  worstOffMs: number
  tenantsOver: number
  tenants: number
  e2eMeanOnOverOff: number
  pooledEngines: number
  dedicatedEngines: number
  sameHour: { ttftP99OnOverOff: number }
  placebo: { worstHours: number; sameHour: number }
  cannot?: string
}

function headline(figures: Headline): string {
  const { utilisation, batchShareFor92, ttftP99OnOverOff, pooledEngines } = figures
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`
  const reached =
    utilisation >= GOAL
      ? `${percent(GOAL)} needs ${percent(batchShareFor92)} of all work to be batch; `
      : `cannot reach ${percent(GOAL)}, because ${lost(figures, percent)}; `
  const promise = figures.cannot === undefined ? '' : `${figures.cannot}; `
  return (
    `${promise}${reached}utilisation ${percent(utilisation)}, first tokens ` +
    `${ttftP99OnOverOff} × those without batch${slower(figures)}; that says ` +
    `${figures.placebo.worstHours} where nothing differs; each hour over itself: at most ` +
    `${figures.sameHour.ttftP99OnOverOff}, ${figures.placebo.sameHour} where nothing differs; ` +
    `${pooledEngines} engines for ${figures.dedicatedEngines} of one's own`
  )
}

/** Where the capacity went that did no good. */
function lost(
  { utilisation, lateShare, wasted }: Headline,
  percent: (value: number) => string,
): string {
  const idle = Math.max(0, 1 - utilisation - lateShare - wasted)
  return (
    `${percent(lateShare)} of the capacity went to interactive requests that were late, ` +
    `${percent(wasted)} to what was computed twice, and ${percent(idle)} to standing aside ` +
    `and to steps with few streams`
  )
}

/** Why first tokens come later than is aimed for; empty where they do not. */
function slower(figures: Headline): string {
  const { ttftP99OnOverOff, worstTenant, worstOnMs, worstOffMs, tenantsOver, tenants } = figures
  const interval = `${figures.ttftRatioLow}–${figures.ttftRatioHigh}, ${figures.worstN} requests`
  if (ttftP99OnOverOff <= RATIO_GOAL) return ` (${interval})`
  return (
    ` (${interval}; not ${RATIO_GOAL}: ${worstTenant} has ${worstOffMs} ms without batch and ` +
    `${worstOnMs} with it, ${tenantsOver} of ${tenants} tenants are above; people's whole requests ` +
    `take ${figures.e2eMeanOnOverOff} × as long with batch)`
  )
}

function shareRow(share: number, plan: DayPlan, rows: readonly TraceRow[], off: FleetRun) {
  const interactive = interactiveUnits(off)
  const units = (share / (1 - share)) * interactive
  if (interactive + units > TARGET * capacityOfDay(plan)) return { share, beyond: true }
  const day = playOn(plan, rows, off, units)
  const { worstHours } = worstRatios([day], RATIO_GOAL)
  const { batchPastWindow } = day
  const ttftP99OnOverOff = round(worstHours.ratio)
  return { share, utilisation: round(day.utilisation), ttftP99OnOverOff, batchPastWindow }
}

const round = (value: number) => Math.round(value * 1e4) / 1e4
