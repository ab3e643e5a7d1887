/** Plays one day of a trace on a fleet whose size is known, without batch work and with it. */
import { seededRandom } from '../src/base/index.ts'
import {
  type CostWeights,
  DAY_MS,
  type EngineProfile,
  type FirstTokens,
  type FleetRun,
  HOUR_MS,
  type Lengths,
  playFleet,
  portionsOf,
  SimBatches,
  type SimPromise,
  type TraceRow,
} from '../src/pool/index.ts'

/** Utilisation that work is given out for. */
export const TARGET = 0.95
/** Arrivals of the placebo come later by up to so much. */
const PLACEBO_SHIFT_MS = 20

/** What all days of a source have in common. */
export interface DayPlan {
  profile: EngineProfile
  cost: CostWeights
  /** Capacity of one engine, units per second. */
  unitsPerS: number
  promise: SimPromise
  /** Lengths of batch lines. */
  mix: Lengths[]
  engines: number
}

/** First tokens by tenant. */
export type Arm = ReadonlyMap<string, readonly FirstTokens[]>

/** A day with and without batch work. */
export interface PlayedDay {
  on: Arm
  off: Arm
  utilisation: number
  batchOffUtilisation: number
  slotOccupancy: number
  wasted: number
  lateShare: number
  batchPastWindow: number
  batchLines: number
  meanReserve: number
  e2eMeanOnOverOff: number
}

export const playOff = ({ profile, cost, engines, promise }: DayPlan, rows: readonly TraceRow[]) =>
  playFleet({ profile, cost, engines, promise }, rows, { untilMs: DAY_MS })

/** The same day without batch work, but for arrivals that are a blink later each, by seed. */
export function playPlacebo(plan: DayPlan, rows: readonly TraceRow[], seed: number): Arm {
  const random = seededRandom(seed)
  const shifted = rows.map((row) => ({ ...row, atMs: row.atMs + PLACEBO_SHIFT_MS * random.next() }))
  return armOf(
    playOff(
      plan,
      shifted.sort((a, b) => a.atMs - b.atMs),
    ),
  )
}

/**
 * The day with batch work: half at hour 0, the rest hour by hour, a window of 24 h.
 * @param units of batch work; what the day leaves of the target where absent
 */
export function playOn(
  plan: DayPlan,
  rows: readonly TraceRow[],
  off: FleetRun,
  units = TARGET * capacityOfDay(plan) - interactiveUnits(off),
): PlayedDay {
  const { profile, cost, engines, promise, mix } = plan
  const unitsOf = ({ inputTokens, outputTokens }: Lengths) =>
    cost.input * inputTokens + cost.output * outputTokens
  const portions = portionsOf(rows, Math.max(0, units), DAY_MS)
  // Enough in the queue that no engine ever looks for work in vain.
  const ahead = Math.ceil(profile.cap * Math.max(0.25, engines))
  const batches = new SimBatches({ portions, mix, unitsOf, ahead })
  const fleet = { profile, cost, engines, promise }
  const on = playFleet(fleet, rows, { untilMs: DAY_MS, batches })
  const { goodUnits, lateUnits, wastedUnits } = on.recorder
  return {
    on: armOf(on),
    off: armOf(off),
    utilisation: goodShare(on, plan),
    batchOffUtilisation: goodShare(off, plan),
    slotOccupancy: on.slotOccupancy,
    wasted: wastedUnits / Math.max(1, goodUnits + lateUnits + wastedUnits),
    lateShare: lateUnits / capacityOfDay(plan),
    batchPastWindow: batches.lateLines + hopeless(batches, off, plan),
    batchLines: batches.lines,
    meanReserve: on.meanReserve,
    e2eMeanOnOverOff: on.recorder.meanRequestMs / Math.max(1, off.recorder.meanRequestMs),
  }
}

/** Lines left at the end of the day that a next day like this one could not finish in time. */
function hopeless(batches: SimBatches, off: FleetRun, plan: DayPlan): number {
  const { interactiveUnits: hours } = off.recorder
  const freeUnits = (interactive: number | undefined) =>
    Math.max(1, (TARGET * capacityOfDay(plan)) / 24 - (interactive ?? 0))
  let late = 0
  let hour = 0
  let left = freeUnits(hours[0])
  for (const { units, deadlineMs } of batches.remaining()) {
    let open = units
    while (open > 0 && DAY_MS + hour * HOUR_MS < deadlineMs) {
      const done = Math.min(open, left)
      open -= done
      left -= done
      if (left <= 0) left = freeUnits(hours[++hour % 24])
    }
    late += Math.ceil(open / Math.max(1, batches.unitsPerLine))
  }
  return late
}

export const capacityOfDay = ({ unitsPerS, engines }: DayPlan) =>
  (unitsPerS * engines * DAY_MS) / 1000

export const interactiveUnits = ({ recorder }: FleetRun) => recorder.goodUnits + recorder.lateUnits

const goodShare = ({ recorder }: FleetRun, plan: DayPlan) =>
  recorder.goodUnits / capacityOfDay(plan)

function armOf({ recorder }: FleetRun): Arm {
  return new Map(recorder.tenants.map((tenant) => [tenant, recorder.firstTokens(tenant)]))
}
