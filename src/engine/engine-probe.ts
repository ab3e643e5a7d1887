/**
 * Asks an engine about itself: first which program answers, then again and again which models it
 * serves and how it is loaded. What each program tells lives in `kinds`.
 */
import { z } from 'zod'
import type { Random } from '../base/index.ts'
import { readLoad } from './engine-signals.ts'
import { readTokenCount } from './engine-tokenizer.ts'
import { loadedContexts } from './kinds/desktop.ts'
import { detectEngine } from './kinds/detection.ts'
import { gristmillTraits } from './kinds/gristmill.ts'
import { withPromptSlots } from './kinds/llama.ts'
import { type ListedModel, listedContext, modelListSchema } from './kinds/model-list.ts'
import { type Asker, setByOperator, type Traits } from './kinds/traits.ts'
import { parsedJson } from './parsed-json.ts'
import { readStepTimes } from './step-times.ts'
import type { EngineCount, EngineLoad, EngineProfile, StepTimes } from './types.ts'

export interface ProbeOptions {
  /** Sequences to keep in flight, instead of what the engine says. */
  capOverride: number | null
  /** Only these of its models; null means all. */
  modelsFilter: readonly string[] | null
  /** Makes prompts that nobody has sent before. */
  random: Random
}

export type Ask = (
  method: 'GET' | 'POST',
  path: string,
  signal: AbortSignal,
  body?: object,
) => Promise<{ status: number; text: string }>

const countSchema = z.object({
  state: z.enum(['running', 'ended']),
  prompt_tokens: z.number().int().min(0),
  cached_tokens: z.number().int().min(0),
  completion_tokens: z.number().int().min(0),
})

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
      const asker = this.#asker(signal)
      // Its cap is part of the list of models, so it is never stale.
      if (!isGristmill && this.#known === undefined) {
        this.#known = await detectEngine(asker, models)
        this.#tryOut(this.#known, models)
      }
      const traits = this.#known ?? gristmillTraits(models)
      const { contextTokens, ...profile } = traits
      const { capOverride, modelsFilter } = this.#options
      this.#kind = profile.kind
      const loaded = await loadedContexts(profile.kind, (path) => asker.page(path))
      const contextOf = (model: ListedModel) =>
        loaded?.get(model.id) ?? listedContext(model) ?? contextTokens ?? model.meta?.n_ctx ?? null
      return {
        ...profile,
        ...(capOverride !== null && setByOperator(capOverride, traits)),
        models: models
          .filter(({ id }) => modelsFilter === null || modelsFilter.includes(id))
          .map((model) => ({
            name: model.id,
            contextTokens: contextOf(model),
            toy: model.meta?.toy ?? false,
            ...(model.meta?.embeds_only && { embedsOnly: true }),
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

  /** How long its steps have taken, where the engine that was last seen here tells it. */
  stepTimes(signal: AbortSignal): Promise<StepTimes | null> {
    return readStepTimes(this.#kind, (path) => this.#ask('GET', path, signal))
  }

  /** Goes on beside what it answers by then, and is told by a later probe. */
  #tryOut(traits: Traits, [model]: readonly ListedModel[]): void {
    const { signal } = new AbortController()
    const complete = async (body: object) => {
      const { status, text } = await this.#ask('POST', '/v1/completions', signal, body)
      return status === 200 ? parsedJson(text) : undefined
    }
    const ask = (body: object) => complete({ model: model?.id, ...body })
    withPromptSlots(traits, ask, this.#options.random).then(
      (found) => {
        if (this.#known === traits) this.#known = found
      },
      // It has gone, and is another one when it comes back.
      () => undefined,
    )
  }

  async #models(signal: AbortSignal): Promise<ListedModel[]> {
    const { status, text } = await this.#ask('GET', '/v1/models', signal)
    if (status !== 200) throw new Error(`GET /v1/models answers with status ${status}`)
    const parsed = modelListSchema.safeParse(parsedJson(text))
    if (!parsed.success) throw new Error('GET /v1/models does not answer with a list of models')
    const [model] = parsed.data.data
    if (model === undefined) throw new Error('it serves no model')
    if (model.owned_by === 'llamacpp') await this.#checkLoaded(signal)
    return parsed.data.data
  }

  /** llama.cpp's server lists its model before that can be used, and tells little else by then. */
  async #checkLoaded(signal: AbortSignal): Promise<void> {
    const { status } = await this.#ask('GET', '/health', signal)
    if (status === 503) throw new Error('it still loads its model')
  }

  #asker(signal: AbortSignal): Asker {
    return {
      page: async (path) => {
        const { status, text } = await this.#ask('GET', path, signal)
        return status === 200 ? parsedJson(text) : undefined
      },
      statusOf: async (path, body) => (await this.#ask('POST', path, signal, body)).status,
      load: (kind) => readLoad(kind, (path) => this.#ask('GET', path, signal)),
    }
  }
}
