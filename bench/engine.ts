/**
 * `bench engine`: the engine program against the bare library driven in lockstep and, where its
 * binary is given, llama.cpp's server. Same file, prompts, context, sampling, threads and tokens;
 * arms alternate, so that what else runs on the machine meets all of them.
 */
import { availableParallelism } from 'node:os'
import { type Arm, type ArmOptions, engineArm, libraryArm, rivalArm } from './engine-arms.ts'
import { type MemoryResult, measureMemory } from './engine-memory.ts'

export interface BenchEngineOptions {
  /** Path of a GGUF file. */
  model: string
  /** Path of a llama-server binary. */
  rival?: string | undefined
  /** Rounds of each arm per number of streams; at least 5 for a published figure. */
  pairs?: number
  streams?: readonly number[]
  tokens?: number
  threads?: number
  /** Also 2,000 short requests and 500 aborts, watching memory. */
  memory?: boolean
  log?: (text: string) => void
}

export interface BenchEngineResult {
  streams: readonly number[]
  /** Our tokens per second ÷ the library's, median of the pairs, by number of streams. */
  overLibrary: number[]
  /** The same ÷ the rival's; empty without one. */
  ratios: number[]
  /** Medians by number of streams. */
  tokensPerS: Record<string, number[]>
  /** Every measured value, by arm and number of streams. */
  values: Record<string, number[][]>
  rounds: number
  memory?: MemoryResult
}

const WORDS =
  'river mill wheel stone grain flour valley farmer miller harvest morning winter bridge barrel'

/** Runs the benchmark; every arm stays loaded, and only one computes at a time. */
export async function benchEngine(options: BenchEngineOptions): Promise<BenchEngineResult> {
  const { model, rival, pairs = 5, streams = [1, 4, 8], tokens = 64 } = options
  const log = options.log ?? (() => undefined)
  const threads = options.threads ?? availableParallelism()
  const shape: ArmOptions = { model, threads, slots: Math.max(...streams) + 1, contextTokens: 512 }
  const arms: [string, Arm][] = []
  try {
    arms.push(['engine', await engineArm(shape)], ['library', await libraryArm(shape)])
    if (rival !== undefined) arms.push(['rival', await rivalArm(rival, shape)])
    const values: Record<string, number[][]> = {}
    for (const [name] of arms) values[name] = streams.map(() => [])
    for (const [, arm] of arms) await arm.round(promptsOf(2, 0), 8)
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
    return { ...summary(values, streams), rounds: pairs, ...(await memoryOf(options, shape, log)) }
  } finally {
    for (const [, arm] of arms) await arm.stop()
  }
}

async function memoryOf(
  { memory }: BenchEngineOptions,
  shape: ArmOptions,
  log: (text: string) => void,
): Promise<{ memory?: MemoryResult }> {
  if (!memory) return {}
  return { memory: await measureMemory(shape, { requests: 2000, aborts: 500 }, log) }
}

function summary(values: Record<string, number[][]>, streams: readonly number[]) {
  const over = (other: string) =>
    (values[other] ?? []).map((theirs, s) =>
      median(theirs.map((value, i) => (values.engine?.[s]?.[i] ?? 0) / value)),
    )
  const medians = Object.entries(values).map(([name, rows]) => [name, rows.map(median)] as const)
  return {
    streams,
    overLibrary: over('library'),
    ratios: over('rival'),
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

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}
