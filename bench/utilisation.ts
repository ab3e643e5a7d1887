/**
 * `bench utilisation`: how much of an engine's capacity does good work when batch fills the gaps of
 * interactive tenants, and what that costs their first tokens. The words are those of
 * docs/benchmarks.md.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { seededRandom } from '../src/base/index.ts'
import type { EngineView } from '../src/http/index.ts'
import type { Target } from './chat-load.ts'
import { mean, percentile } from './quantiles.ts'
import { createTenant, type Server, startServer } from './server.ts'
import {
  type ArmFigures,
  type CostWeights,
  figuresOf,
  metOf,
  type Promises,
  tokenGapMs,
  tokenGapP95,
  ttftRatios,
  unitsWithin,
  weightedShareError,
} from './utilisation-figures.ts'
import { type Arm, playArm, saturate } from './utilisation-load.ts'
import { drawArrivals, type Measured } from './utilisation-plan.ts'

export interface UtilisationOptions {
  /** Path of a GGUF file, a model's name or `toy`; the toy where absent. */
  model?: string | undefined
  seed?: number
  /** Length of each of the four arms, seconds. */
  seconds?: number
  /** Length of each of the two calibrations, seconds. */
  calibration?: number
  /** File to which raw figures are added, and from which all runs are pooled. */
  samples?: string | undefined
  /** Also measures batch with fewer and fewer places; four more arms. */
  curve?: boolean
  log?: (line: string) => void
}

const WEIGHTS = [1, 2, 3]
const BATCH_WEIGHTS = [1, 2]
const TTFT_MS_MAX = 1000
const TOKEN_GAP_MS_MAX = 80
const TOKEN_GAP_FACTOR = 1.5
const ENOUGH = 1000
const DRIFT_MAX = 0.1
/** Parts of a calibration's time by requests in flight, as parts of the cap. */
const SWEEP = [
  { part: 1 / 4, share: 0.15 },
  { part: 1 / 2, share: 0.2 },
  { part: 1, share: 0.3 },
  { part: 2, share: 0.35 },
]

/** What one run leaves for the pooled figures. */
export interface Sample {
  seed: number
  capacityBefore: number
  capacityAfter: number
  promises: Promises
  on: ArmFigures[]
  off: ArmFigures[]
}

interface Bench {
  server: Server
  cap: number
  cost: CostWeights
  calibrator: Target
  interactive: Target[]
  batch: Target[]
  batchIds: string[]
}

export async function benchUtilisation(options: UtilisationOptions = {}): Promise<object> {
  const { model = 'toy', seed = 1, samples, log = () => undefined } = options
  const server = await startServer({ model, log })
  try {
    const bench = await prepare(server)
    const { sample, curve } = await run(bench, seed, options, log)
    const all = samples === undefined ? [sample] : pooled(samples, sample)
    return {
      ...resultOf(all, bench.cap, seed),
      ...curve,
      seed,
      rounds: all.length,
      model: server.model,
    }
  } finally {
    await server.stop()
  }
}

async function prepare(server: Server): Promise<Bench> {
  const { url, model, admin } = server
  if (model === null) throw new Error('the server has no model')
  const engines = await admin.all<EngineView>('/api/engines')
  const forced = { ignore_eos: true }
  const target = async (name: string, weight: number, fields: object) => ({
    url,
    model,
    ...(await createTenant(server, name, weight)),
    fields: { ...forced, ...fields },
  })
  const interactive = WEIGHTS.map((weight) => target(`interactive-${weight}`, weight, {}))
  const batch = await Promise.all(
    BATCH_WEIGHTS.map((weight) => target(`batch-${weight}`, weight, { service_tier: 'batch' })),
  )
  return {
    server,
    cap: engines.reduce((sum, { cap }) => sum + cap, 0),
    cost: { input: 1, output: 2 },
    calibrator: await target('calibration', 1, {}),
    interactive: await Promise.all(interactive),
    batch,
    batchIds: batch.map(({ id }) => id),
  }
}

async function run(
  bench: Bench,
  seed: number,
  { seconds = 45, calibration = 60, curve: wantsCurve = false }: UtilisationOptions,
  log: (line: string) => void,
): Promise<{ sample: Sample; curve: { curve?: CurvePoint[] } }> {
  const before = await calibrate(bench, seed, calibration * 1000, log)
  const promises = {
    ttftMs: TTFT_MS_MAX,
    tokenGapMs: Math.max(TOKEN_GAP_MS_MAX, TOKEN_GAP_FACTOR * before.tokenGapMs),
  }
  const arms: Record<'on' | 'off', ArmFigures[]> = { on: [], off: [] }
  const play = async (which: 'on' | 'off', own: number) => {
    const arrivals = drawArrivals(WEIGHTS, before, seconds * 1000, seededRandom(own))
    const arm = await playArm({
      interactive: bench.interactive,
      arrivals,
      batch: which === 'on' ? bench.batch : [],
      cap: bench.cap,
      durationMs: seconds * 1000,
      random: seededRandom(own + 500),
    })
    const figures = figuresOf(arm, which === 'on' ? BATCH_WEIGHTS.length : 0, promises, bench.cost)
    log(`batch ${which}: ${inWords(figures, before.capacityUnitsPerS)}`)
    return figures
  }
  for (const [block, which] of (['off', 'on', 'on', 'off'] as const).entries()) {
    arms[which].push(await play(which, seed * 1000 + Math.floor(block / 2)))
  }
  const [off] = arms.off
  const points = wantsCurve && off ? await drawCurve(bench, off, () => play('on', seed * 1000)) : []
  const after = await calibrate(bench, seed + 1, calibration * 1000, log)
  const capacity = Math.max(before.capacityUnitsPerS, after.capacityUnitsPerS)
  const curve = points.map(({ goodputUnitsPerS, ...point }) => ({
    ...point,
    goodputUtilisation: goodputUnitsPerS / capacity,
  }))
  const sample: Sample = {
    seed,
    capacityBefore: before.capacityUnitsPerS,
    capacityAfter: after.capacityUnitsPerS,
    promises,
    ...arms,
  }
  return { sample, curve: wantsCurve ? { curve } : {} }
}

/** Batch with so many places of the cap left free, against the arm without batch. */
interface CurvePoint {
  reserve: number
  goodputUtilisation: number
  e2eP50OnOverOff: number
  e2eP99OnOverOff: number
  ttftP99OnMs: number
}

const CURVE_RESERVES = [0, 1 / 8, 1 / 4, 1 / 2]

/** The places of batch are bounded by the concurrency limits of its tenants, 1 : 2. */
async function drawCurve(
  { cap, batchIds, server }: Bench,
  off: ArmFigures,
  play: () => Promise<ArmFigures>,
): Promise<(Omit<CurvePoint, 'goodputUtilisation'> & { goodputUnitsPerS: number })[]> {
  const points = []
  for (const share of CURVE_RESERVES) {
    const reserve = Math.round(share * cap)
    const few = Math.max(1, Math.round((cap - reserve) / 3))
    const limits = [few, Math.max(1, cap - reserve - few)]
    for (const [i, id] of batchIds.entries()) {
      const concurrencyMax = limits[i] ?? 1
      await server.admin.patch(`/api/tenants/${id}`, { limits: { concurrencyMax } })
    }
    const on = await play()
    const ratio = (p: number) => {
      const of = ({ met }: ArmFigures) => met.map((m) => m.endToEndMs)
      return percentile(of(on), p) / percentile(of(off), p)
    }
    points.push({
      reserve,
      goodputUnitsPerS: on.goodputUnitsPerS,
      e2eP50OnOverOff: ratio(0.5),
      e2eP99OnOverOff: ratio(0.99),
      ttftP99OnMs: percentile(
        on.met.map(({ ttftMs }) => ttftMs),
        0.99,
      ),
    })
  }
  return points
}

function inWords({ met, goodputUnitsPerS, failed }: ArmFigures, capacity: number): string {
  const of = (value: (one: ArmFigures['met'][number]) => number, p: number) =>
    percentile(met.map(value), p).toFixed(0)
  const ttft = [0.5, 0.99].map((p) => of(({ ttftMs }) => ttftMs, p)).join('/')
  const queue = [0.5, 0.99].map((p) => of(({ queueMs }) => queueMs, p)).join('/')
  const used = ((100 * goodputUnitsPerS) / capacity).toFixed(1)
  return `${used} % of capacity, ${met.length} first tokens p50/p99 ${ttft} ms, in queue ${queue} ms, ${failed} failed`
}

/** Sweeps the requests in flight; the best rate is the capacity, no promise applied. */
async function calibrate(
  { calibrator, cap, cost }: Bench,
  seed: number,
  durationMs: number,
  log: (line: string) => void,
): Promise<Measured> {
  const points: Measured[] = []
  for (const { part, share } of SWEEP) {
    const inFlight = Math.max(1, Math.round(part * cap))
    const arm = await saturate(calibrator, inFlight, share * durationMs, seededRandom(seed))
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

/** Adds a run to the file and reads all of them. */
function pooled(file: string, sample: Sample): Sample[] {
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
  const promises = last?.promises ?? { ttftMs: TTFT_MS_MAX, tokenGapMs: TOKEN_GAP_MS_MAX }
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
    ttftP50OnMs: percentile(
      metOn.map((m) => m.ttftMs),
      0.5,
    ),
    ttftP50OffMs: percentile(
      metOff.map((m) => m.ttftMs),
      0.5,
    ),
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
  const ttftP99Ms = percentile(
    metOff.map((m) => m.ttftMs),
    0.99,
  )
  if (ttftP99Ms > promises.ttftMs || tokenGapP95(metOff) > promises.tokenGapMs) {
    voids.push('the promises were not kept without batch')
  }
  return voids
}
