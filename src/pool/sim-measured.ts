/** The profile of an engine that was calibrated here, for simulations of it. Pure. */
import {
  type EngineCalibration,
  fitTimes,
  type EngineProfile as LiveProfile,
} from '../engine/index.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'

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
  const { readTokensPerS, decode } = speedsOf(calibration)
  const spare = yieldsBySteps ? live.spare : 0
  const contextTokens = live.models[0]?.contextTokens ?? CONTEXT_TOKENS
  const stepMs = decodeStepMs({ decode }, cap)
  const besideMs = Math.max(READ_MS_MIN, READ_OVER_DECODE * stepMs)
  const tokensIn = (ms: number) =>
    Math.max(1, Math.min(READ_TOKENS_MAX, Math.floor((ms * readTokensPerS) / 1000)))
  const isOurs = kind === 'gristmill'
  return {
    name,
    basis: `Calibrated on ${measuredAt.slice(0, 10)} through the gateway: closed loops of 1, 2, 4, … requests.`,
    cap,
    express,
    readTokensPerS,
    chunkTokens: isOurs ? tokensIn(besideMs) : CHUNK_TOKENS,
    chunkTokensAlone: isOurs ? tokensIn(READ_MS_ALONE) : CHUNK_TOKENS,
    decode,
    // Of ours every sequence has its whole context; of others no more is known than that they ran.
    kvTokens: (cap + express + spare) * contextTokens,
    contextTokens,
    prefixCache: live.takesCacheSalt,
    yields: yieldsBySteps ? 'step' : 'none',
    spare,
  }
}

/**
 * Reading and the length of a step by streams, fitted together over all points: each took so many
 * milliseconds for a prompt token, for one found read, for a step, and for every stream in a step.
 * With one time for an output token, however many were written at once, reading takes the blame
 * for what steps cost.
 */
function speedsOf({ points, readTokensPerS }: EngineCalibration) {
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
