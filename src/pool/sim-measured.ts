/** The profile of an engine that was calibrated here, for simulations of it. Pure. */
import type { EngineCalibration, EngineProfile as LiveProfile } from '../engine/index.ts'
import type { EngineProfile } from './sim-profile.ts'

/** Where an engine does not tell its context. */
const CONTEXT_TOKENS = 4096
/** Prompt tokens of a step of other engines than ours, as vLLM has it. */
const CHUNK_TOKENS = 2048
/**
 * Between two tokens of the streams our engine reads for so many times as long as a step of theirs
 * takes, but not for less than this, and alone for a quarter of a second in at most so many tokens;
 * background prompts in pieces as long as a step.
 */
const READ_OVER_DECODE = 2.5
const READ_MS_MIN = 25
const READ_MS_ALONE = 250
const READ_TOKENS_MAX = 512
/** Reading is never taken to fill more than this part of a sweep's time. */
const READ_SHARE_MAX = 0.95

/**
 * @param name under which the engine is known
 * @param measuredAt date of the calibration
 */
export function measuredProfile(
  name: string,
  measuredAt: string,
  calibration: EngineCalibration,
  live: LiveProfile,
): EngineProfile {
  const { cap, express, yieldsBySteps, kind } = live
  const readTokensPerS = Math.max(1, calibration.readTokensPerS)
  const decode = decodeOf(calibration, readTokensPerS)
  const spare = yieldsBySteps ? live.spare : 0
  const contextTokens = live.models[0]?.contextTokens ?? CONTEXT_TOKENS
  const atCap = decode.findLast(({ streams }) => streams <= cap) ?? decode[0]
  const stepMs = atCap?.stepMs ?? READ_MS_MIN
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
    ...(isOurs && { chunkTokensBackground: tokensIn(stepMs) }),
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
 * Length of a step by streams: what is left of the sweep's time after reading, over the steps that
 * the written tokens took, one of each stream a step. More streams never make it shorter.
 */
function decodeOf({ points }: EngineCalibration, readTokensPerS: number): EngineProfile['decode'] {
  let longest = 0
  return points
    .filter(({ mix, tokens }) => mix === 'even' && tokens.output > 0)
    .toSorted((a, b) => a.concurrency - b.concurrency)
    .map(({ concurrency, seconds, tokens }) => {
      const readS = Math.min(READ_SHARE_MAX * seconds, tokens.input / readTokensPerS)
      const steps = tokens.output / concurrency
      longest = Math.max(longest, (1000 * (seconds - readS)) / steps)
      return { streams: concurrency, stepMs: longest }
    })
}
