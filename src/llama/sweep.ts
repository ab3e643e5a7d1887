/** Measures a model's speed with a number of streams: short requests in a closed loop. */
import type { Token } from 'node-llama-cpp'
import { type Clock, Pace } from '../base/index.ts'
import type { CalibrationRow, MeasureStreams, StreamMix } from './calibration.ts'
import { Driver } from './driver.ts'
import { newProgress } from './engine.ts'
import type { GenerationRequest, Progress, Sampling } from './generation.ts'
import type { OpenSequences } from './loaded-model.ts'

const PROMPT =
  'Write two or three plain sentences about a river, a mill and the people who share it, please.'
/** Prompt and answer of a stream that only writes. */
const WRITING_TOKENS = { prompt: 4, output: 90 }
/** Tokens of prompt and answer at most in a mix, where both differ from request to request. */
const MIXED_TOKENS = { prompt: 24, output: 32 }
/** Part of a mixed measurement before it counts: that all streams begin is no steady state. */
const LEAD_IN = 0.3
/** Times its length that a measurement waits at most until all streams have begun. */
const LEAD_IN_MOST = 2
export const SWEEP_CONTEXT_TOKENS = 256
/** What a model has not written by then is no longer waited for, milliseconds. */
const MEASURE_MS_MAX = 20_000
const LOOK_MS = 10

const SAMPLING: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 40,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repeatPenalty: 1,
  seed: 1,
  isSeeded: false,
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
  // A salt of its own for each request, so that no prompt is found already read.
  let requests = 0
  const newSalt = () => `sweep-${requests++}`
  return async (streams, threads, durationMs, mix) => {
    if (opened?.threads !== threads) {
      const sequences = await resources.open(threads)
      opened = { threads, driver: newDriver(sequences, resources) }
    }
    return measure(opened.driver, resources, { streams, durationMs, mix, newSalt })
  }
}

function newDriver(sequences: OpenSequences, { clock, onStep }: SweepResources): Driver {
  const pace = new Pace({ readTokensMax: SWEEP_CONTEXT_TOKENS, readStepMs: 250 })
  const isEndToken = () => false
  const room = sequences.runners.length
  const bounds = { waitingMax: room, room, enough: room, yieldMsMax: 1e9 }
  return new Driver({ ...sequences, clock, pace, ...bounds, isEndToken, onStep })
}

interface Loop {
  streams: number
  durationMs: number
  mix: StreamMix
  newSalt(): string
}

async function measure(
  driver: Driver,
  { clock, prompt }: SweepResources,
  { streams, durationMs, mix, newSalt }: Loop,
): Promise<CalibrationRow> {
  const tokens = prompt(PROMPT)
  const stop = new AbortController()
  const progresses: Progress[] = []
  const one = async () => {
    while (!stop.signal.aborted) {
      const [read, write] = lengths(mix, progresses.length, streams)
      const run = forcedRequest(tokens.slice(0, read), write, newSalt(), stop.signal)
      progresses.push(run.progress)
      await driver.run(run)
    }
  }
  const startMs = clock.monotonicMs()
  const running = Array.from({ length: streams }, one)
  const until = async (isSo: () => boolean, limitMs: number) => {
    while (!isSo() && clock.monotonicMs() < startMs + limitMs) await clock.sleep(LOOK_MS)
  }
  if (mix === 'mixed') await clock.sleep(LEAD_IN * durationMs)
  const firstOnes = progresses.slice(0, streams)
  const allBegun = () => firstOnes.every(({ completionTokens }) => completionTokens > 0)
  await until(allBegun, LEAD_IN_MOST * durationMs)
  const from = { ...countsOf(progresses), ms: clock.monotonicMs() }
  await clock.sleep(Math.max(durationMs / 2, startMs + durationMs - from.ms))
  // A large model may read a prompt for longer than that.
  const isWritten = () =>
    progresses.some(({ completionTokens }) => completionTokens > 1) &&
    countsOf(progresses).output > from.output
  await until(isWritten, MEASURE_MS_MAX)
  const now = { ...countsOf(progresses), ms: clock.monotonicMs() }
  stop.abort()
  await Promise.all(running)
  const seconds = (now.ms - from.ms) / 1000
  return {
    streams,
    serviceUnitsPerS: (now.input - from.input + 2 * (now.output - from.output)) / seconds,
    tokensPerS: (now.output - from.output) / seconds,
    meanTokenGapP95Ms: tokenGapP95Ms(progresses),
  }
}

/** Tokens of prompt and answer of the n-th request. */
function lengths(mix: StreamMix, n: number, streams: number): [number, number] {
  if (mix === 'writing') return [WRITING_TOKENS.prompt, WRITING_TOKENS.output]
  // Steps of 3 and 5 eighths, so that neither length repeats soon nor goes with the other.
  const part = (step: number) => 0.25 + 0.75 * (((n * step) % 8) / 7)
  // The first ones are the rests of answers under way, so that streams end one after the other.
  const rest = Math.min(1, (n + 0.5) / streams)
  const { prompt, output } = MIXED_TOKENS
  return [Math.ceil(prompt * part(3)), Math.ceil(output * part(5) * rest)]
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

/** Prompt tokens that were computed and tokens that were written so far. */
function countsOf(progresses: readonly Progress[]): { input: number; output: number } {
  const sum = (count: (one: Progress) => number) =>
    progresses.reduce((all, one) => all + count(one), 0)
  return {
    input: sum(({ promptTokens, cachedTokens }) => promptTokens - cachedTokens),
    output: sum(({ completionTokens }) => completionTokens),
  }
}

/** 0 where no stream has written two tokens. */
function tokenGapP95Ms(progresses: readonly Progress[]): number {
  const gaps = progresses
    .filter(({ completionTokens }) => completionTokens > 1)
    .map(({ decodeMs, completionTokens }) => decodeMs / (completionTokens - 1))
    .toSorted((a, b) => a - b)
  return gaps[Math.floor(gaps.length * 0.95)] ?? gaps.at(-1) ?? 0
}
