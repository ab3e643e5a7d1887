/**
 * `bench utilisation`: how much of an engine's capacity does good work when batch fills the gaps of
 * interactive tenants, and what that costs their first tokens. The words are those of
 * docs/benchmarks.md.
 */
import { promisedTokenGapMs, seededRandom, TTFT_PROMISE_MS } from '../src/base/index.ts'
import type { EngineView } from '../src/http/index.ts'
import type { Target } from './chat-load.ts'
import { percentile } from './quantiles.ts'
import { createTenant, type Server } from './server.ts'
import { type Calibrated, calibrate } from './utilisation-calibration.ts'
import { type EngineQueue, startFilled } from './utilisation-engine.ts'
import { type ArmFigures, figuresOf } from './utilisation-figures.ts'
import { playArm } from './utilisation-load.ts'
import { drawArrivals, type Measured } from './utilisation-plan.ts'
import { BATCH_WEIGHTS, pooled, resultOf, type Sample } from './utilisation-result.ts'

export interface UtilisationOptions {
  /** Path of a GGUF file, a model's name or `toy`; the toy where absent. */
  model?: string | undefined
  /** `embedded`, `vllm` or `vllm-priority`; the second and third need `dir`. */
  engine?: string | undefined
  /** Where vLLM is installed. */
  dir?: string | undefined
  seed?: number
  /** Runs one after the other, each with a seed of its own; a calibration stands between two. */
  runs?: number
  /** Length of each of the four arms, seconds. */
  seconds?: number
  /** Length of each calibration, seconds. */
  calibration?: number
  /** File to which raw figures are added, and from which all runs are pooled. */
  samples?: string | undefined
  /** Also measures batch with fewer and fewer places; four more arms. */
  curve?: boolean
  log?: (line: string) => void
}

const WEIGHTS = [1, 2, 3]
/** Until an engine is full before an arm, and empty after it. */
const AROUND_S = 7

interface Bench extends Calibrated {
  server: Server
  interactive: Target[]
  batch: Target[]
  batchIds: string[]
}

export async function benchUtilisation(options: UtilisationOptions = {}): Promise<object> {
  const { model = 'toy', seed = 1, runs = 1, samples, log = () => undefined } = options
  const { seconds = 90, calibration = 60, curve: wantsCurve = false } = options
  const arms = 4 * runs + (wantsCurve ? CURVE_RESERVES.length : 0)
  const totalS = arms * (seconds + AROUND_S) + (runs + 1) * (calibration + AROUND_S)
  log(`about ${Math.ceil(totalS / 60)} minutes`)
  await using stack = new AsyncDisposableStack()
  const { engine = 'embedded', dir } = options
  const filled = await startFilled(stack, { engine, dir, model }, log)
  const { queue } = filled
  const bench = await prepare(filled.server, filled.model)
  const measure = (own: number) => calibrate(bench, own, calibration * 1000, log)
  const inside: ReturnType<EngineQueue['take']>[] = []
  let all: Sample[] = []
  let before = await measure(seed)
  for (let own = seed; own < seed + runs; own++) {
    log(`run ${own - seed + 1} of ${runs}`)
    // What a calibration makes wait in the engine is no part of the mixed load.
    queue?.take()
    const sample = await run(bench, own, before, options)
    if (queue) inside.push(queue.take())
    before = await measure(own + 1)
    sample.capacityAfter = before.capacityUnitsPerS
    all = samples === undefined ? [...all, sample] : pooled(samples, sample)
  }
  const [off] = all.at(-1)?.off ?? []
  const figures = resultOf(all, bench.cap, seed)
  const curve = wantsCurve && off ? { curve: await drawCurve(bench, off, before, options) } : {}
  const about = { seed, rounds: all.length, engine, model: filled.model }
  return { ...figures, ...curve, ...(queue && { insideEngine: inside }), ...about }
}

async function prepare(server: Server, model: string): Promise<Bench> {
  const { url, admin } = server
  const engines = await admin.all<EngineView>('/api/engines')
  const forced = { ignore_eos: true }
  const target = async (name: string, weight: number, fields: object) => ({
    url,
    model,
    ...(await createTenant(server, name, weight)),
    fields: { ...forced, ...fields },
    isBare: true,
  })
  const interactive = WEIGHTS.map((weight) => target(`interactive-${weight}`, weight, {}))
  const batch = await Promise.all(
    BATCH_WEIGHTS.map((weight) => target(`batch-${weight}`, weight, { service_tier: 'batch' })),
  )
  return {
    server,
    cap: engines.reduce((sum, { cap }) => sum + cap, 0),
    cost: { input: 1, output: 2 },
    calibrators: await Promise.all(
      BATCH_WEIGHTS.map((weight) => target(`calibration-${weight}`, weight, {})),
    ),
    interactive: await Promise.all(interactive),
    batch,
    batchIds: batch.map(({ id }) => id),
  }
}

/** The arms of one run between two calibrations; the second is still to be made. */
async function run(
  bench: Bench,
  seed: number,
  before: Measured,
  options: UtilisationOptions,
): Promise<Sample> {
  const { capacityUnitsPerS } = before
  const promises = {
    ttftMs: TTFT_PROMISE_MS,
    tokenGapMs: promisedTokenGapMs(before.tokenGapMs),
  }
  const arms: Record<'on' | 'off', ArmFigures[]> = { on: [], off: [] }
  for (const [block, which] of (['off', 'on', 'on', 'off'] as const).entries()) {
    const own = seed * 1000 + Math.floor(block / 2)
    arms[which].push(await play(bench, which, own, before, options))
  }
  const [capacityBefore, capacityAfter] = [capacityUnitsPerS, Number.NaN]
  return { seed, capacityBefore, capacityAfter, promises, ...arms }
}

/** One arm; the same seed gives the same arrivals, with and without batch. */
async function play(
  { interactive, batch, cap, cost }: Bench,
  which: 'on' | 'off',
  seed: number,
  before: Measured,
  { seconds = 90, log = () => undefined }: UtilisationOptions,
): Promise<ArmFigures> {
  const durationMs = seconds * 1000
  const arm = await playArm({
    interactive,
    arrivals: drawArrivals(WEIGHTS, before, durationMs, seededRandom(seed)),
    batch: which === 'on' ? batch : [],
    cap,
    durationMs,
    random: seededRandom(seed + 500),
  })
  const figures = figuresOf(arm, which === 'on' ? BATCH_WEIGHTS.length : 0, TTFT_PROMISE_MS, cost)
  log(`batch ${which}: ${inWords(figures, before.capacityUnitsPerS)}`)
  return figures
}

/** Batch with so many places of the cap left free, against the last run's arm without batch. */
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
  bench: Bench,
  off: ArmFigures,
  before: Measured,
  options: UtilisationOptions,
): Promise<CurvePoint[]> {
  const { cap, batchIds, server } = bench
  const { seed = 1, runs = 1 } = options
  const points: CurvePoint[] = []
  for (const share of CURVE_RESERVES) {
    const reserve = Math.round(share * cap)
    const few = Math.max(1, Math.round((cap - reserve) / 3))
    const limits = [few, Math.max(1, cap - reserve - few)]
    for (const [i, id] of batchIds.entries()) {
      const concurrencyMax = limits[i] ?? 1
      await server.admin.patch(`/api/tenants/${id}`, { limits: { concurrencyMax } })
    }
    const on = await play(bench, 'on', (seed + runs - 1) * 1000, before, options)
    const ratio = (p: number) => {
      const of = ({ met }: ArmFigures) => met.map((m) => m.endToEndMs)
      return percentile(of(on), p) / percentile(of(off), p)
    }
    const ttfts = on.met.map(({ ttftMs }) => ttftMs)
    points.push({
      reserve,
      goodputUtilisation: on.goodputUnitsPerS / before.capacityUnitsPerS,
      e2eP50OnOverOff: ratio(0.5),
      e2eP99OnOverOff: ratio(0.99),
      ttftP99OnMs: percentile(ttfts, 0.99),
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
