/**
 * Finds out what an engine is and what it can do, from its own words: first which program answers,
 * then what each of them tells about its models and its capacity.
 */
import { z } from 'zod'
import { readLoad } from './engine-signals.ts'
import { readTokenCount } from './engine-tokenizer.ts'
import { parsedJson } from './parsed-json.ts'
import type { EngineCount, EngineLoad, EngineProfile } from './types.ts'

export interface ProbeOptions {
  /** Sequences to keep in flight, instead of what the engine says. */
  capOverride: number | null
  /** Only these of its models; null means all. */
  modelsFilter: readonly string[] | null
}

export type Ask = (
  method: 'GET' | 'POST',
  path: string,
  signal: AbortSignal,
  body?: object,
) => Promise<{ status: number; text: string }>

/** Where an engine does not say how many sequences it runs. */
const CAP_UNKNOWN = 4
/**
 * vLLM batches far more than this; the number keeps its queue, which is out of our reach, empty.
 */
const CAP_VLLM = 16
/** Its own default of `--max-num-seqs`; above it requests wait inside. */
const CAP_VLLM_MOST = 256
const ADVICE_VLLM =
  'Start vLLM with --scheduling-policy priority, so that background work stands back inside it too.'
const ADVICE_LLAMA = "Start llama.cpp's server with --metrics, so that it tells of its queue."

const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string().min(1),
      owned_by: z.string().nullish(),
      max_model_len: z.number().int().positive().nullish(),
      meta: z
        .object({
          n_ctx: z.number().int().positive().nullish(),
          n_ctx_train: z.number().int().positive().nullish(),
          cap: z.number().int().positive().nullish(),
          express: z.number().int().min(0).nullish(),
          spare: z.number().int().min(0).nullish(),
          toy: z.boolean().nullish(),
          version: z.string().nullish(),
          calibration: z
            .object({
              capacityUnitsPerS: z.number().positive(),
              knee: z.number(),
              kneeTokenGapP95Ms: z.number().nullish(),
            })
            .nullish(),
        })
        .nullish()
        .catch(null),
    }),
  ),
})
type Models = z.infer<typeof modelsSchema>['data']

const propsSchema = z.object({
  total_slots: z.number().int().positive(),
  build_info: z.string().nullish(),
  default_generation_settings: z.object({ n_ctx: z.number().int().positive().nullish() }).nullish(),
})
const versionSchema = z.object({ version: z.string() })
const countSchema = z.object({
  state: z.enum(['running', 'ended']),
  prompt_tokens: z.number().int().min(0),
  cached_tokens: z.number().int().min(0),
  completion_tokens: z.number().int().min(0),
})

type Traits = Omit<EngineProfile, 'models'> & { contextTokens: number | null }

export class Prober {
  readonly #ask: Ask
  readonly #options: ProbeOptions
  /** What does not change while an engine runs; asked again after it was away. */
  #known: Traits | undefined
  #kind: EngineProfile['kind'] = 'openai'

  constructor(ask: Ask, options: ProbeOptions) {
    this.#ask = ask
    this.#options = options
  }

  /** @throws Error with the reason in words when the engine is not healthy */
  async probe(signal: AbortSignal): Promise<EngineProfile> {
    try {
      const models = await this.#models(signal)
      const isGristmill = models[0]?.owned_by === 'gristmill'
      // Its cap is part of the list of models, so it is never stale.
      if (!isGristmill) this.#known ??= await this.#detect(models, signal)
      const traits = this.#known ?? gristmillTraits(models)
      const { contextTokens, ...profile } = traits
      const { capOverride, modelsFilter } = this.#options
      this.#kind = profile.kind
      return {
        ...profile,
        ...(capOverride !== null && setByOperator(capOverride, traits)),
        models: models
          .filter(({ id }) => modelsFilter === null || modelsFilter.includes(id))
          .map(({ id, max_model_len, meta }) => ({
            name: id,
            contextTokens: max_model_len ?? contextTokens ?? meta?.n_ctx ?? null,
            toy: meta?.toy ?? false,
          })),
      }
    } catch (error) {
      this.#known = undefined
      throw error
    }
  }

  /** The engine's own count of a request, where it keeps one. */
  async countOf(requestId: string, signal: AbortSignal): Promise<EngineCount | null> {
    const path = `/v1/requests/${encodeURIComponent(requestId)}`
    const { status, text } = await this.#ask('GET', path, signal)
    if (status !== 200) return null
    const count = countSchema.safeParse(parsedJson(text))
    if (!count.success) return null
    return {
      inputTokens: count.data.prompt_tokens,
      cachedTokens: count.data.cached_tokens,
      outputTokens: count.data.completion_tokens,
      ended: count.data.state === 'ended',
    }
  }

  /** Tokens of a chat's prompt, where the engine that was last seen here has a tokenizer to ask. */
  countTokens(chat: Record<string, unknown>, signal: AbortSignal): Promise<number | null> {
    return readTokenCount(this.#kind, chat, (path, body) => this.#ask('POST', path, signal, body))
  }

  /** The load of the engine that was last seen here. */
  load(signal: AbortSignal): Promise<EngineLoad | null> {
    return readLoad(this.#kind, (path) => this.#ask('GET', path, signal))
  }

  async #models(signal: AbortSignal): Promise<Models> {
    const { status, text } = await this.#ask('GET', '/v1/models', signal)
    if (status !== 200) throw new Error(`GET /v1/models answers with status ${status}`)
    const parsed = modelsSchema.safeParse(parsedJson(text))
    if (!parsed.success) throw new Error('GET /v1/models does not answer with a list of models')
    if (parsed.data.data.length === 0) throw new Error('it serves no model')
    return parsed.data.data
  }

  async #detect(models: Models, signal: AbortSignal): Promise<Traits> {
    const props = propsSchema.safeParse(await this.#json('/props', signal))
    const tells = async (kind: EngineProfile['kind']) =>
      readLoad(kind, (path) => this.#ask('GET', path, signal))
    if (props.success) return llamaTraits(props.data, await tells('llama.cpp'))
    const version = versionSchema.safeParse(await this.#json('/version', signal))
    const isVllm = models[0]?.owned_by === 'vllm'
    if (version.success && isVllm) {
      const traits = await this.#vllmTraits(models, version.data.version, signal)
      return { ...traits, tellsLoad: (await tells('vllm')) !== null }
    }
    return {
      ...plain,
      kind: 'openai',
      version: version.success ? version.data.version : null,
      cap: CAP_UNKNOWN,
      capMost: CAP_UNKNOWN,
      capReason: 'The engine does not say how many requests it runs at once; this is the default.',
    }
  }

  async #vllmTraits(models: Models, version: string, signal: AbortSignal): Promise<Traits> {
    const takesPriority = await this.#takesPriority(models[0]?.id ?? '', signal)
    return {
      ...plain,
      kind: 'vllm',
      version,
      cap: CAP_VLLM,
      capMost: CAP_VLLM_MOST,
      express: expressFor(CAP_VLLM),
      capReason: 'vLLM does not say how many requests it runs at its best; this is the default.',
      takesPriority,
      takesCacheSalt: isAtLeast(version, 0, 9),
      advice: takesPriority ? null : ADVICE_VLLM,
    }
  }

  /** vLLM refuses the field unless it runs with priority scheduling; one token tells. */
  async #takesPriority(model: string, signal: AbortSignal): Promise<boolean> {
    const body = { model, prompt: 'a', max_tokens: 1, priority: 1 }
    const { status } = await this.#ask('POST', '/v1/completions', signal, body)
    return status === 200
  }

  async #json(path: string, signal: AbortSignal): Promise<unknown> {
    const { status, text } = await this.#ask('GET', path, signal)
    return status === 200 ? parsedJson(text) : undefined
  }
}

const plain = {
  express: 0,
  spare: 0,
  capacityUnitsPerS: null,
  tokenGapMs: null,
  takesPriority: false,
  takesCacheSalt: false,
  takesCacheOff: false,
  yieldsBySteps: false,
  tellsLoad: false,
  advice: null,
  contextTokens: null,
}

/** An operator's word bounds the cap from above; a suffering engine may still be given less. */
function setByOperator(cap: number, told: Traits) {
  return {
    cap,
    capMost: cap,
    capReason: 'Set by an operator.',
    express: expressBeside(cap, told),
  }
}

/**
 * Express sequences of an engine that runs with another cap than it was found with: vLLM makes
 * room for them, llama.cpp's server has only its slots, others have what they were started with.
 */
export function expressBeside(
  cap: number,
  { kind, capMost, express }: Pick<EngineProfile, 'kind' | 'capMost' | 'express'>,
): number {
  if (kind === 'vllm') return expressFor(cap)
  if (kind !== 'llama.cpp') return express
  return Math.max(0, Math.min(express, capMost + express - cap))
}

const expressFor = (cap: number) => Math.max(1, Math.ceil(cap / 8))

function gristmillTraits(models: Models): Traits {
  const meta = models[0]?.meta
  const isCalibrated = meta?.calibration != null
  const cap = meta?.cap ?? CAP_UNKNOWN
  return {
    ...plain,
    kind: 'gristmill',
    version: meta?.version ?? null,
    cap,
    // It has no sequences beyond those that it was started with.
    capMost: cap,
    capReason: isCalibrated
      ? 'Found by calibration: more requests at once would not get more work done.'
      : 'As the engine was started.',
    express: meta?.express ?? 0,
    spare: meta?.spare ?? 0,
    capacityUnitsPerS: meta?.calibration?.capacityUnitsPerS ?? null,
    tokenGapMs: meta?.calibration?.kneeTokenGapP95Ms ?? null,
    takesPriority: true,
    takesCacheSalt: true,
    yieldsBySteps: true,
    tellsLoad: true,
  }
}

/** Its slots are all it has, so one in nine is kept for newcomers. */
function llamaTraits(props: z.infer<typeof propsSchema>, load: EngineLoad | null): Traits {
  const slots = props.total_slots
  const cap = Math.max(1, Math.floor((8 * slots) / 9))
  return {
    ...plain,
    kind: 'llama.cpp',
    version: props.build_info ?? null,
    cap,
    capMost: cap,
    express: slots - cap,
    capReason: 'The number of its slots, without those kept for newcomers.',
    takesCacheOff: true,
    tellsLoad: load !== null,
    advice: load === null || load.waiting === null ? ADVICE_LLAMA : null,
    contextTokens: props.default_generation_settings?.n_ctx ?? null,
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
  return a > major || (a === major && b >= minor)
}
