/**
 * A day of a trace on a virtual clock: how many engines tenants need together and each alone, and
 * how far batch work fills the pool without making first tokens late.
 */
import { seededRandom } from '../src/base/index.ts'
import {
  builtInProfiles,
  type CostWeights,
  capacityOf,
  costOfProfile,
  DAY_MS,
  type EngineProfile,
  type FleetRun,
  fewestEngines,
  HOUR_MS,
  type Lengths,
  mixOf,
  ownReadingP99Ms,
  parseProfile,
  playFleet,
  portionsOf,
  promiseOf,
  SimBatches,
  type SimCapacity,
  type SimPromise,
  type TraceRow,
} from '../src/pool/index.ts'
import { blockRatioInterval } from './quantiles.ts'
import { type DaySource, daySources } from './sim-day-sources.ts'

export interface DayOptions {
  /** Folder of public traces. */
  traces?: string | undefined
  /** Only days whose names contain this; all where undefined. */
  only?: string | undefined
  /** What stands aside inside the engine; that of the profile where undefined. */
  yields?: string | undefined
  seed?: number
  profile?: string | undefined
  log(line: string): void
}

/** Utilisation that is aimed for, and the part of capacity that work is given out for. */
const GOAL = 0.92
const TARGET = 0.95
/** First tokens with batch work may take so many times as long as without. */
const RATIO_GOAL = 1.1
const TTFT_MS = 1000
/** First tokens this quick count as this long in ratios, so that noise is not taken for harm. */
const TTFT_FLOOR_MS = 100
/** Parts of all work that is batch, for the table. */
const SHARES = [0.1, 0.25, 0.5]

interface Day {
  source: DaySource
  profile: EngineProfile
  cost: CostWeights
  capacity: SimCapacity
  promise: SimPromise
  mix: Lengths[]
  engines: number
  seed: number
}

/** Runs every source. @returns `traces`, an entry each */
export function benchSimDay({ traces, only, seed = 1, profile, yields, log }: DayOptions): object {
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
  const results = [...daySources(traces, seed, only)].map((source) => {
    const result = judge(source, engine, seed)
    log(`${source.name}: ${result.headline}`)
    return result
  })
  return {
    traces: results,
    profile: engine.name,
    basis: engine.basis,
    yields: engine.yields,
    seed,
    rounds: 1,
  }
}

function judge(source: DaySource, whole: EngineProfile, seed: number) {
  const { rows } = source
  const mix = mixOf(rows, seededRandom(seed))
  const capacity = capacityOf(whole, mix)
  const { profile } = capacity
  const cost = costOfProfile(whole)
  const asked = promiseOf(TTFT_MS, capacity)
  const first = fewestEngines({ profile, cost, promise: asked }, rows, capacity.unitsPerS)
  // Where prompts alone take longer than promised, what engines and neighbours add is promised.
  const ownMs = first.cannot === undefined ? 0 : Math.ceil(ownReadingP99Ms(profile, rows))
  const promise = { ...asked, ttftMs: TTFT_MS + ownMs }
  const pooled =
    ownMs === 0 ? first : fewestEngines({ profile, cost, promise }, rows, capacity.unitsPerS)
  const dedicated = tenantsOf(rows).map((own) =>
    fewestEngines({ profile, cost, promise }, own, capacity.unitsPerS),
  )
  const engines = Math.max(1, pooled.engines)
  const day: Day = { source, profile, cost, capacity, promise, mix, engines, seed }
  const off = playFleet({ profile, cost, engines, promise }, rows, { untilMs: DAY_MS })
  const on = withBatch(day, off, TARGET * capacityOfDay(day) - interactiveUnits(off))
  const dedicatedEngines = dedicated.reduce((total, one) => total + one.engines, 0)
  const alone = goodShare(off, day)
  const figures = {
    name: source.name,
    source: source.source,
    requests: rows.length,
    tenants: dedicated.length,
    cap: profile.cap,
    spare: profile.spare,
    capacityUnitsPerS: Math.round(capacity.unitsPerS),
    promiseTtftMs: promise.ttftMs,
    promiseTokenGapMs: Math.round(promise.tokenGapMs),
    utilisation: on.utilisation,
    batchOffUtilisation: round(alone),
    slotOccupancy: on.slotOccupancy,
    ttftP99OnOverOff: on.ttftP99OnOverOff,
    ttftRatioLow: on.ttftRatioLow,
    ttftRatioHigh: on.ttftRatioHigh,
    worstN: on.worstN,
    worstTenant: on.worstTenant,
    tenantsOver: on.tenantsOver,
    wasted: on.wasted,
    batchPastWindow: on.batchPastWindow,
    batchLines: on.batchLines,
    lateShare: on.lateShare,
    e2eMeanOnOverOff: on.e2eMeanOnOverOff,
    worstOffMs: on.worstOffMs,
    worstOnMs: on.worstOnMs,
    meanReserve: on.meanReserve,
    pooledEngines: engines,
    dedicatedEngines,
    dedicatedOverPooledEngines: round(dedicatedEngines / engines),
    batchShareFor92: round(Math.max(0, 1 - alone / GOAL)),
    byBatchShare: [0, ...SHARES].map((share) => shareRow(share, day, off)),
    ...(first.cannot !== undefined && {
      cannot: `cannot keep ${TTFT_MS} ms to the first token, because ${first.cannot}`,
    }),
    ...(pooled.cannot !== undefined && { unsized: `cannot be sized: ${pooled.cannot}` }),
  }
  return { ...figures, headline: headline(figures) }
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
    `${ttftP99OnOverOff} × those without batch${slower(figures)}, ${pooledEngines} engines for ` +
    `${figures.dedicatedEngines} of one's own`
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

/** A day with so much batch work: half at hour 0, the rest hour by hour, a window of 24 h. */
function withBatch(day: Day, off: FleetRun, units: number) {
  const { profile, cost, engines, promise, source, mix } = day
  const unitsOf = ({ inputTokens, outputTokens }: Lengths) =>
    cost.input * inputTokens + cost.output * outputTokens
  const portions = portionsOf(source.rows, Math.max(0, units), DAY_MS)
  // Enough in the queue that no engine ever looks for work in vain.
  const ahead = Math.ceil(profile.cap * Math.max(0.25, engines))
  const batches = new SimBatches({ portions, mix, unitsOf, ahead })
  const fleet = { profile, cost, engines, promise }
  const on = playFleet(fleet, source.rows, { untilMs: DAY_MS, batches })
  const ratios = on.recorder.tenants.map((tenant) => {
    const onMs = on.recorder.worstHour(tenant).ttftP99Ms
    const offMs = off.recorder.worstHour(tenant).ttftP99Ms
    return { tenant, onMs, offMs, ratio: onMs / Math.max(TTFT_FLOOR_MS, offMs) }
  })
  const none = { tenant: '', onMs: 0, offMs: 0, ratio: 0 }
  const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a), none)
  const { goodUnits, lateUnits, wastedUnits } = on.recorder
  const hours = [on, off].map(({ recorder }) => recorder.worstHourByMinute(worst.tenant))
  const [onHour = [], offHour = []] = hours
  const { low, high } = ratioIntervalOf(onHour, offHour, day.seed)
  return {
    utilisation: round(goodShare(on, day)),
    ttftP99OnOverOff: round(Math.max(worst.ratio, 0)),
    ttftRatioLow: round(low),
    ttftRatioHigh: round(high),
    worstN: Math.min(onHour.flat().length, offHour.flat().length),
    worstTenant: worst.tenant,
    worstOnMs: Math.round(worst.onMs),
    worstOffMs: Math.round(worst.offMs),
    e2eMeanOnOverOff: round(on.recorder.meanRequestMs / Math.max(1, off.recorder.meanRequestMs)),
    lateShare: round(lateUnits / capacityOfDay(day)),
    tenantsOver: ratios.filter(({ ratio }) => ratio > RATIO_GOAL).length,
    ttftP99OnMs: Math.round(on.recorder.tail().ttftP99Ms),
    ttftP99OffMs: Math.round(off.recorder.tail().ttftP99Ms),
    tokenGapP95Ms: round(on.recorder.tokenGapP95Ms),
    wasted: round(wastedUnits / Math.max(1, goodUnits + lateUnits + wastedUnits)),
    batchPastWindow: batches.lateLines + hopeless(batches, off, day),
    batchLines: batches.lines,
    meanReserve: round(on.meanReserve),
    slotOccupancy: round(on.slotOccupancy),
  }
}

/** 95 % interval of the ratio of two hours' p99s, minutes being what is drawn. */
function ratioIntervalOf(on: number[][], off: number[][], seed: number) {
  const floored = off.map((minute) => minute.map((ms) => Math.max(TTFT_FLOOR_MS, ms)))
  return blockRatioInterval(on, floored, 0.99, seededRandom(seed))
}

function shareRow(share: number, day: Day, off: FleetRun) {
  const interactive = interactiveUnits(off)
  const units = (share / (1 - share)) * interactive
  if (interactive + units > TARGET * capacityOfDay(day)) return { share, beyond: true }
  if (share === 0) return { share, utilisation: round(goodShare(off, day)), ttftP99OnOverOff: 1 }
  const { utilisation, ttftP99OnOverOff, batchPastWindow } = withBatch(day, off, units)
  return { share, utilisation, ttftP99OnOverOff, batchPastWindow }
}

/** Lines left at the end of the day that a next day like this one could not finish in time. */
function hopeless(batches: SimBatches, off: FleetRun, day: Day): number {
  const { interactiveUnits: hours } = off.recorder
  let late = 0
  let hour = 0
  let left = freeUnits(hours[0], day)
  for (const { units, deadlineMs } of batches.remaining()) {
    let open = units
    while (open > 0 && DAY_MS + hour * HOUR_MS < deadlineMs) {
      const done = Math.min(open, left)
      open -= done
      left -= done
      if (left <= 0) left = freeUnits(hours[++hour % 24], day)
    }
    late += Math.ceil(open / Math.max(1, batches.unitsPerLine))
  }
  return late
}

const freeUnits = (interactive: number | undefined, day: Day) =>
  Math.max(1, (TARGET * capacityOfDay(day)) / 24 - (interactive ?? 0))

const capacityOfDay = ({ capacity, engines }: Day) => (capacity.unitsPerS * engines * DAY_MS) / 1000

const interactiveUnits = ({ recorder }: FleetRun) => recorder.goodUnits + recorder.lateUnits

const goodShare = ({ recorder }: FleetRun, day: Day) => recorder.goodUnits / capacityOfDay(day)

function tenantsOf(rows: readonly TraceRow[]): TraceRow[][] {
  return [...Map.groupBy(rows, ({ tenant }) => tenant).values()]
}

const round = (value: number) => Math.round(value * 1e4) / 1e4
