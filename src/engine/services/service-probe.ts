/** Asks a rented service about itself: whether it takes a key, and which models it has. */
import { z } from 'zod'
import { messagesRequest } from '../anthropic/request.ts'
import type { Ask, ProbeOptions } from '../engine-probe.ts'
import { listedContext, modelListSchema } from '../kinds/model-list.ts'
import { plain, setByOperator, type Traits } from '../kinds/traits.ts'
import { parsedJson } from '../parsed-json.ts'
import type { EngineProfile } from '../types.ts'
import type { Service } from './service.ts'

/** Its rate limits decide; these only bound what runs at once. */
const CAP = 32
const CAP_MOST = 256

const countSchema = z.object({ input_tokens: z.number().int().min(0) })

export class ServiceProber {
  readonly #ask: Ask
  readonly #service: Service
  readonly #options: ProbeOptions

  constructor(ask: Ask, service: Service, options: ProbeOptions) {
    this.#ask = ask
    this.#service = service
    this.#options = options
  }

  /** @throws Error with the reason in words where it does not answer or lacks a model */
  async probe(signal: AbortSignal): Promise<EngineProfile> {
    const { modelsPath, name, listsModels } = this.#service
    const { status, text } = await this.#ask('GET', modelsPath, signal)
    if (status === 401 || status === 403) throw new Error('it refuses the key')
    if (status !== 200) throw new Error(`its list of models answers with status ${status}`)
    const parsed = modelListSchema.safeParse(parsedJson(text))
    if (!parsed.success) throw new Error('it does not answer with a list of models')
    // One of them writes a folder before its names, which it does not want to hear again.
    const contexts = new Map(
      parsed.data.data.map((one) => [one.id.replace(/^models\//, ''), listedContext(one)]),
    )
    const { modelsFilter, capOverride } = this.#options
    const wanted = modelsFilter ?? [...contexts.keys()]
    const missing = listsModels ? wanted.filter((model) => !contexts.has(model)) : []
    if (missing.length > 0) {
      throw new Error(`it has no ${missing.join(', ')}; it has ${[...contexts.keys()].join(', ')}`)
    }
    const traits: Traits = {
      ...plain,
      kind: 'service',
      service: name,
      version: null,
      cap: CAP,
      capMost: CAP_MOST,
      capReason: 'What a service takes is decided by its rate limits.',
    }
    const { contextTokens: _, ...profile } = traits
    return {
      ...profile,
      ...(capOverride !== null && setByOperator(capOverride, traits)),
      models: wanted.map((model) => ({
        name: model,
        contextTokens: contexts.get(model) ?? null,
        toy: false,
      })),
    }
  }

  /** Nothing is told of what runs at a service. */
  load(): Promise<null> {
    return Promise.resolve(null)
  }

  /** Nor of how it computes. */
  stepTimes(): Promise<null> {
    return Promise.resolve(null)
  }

  /** It bills by its own count, which it does not tell again. */
  countOf(): Promise<null> {
    return Promise.resolve(null)
  }

  async countTokens(chat: Record<string, unknown>, signal: AbortSignal): Promise<number | null> {
    if (this.#service.name !== 'anthropic') return null
    const { max_tokens: _, stream: __, metadata: ___, ...counted } = messagesRequest(chat)
    const { status, text } = await this.#ask('POST', '/v1/messages/count_tokens', signal, counted)
    const count = status === 200 ? countSchema.safeParse(parsedJson(text)) : undefined
    return count?.success ? count.data.input_tokens : null
  }
}
