/** From the samples of all runs to the published figures of `bench utilisation`. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { promisedTokenGapMs, seededRandom, TTFT_PROMISE_MS } from '../src/base/index.ts'
import { mean, percentile } from './quantiles.ts'
import {
  type ArmFigures,
  type Promises,
  tokenGapP95,
  ttftRatios,
  weightedShareError,
} from './utilisation-figures.ts'

export const BATCH_WEIGHTS = [1, 2]
const ENOUGH = 1000
const DRIFT_MAX = 0.1

/** What one run leaves for the pooled figures. */
export interface Sample {
  seed: number
  capacityBefore: number
  capacityAfter: number
  promises: Promises
  on: ArmFigures[]
  off: ArmFigures[]
}

/** Adds a run to the file and reads all of them. */
export function pooled(file: string, sample: Sample): Sample[] {
  const known = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  // JSON has no infinity, and a request that failed waits for ever.
  const text = JSON.stringify(sample, (_, value) => (value === Infinity ? 1e12 : value))
  appendFileSync(file, `${text}\n`)
  return [...known.filter(Boolean), text].map((line) => JSON.parse(line) as Sample)
}

/** The published figures over all runs. */
export function resultOf(samples: readonly Sample[], cap: number, seed: number): object {
  const on = samples.flatMap((sample) => sample.on)
  const off = samples.flatMap((sample) => sample.off)
  const [metOn, metOff] = [on, off].map((arms) => arms.flatMap(({ met }) => met)) as [
    ArmFigures['met'],
    ArmFigures['met'],
  ]
  const shares = samples.map((sample) => utilisations(sample))
  const ratios = ttftRatios(metOn, metOff, seededRandom(seed))
  const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a))
  const endToEnd = (p: number) => {
    const of = (met: ArmFigures['met']) =>
      percentile(
        met.map((m) => m.endToEndMs),
        p,
      )
    return of(metOn) / of(metOff)
  }
  const [last] = samples.slice(-1)
  const promises = last?.promises ?? {
    ttftMs: TTFT_PROMISE_MS,
    tokenGapMs: promisedTokenGapMs(null),
  }
  const voids = voidsOf(samples, metOff, promises, shares)
  return {
    valid: voids.length === 0,
    enough: Math.min(metOn.length, metOff.length) >= ENOUGH,
    void: voids,
    capacityUnitsPerS: mean(shares.map((share) => share.capacity)),
    capacityBefore: samples.map((sample) => sample.capacityBefore),
    capacityAfter: samples.map((sample) => sample.capacityAfter),
    goodputUtilisation: mean(shares.map((share) => share.on)),
    goodputUtilisations: shares.map((share) => share.on),
    batchOffUtilisation: mean(shares.map((share) => share.off)),
    slotOccupancy: mean(on.map(({ occupancy }) => occupancy)),
    ttftP50OnMs: ttftMs(metOn, 0.5),
    ttftP50OffMs: ttftMs(metOff, 0.5),
    ttftP99OnMs: worst.onMs,
    ttftP99OffMs: worst.offMs,
    ttftP99OnOverOff: worst.ratio,
    ttftRatioLow: worst.low,
    ttftRatioHigh: worst.high,
    tenants: ratios,
    queueP99OnMs: percentile(
      metOn.map((m) => m.queueMs),
      0.99,
    ),
    queueP99OffMs: percentile(
      metOff.map((m) => m.queueMs),
      0.99,
    ),
    tpotP95OnMs: tokenGapP95(metOn),
    tpotP95OffMs: tokenGapP95(metOff),
    e2eP50OnOverOff: endToEnd(0.5),
    e2eP99OnOverOff: endToEnd(0.99),
    failed: [...on, ...off].reduce((sum, arm) => sum + arm.failed, 0),
    weightedShareError: weightedShareError(
      BATCH_WEIGHTS.map((_, i) => on.reduce((sum, arm) => sum + (arm.batchUnits[i] ?? 0), 0)),
      BATCH_WEIGHTS,
    ),
    nInteractive: Math.min(metOn.length, metOff.length),
    promises,
    cap,
  }
}

function utilisations(sample: Sample): { capacity: number; on: number; off: number } {
  const capacity = Math.max(sample.capacityBefore, sample.capacityAfter)
  const of = (arms: ArmFigures[]) => mean(arms.map((arm) => arm.goodputUnitsPerS)) / capacity
  return { capacity, on: of(sample.on), off: of(sample.off) }
}

const ttftMs = (met: ArmFigures['met'], share: number) =>
  percentile(
    met.map((one) => one.ttftMs),
    share,
  )

/** Why the figures must not be believed; empty where they may. */
function voidsOf(
  samples: readonly Sample[],
  metOff: ArmFigures['met'],
  promises: Promises,
  shares: readonly { on: number; off: number }[],
): string[] {
  const voids: string[] = []
  for (const { capacityBefore, capacityAfter } of samples) {
    const drift = Math.abs(capacityAfter - capacityBefore) / Math.max(capacityBefore, capacityAfter)
    if (drift > DRIFT_MAX) voids.push(`the calibrations differ by ${(100 * drift).toFixed(0)} %`)
  }
  if (shares.some(({ on, off }) => Math.max(on, off) > 1)) voids.push('a utilisation above 1')
  if (ttftMs(metOff, 0.99) > promises.ttftMs || tokenGapP95(metOff) > promises.tokenGapMs) {
    voids.push('the promises were not kept without batch')
  }
  return voids
}
