/**
 * Measures an engine through the same adapter that serves everybody: closed loops of 1, 2, 4, …
 * requests until more at once get no more done, then three mixes that tell the kinds of tokens
 * apart. The caller decides when a request may run, so that it stands behind all other work.
 */
import type { Clock, Random } from '../base/index.ts'
import type { CalibrationPoint, Tokens } from './calibration.ts'
import { unitsPerS } from './calibration.ts'
import { askForCalibration } from './calibration-load.ts'
import { stepTimesBetween } from './step-times.ts'
import type { Engine, EngineProfile, StepTimes } from './types.ts'

/** A place on the engine for one request; `finish` gives it back, once. */
export interface CalibrationPlace {
  id: string
  /** Right of way inside the engine. */
  rank: number
  /** Which of its numbered slots it is to use; absent where it is to choose. */
  slot?: number | undefined
  output(tokens: number): void
  finish(tokens: Tokens | null): void
}

/** What a calibration asks of whoever schedules the engine. */
export interface CalibrationPlaces {
  /** Waits for a place. @throws where none can be had any more, and at the signal */
  take(signal: AbortSignal): Promise<CalibrationPlace>
  /** Lets so many requests run at once from now on. */
  allow(concurrency: number): void
  /** Tokens that the engine has worked through for everybody so far. */
  total(): Tokens
}

export interface CalibratorOptions {
  engine: Engine
  profile: EngineProfile
  /** The model to measure. */
  model: string
  places: CalibrationPlaces
  clock: Clock
  random: Random
  /** Length of one point, milliseconds. */
  pointMs: number
  signal: AbortSignal
  /** Called after every point. */
  onPoint(point: CalibrationPoint): void
}

const CONCURRENCY_MOST = 256
/** Part of a point before its measurement begins: the first requests start together. */
const LEAD_IN = 0.3
/** More at once must add this much, or the sweep is over after one more try. */
const GAIN = 1.02
const TRIES_WITHOUT_GAIN = 2
/** Before weights are fitted the sweep is judged by these. */
const ASSUMED = { input: 1, output: 2 }

/** @throws Error where the engine refuses or fails; points so far are lost then */
export async function measureEngine(options: CalibratorOptions): Promise<CalibrationPoint[]> {
  const { profile, places, onPoint } = options
  const points: CalibrationPoint[] = []
  const measure = async (mix: CalibrationPoint['mix'], concurrency: number) => {
    places.allow(concurrency)
    const point = await measurePoint(options, mix, concurrency)
    points.push(point)
    onPoint(point)
    return unitsPerS(point, ASSUMED)
  }
  const most = Math.min(profile.capMost, CONCURRENCY_MOST)
  let [best, bestAt, triesWithoutGain] = [0, 1, 0]
  for (const concurrency of concurrencies(most)) {
    const rate = await measure('even', concurrency)
    if (rate < best * GAIN) triesWithoutGain++
    else triesWithoutGain = 0
    if (rate > best) [best, bestAt] = [rate, concurrency]
    if (triesWithoutGain >= TRIES_WITHOUT_GAIN) break
  }
  for (const mix of ['prompts', 'answers', 'prefixes'] as const) await measure(mix, bestAt)
  return points
}

/** 1, 2, 4, … and at last the most. */
export function concurrencies(most: number): number[] {
  const counts = Array.from({ length: 9 }, (_, i) => 2 ** i).filter((count) => count < most)
  return [...counts, most]
}

async function measurePoint(
  options: CalibratorOptions,
  mix: CalibrationPoint['mix'],
  concurrency: number,
): Promise<CalibrationPoint> {
  const { clock, places, pointMs, signal } = options
  const gaps: number[] = []
  const over = new AbortController()
  const stepsBefore = stepTimesOf(options)
  const workers = Array.from({ length: concurrency }, async () => {
    while (!over.signal.aborted) {
      const gapMs = await askOnce(options, mix)
      if (gapMs !== null) gaps.push(gapMs)
    }
  })
  const all = Promise.all(workers)
  try {
    await Promise.race([clock.sleep(LEAD_IN * pointMs, signal), all])
    const [fromMs, before] = [clock.monotonicMs(), places.total()]
    await Promise.race([clock.sleep((1 - LEAD_IN) * pointMs, signal), all])
    const [untilMs, after] = [clock.monotonicMs(), places.total()]
    over.abort()
    await all
    // A step takes as long at the beginning and at the end as between.
    const steps = stepTimesBetween(await stepsBefore, await stepTimesOf(options))
    gaps.sort((a, b) => a - b)
    return {
      mix,
      concurrency,
      seconds: (untilMs - fromMs) / 1000,
      tokens: {
        input: after.input - before.input,
        cached: after.cached - before.cached,
        output: after.output - before.output,
      },
      tokenGapP95Ms: gaps[Math.ceil(gaps.length * 0.95) - 1] ?? null,
      ...(steps && { steps }),
    }
  } finally {
    over.abort()
    await Promise.allSettled(workers)
  }
}

/** A calibration does without what the engine does not tell. */
function stepTimesOf({ engine, signal }: CalibratorOptions): Promise<StepTimes | null> {
  return engine.stepTimes(signal).catch(() => null)
}

async function askOnce(
  { engine, profile, model, places, clock, random, signal }: CalibratorOptions,
  mix: CalibrationPoint['mix'],
): Promise<number | null> {
  const place = await places.take(signal)
  let tokens: Tokens | null = null
  try {
    const { id, rank, slot } = place
    const request = { id, mix, model, rank, slot }
    const answer = await askForCalibration(engine, profile, request, place, {
      clock,
      random,
      signal,
    })
    tokens = answer.tokens
    return answer.tokenGapMs
  } finally {
    place.finish(tokens)
  }
}
