/**
 * What a calibration of an engine comes to: its capacity, its knee, its rates and the weights of
 * the cost unit. Pure: points that were measured go in, figures come out.
 */
import { promisedTokenGapMs } from '../base/index.ts'
import type { StepTimes } from './types.ts'

/** Tokens that an engine worked through. */
export interface Tokens {
  /** Prompt tokens that were computed. */
  input: number
  /** Prompt tokens that were found already read. */
  cached: number
  output: number
}

/** One step of the sweep: a closed loop of `concurrency` requests for some seconds. */
export interface CalibrationPoint {
  /**
   * Lengths of its requests: `even` for the sweep itself, the others tell prompt tokens, tokens
   * found read and output tokens apart.
   */
  mix: 'even' | 'prompts' | 'answers' | 'prefixes'
  concurrency: number
  seconds: number
  /** Of all that ran on the engine meanwhile. */
  tokens: Tokens
  /** p95 over requests of their mean time between tokens; null where none had two. */
  tokenGapP95Ms: number | null
  /** How long the engine's steps took meanwhile; absent where it does not tell. */
  steps?: StepTimes | undefined
}

export interface FittedWeights {
  input: number
  cached: number
  output: number
}

export interface EngineCalibration {
  weights: FittedWeights
  /** Highest service per second of the sweep, no promise applied. */
  capacityUnitsPerS: number
  /** Fewest requests at once that do nearly as much while tokens come as quickly as promised. */
  knee: number
  kneeUnitsPerS: number
  /** p95 of the mean time between tokens at the knee, milliseconds. */
  tokenGapMs: number | null
  /** Tokens per second of an engine that only reads, and that only writes. */
  readTokensPerS: number
  writeTokensPerS: number
  points: CalibrationPoint[]
}

const KNEE_SHARE = 0.95
/** Weights beyond these are noise, not an engine. */
const OUTPUT_WEIGHT = { least: 0.25, most: 64 }
/** Where the points do not tell: what is assumed before any calibration. */
const OUTPUT_WEIGHT_ASSUMED = 2

/** Seconds of the engine for a token of each kind, over the points; none below zero. */
export function fitSeconds(points: readonly CalibrationPoint[]): Tokens {
  const [input = 0, cached = 0, output = 0] = fitTimes(
    points.map(({ tokens, seconds }) => ({
      seconds,
      amounts: [tokens.input, tokens.cached, tokens.output],
    })),
  )
  return { input, cached, output }
}

const FIT_ROUNDS = 500

/**
 * What one of each amount takes: the least-squares solution of seconds = Σ amount·time over the
 * rows, none below zero (by coordinate descent on the normal equations; Lawson & Hanson, Solving
 * Least Squares Problems, ch. 23). Relative errors count: a row of ten seconds is no truer than one
 * of five.
 */
export function fitTimes(
  measured: readonly { seconds: number; amounts: readonly number[] }[],
): number[] {
  const rows = measured.map(({ seconds, amounts }) => amounts.map((amount) => amount / seconds))
  const at = (row: readonly number[], i: number) => row[i] ?? 0
  const fitted = (rows[0] ?? []).map(() => 0)
  for (let round = 0; round < FIT_ROUNDS; round++) {
    for (let i = 0; i < fitted.length; i++) {
      let [above, below] = [0, 0]
      for (const row of rows) {
        const others = fitted.reduce((sum, one, j) => (j === i ? sum : sum + one * at(row, j)), 0)
        above += at(row, i) * (1 - others)
        below += at(row, i) ** 2
      }
      fitted[i] = below === 0 ? 0 : Math.max(0, above / below)
    }
  }
  return fitted
}

/** A prompt token that is computed weighs 1; the others what they take in comparison. */
export function weightsOf(points: readonly CalibrationPoint[]): FittedWeights {
  const { input, cached, output } = fitSeconds(points)
  if (input === 0 || output === 0) return { input: 1, cached: 0, output: OUTPUT_WEIGHT_ASSUMED }
  const { least, most } = OUTPUT_WEIGHT
  return {
    input: 1,
    cached: rounded(Math.min(1, cached / input)),
    output: rounded(Math.min(most, Math.max(least, output / input))),
  }
}

const rounded = (weight: number) => Math.round(weight * 100) / 100

/** Service per second of a point. */
export function unitsPerS(
  { tokens, seconds }: Pick<CalibrationPoint, 'tokens' | 'seconds'>,
  weights: Pick<FittedWeights, 'input' | 'output'>,
): number {
  return (weights.input * tokens.input + weights.output * tokens.output) / seconds
}

/**
 * Draws the figures from the points of a calibration.
 * @throws RangeError where the sweep has no point
 */
export function calibrationOf(points: readonly CalibrationPoint[]): EngineCalibration {
  const weights = weightsOf(points)
  const sweep = points
    .filter(({ mix }) => mix === 'even')
    .toSorted((a, b) => a.concurrency - b.concurrency)
  const rate = (point: CalibrationPoint) => unitsPerS(point, weights)
  const capacityUnitsPerS = Math.max(...sweep.map(rate))
  const aloneMs = sweep[0]?.tokenGapP95Ms ?? 0
  const limitMs = promisedTokenGapMs(aloneMs)
  const quick = sweep.filter(({ tokenGapP95Ms }) => (tokenGapP95Ms ?? 0) <= limitMs)
  const eligible = quick.length > 0 ? quick : sweep.slice(0, 1)
  const best = Math.max(...eligible.map(rate))
  const knee = eligible.find((point) => rate(point) >= KNEE_SHARE * best)
  if (knee === undefined) throw new RangeError('a calibration needs a point')
  const seconds = fitSeconds(points)
  return {
    weights,
    capacityUnitsPerS,
    knee: knee.concurrency,
    kneeUnitsPerS: rate(knee),
    tokenGapMs: knee.tokenGapP95Ms,
    readTokensPerS: seconds.input === 0 ? 0 : 1 / seconds.input,
    writeTokensPerS: seconds.output === 0 ? 0 : 1 / seconds.output,
    points: [...points],
  }
}
