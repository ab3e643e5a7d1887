/** Measures a model's speed with a number of streams: short requests in a closed loop. */
import type { Token } from 'node-llama-cpp'
import type { Clock } from '../base/index.ts'
import type { CalibrationRow, MeasureStreams } from './calibration.ts'
import { STREAM_COUNTS } from './calibration.ts'
import { Driver } from './driver.ts'
import { newProgress } from './engine.ts'
import type { GenerationRequest, Sampling } from './generation.ts'
import type { OpenSequences } from './loaded-model.ts'
import { Pace } from './pace.ts'

const PROMPT =
  'Write two or three plain sentences about a river, a mill and the people who share it, please.'
const OUTPUT_TOKENS = 48
/** Tokens of prompt and answer at most in a mix, where both differ from request to request. */
const MIXED_TOKENS = { prompt: 24, output: 32 }
export const SWEEP_CONTEXT_TOKENS = 256
/** What a model has not written by then is no longer waited for, milliseconds. */
const MEASURE_MS_MAX = 20_000

const SAMPLING: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 40,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repeatPenalty: 1,
  seed: 1,
  logitBias: new Map(),
  tokensMin: 0,
  topLogprobs: undefined,
  grammar: undefined,
}

export interface SweepResources {
  clock: Clock
  prompt(text: string): Token[]
  /** Sequences with that many threads or one more; opening other ones closes the former. */
  open(threads: number): Promise<OpenSequences>
  onStep(): void
}

/** A `MeasureStreams` over real sequences. */
export function sweepWith(resources: SweepResources): MeasureStreams {
  let opened: { threads: number; driver: Driver } | undefined
  return async (streams, threads, durationMs, mix = 'equal') => {
    if (opened?.threads !== threads) {
      const sequences = await resources.open(threads)
      opened = { threads, driver: newDriver(sequences, resources) }
    }
    return measure(opened.driver, resources, { streams, durationMs, mix })
  }
}

function newDriver(sequences: OpenSequences, { clock, onStep }: SweepResources): Driver {
  const pace = new Pace({ readTokensMax: SWEEP_CONTEXT_TOKENS, readStepMs: 250 })
  const waitingMax = STREAM_COUNTS.length
  const isEndToken = () => false
  const room = sequences.runners.length
  const bounds = { waitingMax, room, enough: room, yieldMsMax: 1e9 }
  return new Driver({ ...sequences, clock, pace, ...bounds, isEndToken, onStep })
}

async function measure(
  driver: Driver,
  { clock, prompt }: SweepResources,
  { streams, durationMs, mix }: { streams: number; durationMs: number; mix: 'equal' | 'mixed' },
): Promise<CalibrationRow> {
  const tokens = prompt(PROMPT)
  const stop = new AbortController()
  const progresses: GenerationRequest['progress'][] = []
  let request = 0
  const one = async () => {
    while (!stop.signal.aborted) {
      // A salt of its own for each, so that no prompt is found already read.
      const [read, write] = lengths(mix, request, tokens.length)
      const salt = `sweep-${request++}`
      const run = forcedRequest(tokens.slice(0, read), write, salt, stop.signal)
      progresses.push(run.progress)
      await driver.run(run)
    }
  }
  const startMs = clock.monotonicMs()
  const running = Array.from({ length: streams }, one)
  await clock.sleep(durationMs)
  // A large model may read a prompt for longer than that.
  const isWritten = () => progresses.some(({ completionTokens }) => completionTokens > 1)
  const untilMs = startMs + MEASURE_MS_MAX
  while (!isWritten() && clock.monotonicMs() < untilMs) await clock.sleep(durationMs / 4)
  stop.abort()
  const elapsedS = (clock.monotonicMs() - startMs) / 1000
  await Promise.all(running)
  return summarise(streams, progresses, elapsedS)
}

/** Tokens of prompt and answer of the n-th request. */
function lengths(mix: 'equal' | 'mixed', n: number, promptTokens: number): [number, number] {
  if (mix === 'equal') return [promptTokens, OUTPUT_TOKENS]
  // Steps of 3 and 5 eighths, so that neither length repeats soon nor goes with the other.
  const part = (step: number) => 0.25 + 0.75 * (((n * step) % 8) / 7)
  const prompt = Math.min(promptTokens, MIXED_TOKENS.prompt)
  return [Math.ceil(prompt * part(3)), Math.ceil(MIXED_TOKENS.output * part(5))]
}

/** A request that generates exactly `tokensMax` tokens and shows them to nobody. */
export function forcedRequest(
  prompt: Token[],
  tokensMax: number,
  cacheSalt: string,
  signal = new AbortController().signal,
): GenerationRequest {
  return {
    priority: 0,
    cacheSalt,
    prompt,
    sampling: SAMPLING,
    tokensMax,
    ignoreEnd: true,
    signal,
    progress: newProgress(),
    countsPrompt: true,
    onToken: () => true,
    isPaused: () => false,
  }
}

function summarise(
  streams: number,
  progresses: GenerationRequest['progress'][],
  elapsedS: number,
): CalibrationRow {
  const read = progresses.filter((progress) => progress.completionTokens > 0)
  const output = read.reduce((sum, progress) => sum + progress.completionTokens, 0)
  const input = read.reduce((sum, progress) => sum + progress.promptTokens, 0)
  const gaps = read
    .filter((progress) => progress.completionTokens > 1)
    .map((progress) => progress.decodeMs / (progress.completionTokens - 1))
    .toSorted((a, b) => a - b)
  return {
    streams,
    serviceUnitsPerS: (input + 2 * output) / elapsedS,
    tokensPerS: output / elapsedS,
    meanTokenGapP95Ms: gaps[Math.floor(gaps.length * 0.95)] ?? gaps.at(-1) ?? 0,
  }
}
