/** Calibrations of `bench utilisation`: what an engine does at its best, through the gateway. */
import { seededRandom } from '../src/base/index.ts'
import type { Target } from './chat-load.ts'
import { mean, percentile } from './quantiles.ts'
import { type CostWeights, metOf, tokenGapMs, unitsWithin } from './utilisation-figures.ts'
import { type Arm, saturate } from './utilisation-load.ts'
import type { Measured } from './utilisation-plan.ts'

/** Parts of a calibration's time by requests in flight, as parts of the cap. */
const SWEEP = [
  { part: 1 / 4, share: 0.15 },
  { part: 1 / 2, share: 0.2 },
  { part: 1, share: 0.3 },
  { part: 2, share: 0.35 },
]

export interface Calibrated {
  /** Tenants that saturate the engine; of weights like those of batch. */
  calibrators: readonly Target[]
  cap: number
  cost: CostWeights
}

/** Sweeps the requests in flight; the best rate is the capacity, no promise applied. */
export async function calibrate(
  { calibrators, cap, cost }: Calibrated,
  seed: number,
  durationMs: number,
  log: (line: string) => void,
): Promise<Measured> {
  const points: Measured[] = []
  for (const { part, share } of SWEEP) {
    const inFlight = Math.max(1, Math.round(part * cap))
    const arm = await saturate(calibrators, inFlight, share * durationMs, seededRandom(seed))
    points.push({ ...measuredOf(arm, cost), knee: cap })
  }
  log(`calibration: ${points.map((p) => p.capacityUnitsPerS.toFixed(0)).join(', ')} units/s`)
  const capacityUnitsPerS = Math.max(...points.map((point) => point.capacityUnitsPerS))
  // The pace of a full engine is that of the point at the cap; beyond it requests only queue.
  return { ...(points[2] as Measured), capacityUnitsPerS }
}

function measuredOf(arm: Arm, cost: CostWeights): Measured {
  const ended = arm.interactive.filter((call) => call.usage !== null)
  const uncut = { fromMs: -Infinity, untilMs: Infinity }
  const met = ended.map(metOf)
  return {
    capacityUnitsPerS: (1000 * unitsWithin(ended, arm, cost)) / (arm.untilMs - arm.fromMs),
    unitsPerRequest: unitsWithin(ended, uncut, cost) / ended.length,
    knee: 1,
    firstTokenMs: mean(met.map(({ ttftMs }) => ttftMs)),
    tokenGapMs: percentile(
      ended.flatMap((call) => tokenGapMs(call) ?? []),
      0.95,
    ),
  }
}
