/**
 * A rented service as the adapter needs it: where a request goes, what it says there, and how its
 * answer comes back as one of the chat wire.
 */
import { ChatSink } from '../anthropic/chat-sink.ts'
import { unsupported } from '../anthropic/content.ts'
import { messagesRequest } from '../anthropic/request.ts'
import { parsedJson } from '../parsed-json.ts'
import type { EngineRequest, EngineSink } from '../types.ts'
import { fieldsOf, textOf } from '../wire-fields.ts'
import { type Preset, presets, type ServiceName, serviceRequest } from './presets.ts'

const CHAT = '/v1/chat/completions'
const MESSAGES = '/v1/messages'
const V1 = '/v1'

export interface ServiceOptions {
  name: ServiceName
  /** `api-version` of Azure's addresses by deployment; null for those without. */
  apiVersion: string | null
  /** Bytes of an answer or event held at most. */
  bytesMax: number
}

export class Service {
  readonly name: ServiceName
  readonly #preset: Preset
  readonly #options: ServiceOptions

  constructor(options: ServiceOptions) {
    this.name = options.name
    this.#preset = presets[options.name]
    this.#options = options
  }

  /** False where a list names what could be set up rather than what is. */
  get listsModels(): boolean {
    return this.name !== 'azure'
  }

  /** Where its models are listed, below its address. */
  get modelsPath(): string {
    const { apiVersion } = this.#options
    if (apiVersion !== null) return `/openai/models?api-version=${encodeURIComponent(apiVersion)}`
    return `${this.#preset.root}/models`
  }

  get speaksMessages(): boolean {
    return this.#preset.wire === 'anthropic'
  }

  /** Headers that go with every request which has none of its own. */
  get headers(): readonly string[] {
    return this.#preset.headers ?? []
  }

  keyHeaders(key: string): readonly string[] {
    return this.#preset.keyHeaders(key)
  }

  /**
   * The request as the service takes it.
   * @throws GristmillError `unsupported_parameter` for what it cannot do
   */
  prepare({ path, body }: EngineRequest): { path: string; body: string | Uint8Array } {
    const isAnthropic = this.#preset.wire === 'anthropic'
    if (isAnthropic && path === MESSAGES) return { path, body }
    if (path !== CHAT) {
      if (isAnthropic) throw unsupported('model', 'it only chats')
      return { path: this.#pathOf(path, () => modelIn(body)), body }
    }
    const chat = fieldsOf(parsedJson(Buffer.from(body).toString('utf8')))
    if (isAnthropic) return { path: MESSAGES, body: JSON.stringify(messagesRequest(chat)) }
    return {
      path: this.#pathOf(path, () => textOf(chat.model)),
      body: JSON.stringify(serviceRequest(this.#preset, chat)),
    }
  }

  /** Takes the service's answer in place of `sink`. @param nowMs since the epoch */
  sinkFor({ path, stream }: EngineRequest, sink: EngineSink, nowMs: number): EngineSink {
    if (this.#preset.wire !== 'anthropic' || path === MESSAGES) return sink
    const { bytesMax } = this.#options
    return new ChatSink(sink, { isStream: stream, created: Math.floor(nowMs / 1000), bytesMax })
  }

  #pathOf(path: string, model: () => string): string {
    const { apiVersion } = this.#options
    const below = path.slice(V1.length)
    if (apiVersion === null) return this.#preset.root + below
    const deployment = encodeURIComponent(model())
    return `/openai/deployments/${deployment}${below}?api-version=${encodeURIComponent(apiVersion)}`
  }
}

const modelIn = (body: string | Uint8Array) =>
  textOf(fieldsOf(parsedJson(Buffer.from(body).toString('utf8'))).model)
