/**
 * How fast an engine is, as the simulator sees it: plain figures that come from a calibration, from
 * publications or from arithmetic on a data sheet, with their origin beside them. No simulation.
 */
import { z } from 'zod'
import { checked } from '../base/index.ts'
import type { CostWeights } from './scheduler-types.ts'

export const engineProfileSchema = z.strictObject({
  name: z.string().min(1).max(100),
  /** Where the figures come from, in a sentence. */
  basis: z.string().min(1).max(500),
  /** Sequences kept in flight: the knee. */
  cap: z.int().min(1).max(4096),
  /** Sequences that the engine is started with beyond its cap. */
  express: z.int().min(0).max(512),
  /** Prompt tokens read per second while nothing else runs. */
  readTokensPerS: z.number().positive(),
  /** Most prompt tokens between two tokens of running streams. */
  chunkTokens: z.int().min(1),
  /** Most prompt tokens of one step that has no streams in it. */
  chunkTokensAlone: z.int().min(1),
  /** Length of a step by the streams in it; between two points on the line through them. */
  decode: z
    .array(z.strictObject({ streams: z.int().min(1), stepMs: z.number().positive() }))
    .min(1)
    .max(64),
  /** Tokens whose state fits the engine's memory, over all sequences and kept prefixes. */
  kvTokens: z.int().min(1),
  /** Longest prompt with its answer. */
  contextTokens: z.int().min(1),
  /** True where prompts that begin alike are read once. */
  prefixCache: z.boolean(),
  /**
   * What stands aside for a better-ranked prompt. `step`: worse-ranked prompts, and streams unless
   * better ones go on; steps read or write there, as ours do. `prompts`: worse-ranked prompts;
   * `none`: nothing that has begun; steps do both there (chunked prefill).
   */
  yields: z.enum(['step', 'prompts', 'none']),
  /** Sequences beyond cap and express on which background work stands aside, where it does. */
  spare: z.int().min(0).max(4096).default(0),
  /**
   * There where it is our own engine, of whose steps more is known: neighbouring sequences share a
   * pass, whose length `decode` tells, and prompts are read in pieces by its pace, so that
   * `chunkTokens` and `kvTokens` say nothing. Beside `enough` streams of people background ones
   * stand aside.
   */
  lockstep: z.strictObject({ enough: z.int().min(1) }).optional(),
})

export type EngineProfile = z.infer<typeof engineProfileSchema>

/** @throws GristmillError `invalid_value` where the text is no profile */
export function parseProfile(value: unknown): EngineProfile {
  const profile = checked(engineProfileSchema, value)
  return { ...profile, decode: profile.decode.toSorted((a, b) => a.streams - b.streams) }
}

/** Length of a step that gives `streams` sequences a token each, milliseconds. */
export function decodeStepMs({ decode }: Pick<EngineProfile, 'decode'>, streams: number): number {
  if (streams <= 0) return 0
  const above = decode.findIndex((point) => point.streams >= streams)
  const [first] = decode
  if (first === undefined) throw new Error('a profile has at least one point')
  if (above === 0) return first.stepMs
  const [low, high] = above < 0 ? decode.slice(-2) : decode.slice(above - 1, above + 1)
  if (low === undefined || high === undefined) return first.stepMs
  const slope = (high.stepMs - low.stepMs) / (high.streams - low.streams)
  return low.stepMs + slope * (streams - low.streams)
}

/** Length of a pass over so many sequences; beyond those known as much longer as they are more. */
export function passMs(profile: Pick<EngineProfile, 'decode'>, sequences: number): number {
  const most = profile.decode.at(-1)?.streams ?? 1
  if (sequences <= most) return decodeStepMs(profile, sequences)
  return (decodeStepMs(profile, most) * sequences) / most
}

/**
 * Weights of the cost unit that this engine's times give: a prompt token is 1, an output token what
 * its part of a step at the cap takes against it.
 */
export function costOfProfile(profile: EngineProfile): CostWeights {
  const readMs = 1000 / profile.readTokensPerS
  const outputMs = decodeStepMs(profile, profile.cap) / profile.cap
  return { input: 1, output: Math.max(0.01, Math.round((100 * outputMs) / readMs) / 100) }
}

/** Arithmetic on a data sheet: compute bounds reading, memory bandwidth bounds decoding. */
function rooflineDecode(points: readonly number[], baseMs: number, perStreamMs: number) {
  return points.map((streams) => ({ streams, stepMs: baseMs + perStreamMs * streams }))
}

/** Profiles that need no measurement of one's own. */
export const builtInProfiles: readonly EngineProfile[] = [
  {
    name: 'h100-8b',
    basis:
      'Arithmetic for an 8-billion-parameter model in bf16 on one H100 SXM: reading at 45 % of 989 TFLOPS, a step bounded by 16 GB of weights at 3.35 TB/s and 1 ms of overhead, 0.1 ms per stream for its context.',
    cap: 64,
    express: 8,
    readTokensPerS: 27_000,
    chunkTokens: 2048,
    chunkTokensAlone: 2048,
    decode: rooflineDecode([1, 64], 6, 0.1),
    kvTokens: 400_000,
    contextTokens: 131_072,
    prefixCache: true,
    yields: 'none',
    spare: 0,
  },
  {
    name: 'l40s-8b',
    basis:
      'Arithmetic for an 8-billion-parameter model in bf16 on one L40S: reading at 45 % of 362 TFLOPS, a step bounded by 16 GB of weights at 864 GB/s and 1 ms of overhead, 0.15 ms per stream for its context.',
    cap: 32,
    express: 4,
    readTokensPerS: 10_000,
    chunkTokens: 1024,
    chunkTokensAlone: 1024,
    decode: rooflineDecode([1, 32], 19.5, 0.15),
    kvTokens: 210_000,
    contextTokens: 131_072,
    prefixCache: true,
    yields: 'none',
    spare: 0,
  },
  {
    name: 'a10g-7b',
    basis:
      'Arithmetic for a 7-billion-parameter model in fp16 on one A10G: reading at 50 % of 70 TFLOPS, a step bounded by 14 GB of weights at 600 GB/s, 0.6 ms per stream for its context.',
    cap: 16,
    express: 2,
    readTokensPerS: 2500,
    chunkTokens: 256,
    chunkTokensAlone: 1024,
    decode: rooflineDecode([1, 16], 25, 0.6),
    kvTokens: 16_000,
    contextTokens: 4096,
    prefixCache: true,
    yields: 'none',
    spare: 0,
  },
  {
    name: 'slots-16',
    basis:
      'A round reference: 2,000 prompt tokens per second, 16 streams of 30 tokens per second each, however many run.',
    cap: 16,
    express: 2,
    readTokensPerS: 2000,
    chunkTokens: 256,
    chunkTokensAlone: 2048,
    decode: [{ streams: 1, stepMs: 100 / 3 }],
    kvTokens: 1_000_000,
    contextTokens: 131_072,
    prefixCache: false,
    yields: 'none',
    spare: 0,
  },
  {
    name: 'embedded-135m',
    basis:
      'The embedded engine with SmolLM2-135M-Instruct Q4_1 on 2 cores: 205, 355 and 473 tokens per second at 1, 4 and 8 streams of 64 tokens, measured; reading at 700 tokens per second.',
    cap: 8,
    express: 1,
    readTokensPerS: 700,
    chunkTokens: 64,
    chunkTokensAlone: 175,
    decode: [
      { streams: 1, stepMs: 4.9 },
      { streams: 4, stepMs: 11.3 },
      { streams: 8, stepMs: 16.9 },
      { streams: 16, stepMs: 30 },
    ],
    kvTokens: 65_536,
    contextTokens: 4096,
    prefixCache: true,
    yields: 'step',
    spare: 4,
  },
]
