/** An engine that speaks the OpenAI wire, over kept HTTP connections and without stream objects. */
import type { Pool } from 'undici'
import { type Clock, type Limits, Roster, type Timer } from '../base/index.ts'
import { openConnections } from './connection-pool.ts'
import { EngineFailure } from './engine-failure.ts'
import { type ProbeOptions, Prober } from './engine-probe.ts'
import { type CallOwner, OpenAiCall } from './openai-call.ts'
import type {
  Engine,
  EngineCall,
  EngineCount,
  EngineLoad,
  EngineProfile,
  EngineRequest,
  EngineSink,
} from './types.ts'

const SWEEP_MS = 500

export interface OpenAiEngineOptions extends ProbeOptions {
  id: string
  name: string
  /** With or without a trailing `/v1`. */
  url: string
  apiKey: string | null
  clock: Clock
  limits: Pick<Limits, 'engineFirstByteMsMax' | 'engineIdleMsMax' | 'engineAnswerMsMax'>
  /** Told of every call that failed for a reason of the engine's, before the call's own sink. */
  onFailure?: (failure: EngineFailure) => void
}

export class OpenAiEngine implements Engine, CallOwner {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly #options: OpenAiEngineOptions
  readonly #connections: Pool
  readonly #prefix: string
  readonly #authorization: readonly string[]
  readonly #calls = new Roster<OpenAiCall>()
  readonly #sweeper: Timer
  readonly #prober: Prober

  constructor(options: OpenAiEngineOptions) {
    const { origin, pathname } = new URL(options.url)
    this.#options = options
    this.id = options.id
    this.name = options.name
    this.url = options.url
    this.#prefix = pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.#authorization =
      options.apiKey === null ? [] : ['authorization', `Bearer ${options.apiKey}`]
    this.#connections = openConnections(origin)
    this.#prober = new Prober(
      (method, path, signal, body) => this.#ask(method, path, signal, body),
      options,
    )
    this.#sweeper = options.clock.every(SWEEP_MS, () => this.#sweep())
  }

  dispatch(request: EngineRequest, sink: EngineSink): EngineCall {
    const call = new OpenAiCall(this, request, sink)
    this.#calls.add(call)
    this.send(call)
    return call
  }

  probe(signal: AbortSignal): Promise<EngineProfile> {
    return this.#prober.probe(signal)
  }

  load(signal: AbortSignal): Promise<EngineLoad | null> {
    return this.#prober.load(signal)
  }

  countOf(requestId: string, signal: AbortSignal): Promise<EngineCount | null> {
    return this.#prober.countOf(requestId, signal)
  }

  countTokens(chat: Record<string, unknown>, signal: AbortSignal): Promise<number | null> {
    return this.#prober.countTokens(chat, signal)
  }

  /** Ends what runs and closes the connections. */
  async close(): Promise<void> {
    this.#sweeper.cancel()
    this.#calls.forEach((call) => {
      call.fail(new EngineFailure('broken', 'the engine was removed'))
    })
    await this.#connections.destroy()
  }

  // What calls ask of their engine

  nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  send(call: OpenAiCall): void {
    const { requestId, path, body } = call.request
    this.#connections.dispatch(
      {
        method: 'POST',
        path: this.#prefix + path,
        headers: [
          'content-type',
          'application/json',
          'x-request-id',
          requestId,
          ...this.#authorization,
        ],
        body,
      },
      call,
    )
  }

  ended(call: OpenAiCall, failure: EngineFailure | undefined): void {
    this.#calls.delete(call)
    if (failure) this.#options.onFailure?.(failure)
  }

  #sweep(): void {
    const nowMs = this.nowMs()
    this.#calls.forEach((call) => {
      if (call.isPaused) return
      const limitMs = this.#limitOf(call)
      const sinceMs = call.hasBytes ? call.heardAtMs : call.sentAtMs
      if (nowMs - sinceMs <= limitMs) return
      const message = `silent for more than ${limitMs} ms`
      call.fail(new EngineFailure('timeout', message, { timeoutMs: limitMs }))
    })
  }

  #limitOf(call: OpenAiCall): number {
    const { limits } = this.#options
    if (call.hasBytes) return limits.engineIdleMsMax
    return call.request.stream ? limits.engineFirstByteMsMax : limits.engineAnswerMsMax
  }

  async #ask(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<{ status: number; text: string }> {
    const answer = await this.#connections.request({
      method,
      path: this.#prefix + path,
      headers: ['content-type', 'application/json', ...this.#authorization],
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    })
    return { status: answer.statusCode, text: await answer.body.text() }
  }
}
