/**
 * `bench engine`: the engine program against the bare library driven in lockstep and, where its
 * binary is given, llama.cpp's server. Same file, prompts, context, sampling, threads and tokens;
 * arms alternate, so that what else runs on the machine meets all of them.
 */
import { availableParallelism } from 'node:os'
import { type Arm, type ArmOptions, engineArm, libraryArm, rivalArm } from './engine-arms.ts'
import { eventLoopDelayP99Ms } from './engine-client.ts'
import { type MemoryResult, measureMemory } from './engine-memory.ts'
import { measurePrefill, type PrefillResult } from './engine-prefill.ts'
import { measureRepeat, type RepeatResult } from './engine-repeat.ts'
import { median } from './quantiles.ts'
import { bootstrap, type Interval } from './statistics.ts'

export interface BenchEngineOptions {
  /** Path of a GGUF file. */
  model: string
  /** Path of a llama-server binary. */
  rival?: string | undefined
  /**
   * Rounds of each arm per number of streams: many short ones, because the noise of a machine is
   * larger than what is to be found, and medians of pairs are not moved by it. With none only the
   * further figures are measured.
   */
  pairs?: number
  streams?: readonly number[]
  tokens?: number
  /** All cores but one where absent, as the engine itself chooses. */
  threads?: number
  /** Also 2,000 short requests and 500 aborts, watching memory. */
  memory?: boolean
  /** Also a long prompt beside seven streams, and a short one beside seven of batch rank. */
  prefill?: boolean
  /** Prompts of each kind there, alone and beside the streams. */
  prompts?: number
  /** Also the share of answers that repeat. */
  repeat?: boolean
  log?: (text: string) => void
}

export interface BenchEngineResult {
  streams: readonly number[]
  /** Our tokens per second ÷ the library's, median of the pairs, by number of streams. */
  overLibrary: number[]
  /** The same ÷ the rival's; empty without one. */
  ratios: number[]
  /** The same two with their bootstrap 95 % intervals. */
  intervals: { overLibrary: Interval[]; ratios: Interval[] }
  threads: number
  /** Event-loop delay of the engine while it was measured, milliseconds. */
  eventLoopDelayP99Ms: number
  /** Medians by number of streams. */
  tokensPerS: Record<string, number[]>
  /** Every measured value, by arm and number of streams. */
  values: Record<string, number[][]>
  rounds: number
  memory?: MemoryResult
  prefill?: PrefillResult
  repeat?: RepeatResult
}

const WARM_UPS = 3
const SEED = 1

const WORDS =
  'river mill wheel stone grain flour valley farmer miller harvest morning winter bridge barrel'

/** Runs the benchmark; every arm stays loaded, and only one computes at a time. */
export async function benchEngine(options: BenchEngineOptions): Promise<BenchEngineResult> {
  const { model, rival, pairs = 12, streams = [1, 4, 8], tokens = 64 } = options
  const log = options.log ?? (() => undefined)
  const threads = options.threads ?? Math.max(1, availableParallelism() - 1)
  const shape: ArmOptions = { model, threads, slots: Math.max(...streams) + 1, contextTokens: 512 }
  const arms: [string, Arm][] = []
  try {
    arms.push(['engine', await engineArm(shape)], ['library', await libraryArm(shape)])
    if (rival !== undefined) arms.push(['rival', await rivalArm(rival, shape)])
    const values: Record<string, number[][]> = {}
    for (const [name] of arms) values[name] = streams.map(() => [])
    // Compiled code is quicker: every arm gets the same time to become so.
    for (let i = 0; i < Math.min(WARM_UPS, pairs); i++)
      for (const [, arm] of arms) await arm.round(promptsOf(Math.max(...streams), 900 + i), tokens)
    for (const [s, count] of streams.entries())
      for (let pair = 0; pair < pairs; pair++) {
        const prompts = promptsOf(count, 1 + pair + s * 1000)
        // The order turns, so that no arm always runs after the same one.
        for (let turn = 0; turn < arms.length; turn++) {
          const [name, arm] = arms[(turn + pair) % arms.length] as [string, Arm]
          const speed = await arm.round(prompts, tokens)
          values[name]?.[s]?.push(speed)
          log(`${count} streams, pair ${pair + 1}, ${name}: ${speed.toFixed(1)} tokens/s`)
        }
      }
    const eventLoopMs = await eventLoopDelayP99Ms(arms[0]?.[1].url ?? '')
    for (const [, arm] of arms.splice(0)) await arm.stop()
    return {
      ...summary(values, streams),
      threads,
      eventLoopDelayP99Ms: eventLoopMs,
      rounds: pairs,
      ...(await furtherFigures(options, shape, log)),
    }
  } finally {
    for (const [, arm] of arms) await arm.stop()
  }
}

async function furtherFigures(
  { memory, prefill, prompts = 6, repeat }: BenchEngineOptions,
  shape: ArmOptions,
  log: (text: string) => void,
): Promise<Pick<BenchEngineResult, 'memory' | 'prefill' | 'repeat'>> {
  return {
    ...(prefill && { prefill: await measurePrefill({ ...shape, prompts }, log) }),
    ...(repeat && { repeat: await measureRepeat(shape, log) }),
    ...(memory && { memory: await measureMemory(shape, { requests: 2000, aborts: 500 }, log) }),
  }
}

function summary(values: Record<string, number[][]>, streams: readonly number[]) {
  const over = (other: string) =>
    (values[other] ?? []).map((theirs, s) => {
      const ratios = theirs.map((value, i) => (values.engine?.[s]?.[i] ?? 0) / value)
      return bootstrap(ratios, [], (drawn) => median(drawn), SEED)
    })
  const intervals = { overLibrary: over('library'), ratios: over('rival') }
  const medians = Object.entries(values).map(([name, rows]) => [name, rows.map(median)] as const)
  return {
    streams,
    overLibrary: intervals.overLibrary.map(({ value }) => value),
    ratios: intervals.ratios.map(({ value }) => value),
    intervals,
    tokensPerS: Object.fromEntries(medians),
    values,
  }
}

/** Prompts of about thirty tokens, different for every seed. */
function promptsOf(count: number, seed: number): string[] {
  const words = WORDS.split(' ')
  return Array.from({ length: count }, (_, i) => {
    const pick = (k: number) => words[(seed * 7 + i * 5 + k * 3 + ((seed * k) % 11)) % words.length]
    const list = Array.from({ length: 20 }, (_, k) => pick(k)).join(' ')
    return `Story ${seed}-${i} about ${list}:`
  })
}
