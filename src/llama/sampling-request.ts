/** The fields that chat and legacy completions share: limits, sampling, our extensions. */
import { z } from 'zod'
import { GristmillError, type Random } from '../base/index.ts'
import type { Sampling } from './generation.ts'

const int = (min: number, max: number) => z.number().int().min(min).max(max).nullish()
const real = (min: number, max: number) => z.number().min(min).max(max).nullish()

const STOPS_MAX = 16
/** They are handed to the library anew for every token. */
const BIASES_MAX = 4096
/** Logits are divided by it, and must stay numbers. */
const REPEAT_PENALTY_MIN = 0.01

export const samplingFields = {
  model: z.string().nullish(),
  max_tokens: int(1, Number.MAX_SAFE_INTEGER),
  stop: z.union([z.string(), z.array(z.string()).max(STOPS_MAX)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: real(0, 2),
  top_p: real(0, 1),
  top_k: int(-1, 1_000_000),
  min_p: real(0, 1),
  presence_penalty: real(-2, 2),
  frequency_penalty: real(-2, 2),
  repeat_penalty: real(REPEAT_PENALTY_MIN, 10),
  repetition_penalty: real(REPEAT_PENALTY_MIN, 10),
  seed: int(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  n: int(1, 128),
  logit_bias: z
    .record(z.string().regex(/^\d+$/), z.number().min(-100).max(100))
    .refine(
      (biases) => Object.keys(biases).length <= BIASES_MAX,
      `it may have at most ${BIASES_MAX} tokens`,
    )
    .nullish(),
  ignore_eos: z.boolean().nullish(),
  min_tokens: int(0, Number.MAX_SAFE_INTEGER),
  priority: int(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  cache_salt: z.string().max(1024).nullish(),
}

const shared = z.object(samplingFields)
export type SharedFields = z.infer<typeof shared>

/** llama.cpp's default; considering a whole vocabulary would cost a third of the throughput. */
const TOP_K_DEFAULT = 40
/** This value means "random" to llama.cpp. */
const RESERVED_SEED = 0xffff_ffff
/**
 * Below it the likeliest token is as good as certain. Logits divided by the smallest numbers would
 * be none, and a token chosen from these that a grammar does not allow ends llama.cpp.
 */
const TEMPERATURE_MIN = 0.001

/** Sampling of one choice of a request, with OpenAI's defaults. */
export function samplingOf(fields: SharedFields, random: Random, choice: number): Sampling {
  const seed = fields.seed ?? Math.floor(random.next() * RESERVED_SEED)
  const unsigned = Number(BigInt.asUintN(32, BigInt(seed) + BigInt(choice)))
  const { temperature } = fields
  return {
    temperature: temperature != null && temperature < TEMPERATURE_MIN ? 0 : (temperature ?? 1),
    topP: fields.top_p ?? 1,
    topK: Math.max(0, fields.top_k ?? TOP_K_DEFAULT),
    minP: fields.min_p ?? 0,
    presencePenalty: fields.presence_penalty ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? 0,
    repeatPenalty: fields.repeat_penalty ?? fields.repetition_penalty ?? 1,
    seed: unsigned === RESERVED_SEED ? 0 : unsigned,
    isSeeded: fields.seed != null,
    logitBias: new Map(
      Object.entries(fields.logit_bias ?? {}).map(([token, bias]) => [Number(token), bias]),
    ),
    tokensMin: fields.min_tokens ?? 0,
    topLogprobs: undefined,
    grammar: undefined,
  }
}

export function stopsOf(stop: SharedFields['stop']): string[] {
  return typeof stop === 'string' ? [stop] : (stop ?? [])
}

/**
 * Tokens to generate at most.
 * @param asked what the request names; undefined takes what the context leaves
 * @throws GristmillError `context_length_exceeded` with both numbers
 */
export function tokensMaxOf(
  asked: number | null | undefined,
  promptTokens: number,
  contextTokens: number,
  param = 'messages',
): number {
  const maxTokens = asked ?? Math.max(1, contextTokens - promptTokens)
  if (promptTokens + maxTokens > contextTokens)
    throw new GristmillError('context_length_exceeded', {
      param,
      contextTokens,
      requestTokens: promptTokens + maxTokens,
      promptTokens,
      maxTokens,
    })
  return maxTokens
}
