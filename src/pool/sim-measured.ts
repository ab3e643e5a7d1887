/** The profile of an engine that was calibrated here, for simulations of it. Pure. */
import {
  type CalibrationPoint,
  type EngineCalibration,
  fitTimes,
  type EngineProfile as LiveProfile,
} from '../engine/index.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'

type Speeds = Pick<EngineProfile, 'readTokensPerS' | 'decode' | 'lockstep'>

/** Where an engine does not tell its context. */
const CONTEXT_TOKENS = 4096
/** Prompt tokens of a step of other engines than ours, as vLLM has it. */
const CHUNK_TOKENS = 2048
/**
 * Between two tokens of the streams our engine reads for so many times as long as a step of theirs
 * takes, but not for less than this, and alone for a quarter of a second in at most so many tokens.
 */
const READ_OVER_DECODE = 2.5
const READ_MS_MIN = 25
const READ_MS_ALONE = 250
const READ_TOKENS_MAX = 512
/** Steps of nothing at all are an error of measurement. */
const STEP_MS_MIN = 0.01
/** Fewer passes of a length say more of what else ran meanwhile. */
const PASSES_MIN = 10

/**
 * @param name under which the engine is known
 * @param measuredAt date of the calibration
 */
export function measuredProfile(
  name: string,
  measuredAt: string,
  calibration: EngineCalibration,
  live: Pick<
    LiveProfile,
    'cap' | 'express' | 'spare' | 'yieldsBySteps' | 'kind' | 'models' | 'takesCacheSalt'
  >,
): EngineProfile {
  const { cap, express, yieldsBySteps, kind } = live
  const speeds = toldSpeeds(calibration.points) ?? fittedSpeeds(calibration)
  const { readTokensPerS, decode } = speeds
  const spare = yieldsBySteps ? live.spare : 0
  const contextTokens = live.models[0]?.contextTokens ?? CONTEXT_TOKENS
  const stepMs = decodeStepMs({ decode }, cap)
  const besideMs = Math.max(READ_MS_MIN, READ_OVER_DECODE * stepMs)
  const tokensIn = (ms: number) =>
    Math.max(1, Math.min(READ_TOKENS_MAX, Math.floor((ms * readTokensPerS) / 1000)))
  const isOurs = kind === 'gristmill'
  return {
    name,
    basis: `Calibrated on ${measuredAt.slice(0, 10)} through the gateway: closed loops of 1, 2, 4, … requests${speeds.lockstep ? ', and its steps as it told them' : ''}.`,
    cap,
    express,
    ...speeds,
    chunkTokens: isOurs ? tokensIn(besideMs) : CHUNK_TOKENS,
    chunkTokensAlone: isOurs ? tokensIn(READ_MS_ALONE) : CHUNK_TOKENS,
    // Of ours every sequence has its whole context; of others no more is known than that they ran.
    kvTokens: (cap + express + spare) * contextTokens,
    contextTokens,
    prefixCache: live.takesCacheSalt,
    yields: yieldsBySteps ? 'step' : 'none',
    spare,
  }
}

/**
 * What an engine itself has told of its steps, over all points: how long a pass over so many
 * sequences took, and how many tokens were read in a second of reading. A piece of a prompt costs
 * more beside its tokens, and these the more the later they stand; on prompts of up to a hundred
 * tokens the two even out, and pieces of a calibration are too much alike to tell them apart.
 * @returns undefined where it told nothing, or too little
 */
function toldSpeeds(points: readonly CalibrationPoint[]): Speeds | undefined {
  const told = points.flatMap(({ steps }) => steps ?? [])
  const passes = Map.groupBy(
    told.flatMap((one) => one.passes),
    ({ sequences }) => sequences,
  )
  const decode = [...passes].flatMap(([streams, some]) => {
    const count = some.reduce((sum, one) => sum + one.count, 0)
    const seconds = some.reduce((sum, one) => sum + one.seconds, 0)
    return count < PASSES_MIN ? [] : [{ streams, stepMs: (1000 * seconds) / count }]
  })
  const total = (amount: 'tokens' | 'seconds') =>
    told.reduce((sum, { read }) => sum + read[amount], 0)
  const enough = told.at(-1)?.enough
  if (decode.length === 0 || total('seconds') === 0 || enough === undefined) return undefined
  return {
    readTokensPerS: total('tokens') / total('seconds'),
    decode: decode.sort((a, b) => a.streams - b.streams),
    lockstep: { enough },
  }
}

/**
 * Reading and the length of a step by streams, fitted together over all points: each took so many
 * milliseconds for a prompt token, for one found read, for a step, and for every stream in a step.
 * With one time for an output token, however many were written at once, reading takes the blame
 * for what steps cost.
 */
function fittedSpeeds({ points, readTokensPerS }: EngineCalibration): Speeds {
  const [readS = 0, , stepS = 0, streamS = 0] = fitTimes(
    points.map(({ concurrency, seconds, tokens: { input, cached, output } }) => ({
      seconds,
      amounts: [input, cached, output / concurrency, output],
    })),
  )
  const counts = [...new Set(points.map((point) => point.concurrency))].sort((a, b) => a - b)
  return {
    readTokensPerS: Math.max(1, readS === 0 ? readTokensPerS : 1 / readS),
    decode: counts.map((streams) => ({
      streams,
      stepMs: Math.max(STEP_MS_MIN, 1000 * (stepS + streams * streamS)),
    })),
  }
}
