/**
 * An engine that speaks the OpenAI wire, over kept HTTP connections and without stream objects; or
 * a rented service, whose wire is translated on the way.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Pool } from 'undici'
import {
  type Clock,
  GristmillError,
  type Limits,
  openAiErrorBody,
  Roster,
  type Timer,
} from '../base/index.ts'
import { openConnections } from './connection-pool.ts'
import { EngineFailure } from './engine-failure.ts'
import { type ProbeOptions, Prober } from './engine-probe.ts'
import { type CallOwner, OpenAiCall } from './openai-call.ts'
import { type KeyRest, KeyRing, type ServiceKey } from './services/key-ring.ts'
import type { ServiceName } from './services/presets.ts'
import { rateReport } from './services/rate-limits.ts'
import { Service } from './services/service.ts'
import { ServiceProber } from './services/service-probe.ts'
import type {
  Engine,
  EngineCall,
  EngineCount,
  EngineLoad,
  EngineProfile,
  EngineRequest,
  EngineSink,
  RateNews,
  StepTimes,
} from './types.ts'

const SWEEP_MS = 500
const PROBE_PERIOD_MS = 2000
/** A service counts what it is asked, also for its list of models. */
const SERVICE_PROBE_PERIOD_MS = 60_000
const NO_CALL: EngineCall = { resume: () => undefined, abort: () => undefined }

export interface OpenAiEngineOptions extends ProbeOptions {
  id: string
  name: string
  /** With or without a trailing `/v1`. */
  url: string
  /** Name that its certificate is for, where `url` has an address in its place. */
  serverName?: string | undefined
  /** Own machines have one or none. */
  keys: readonly ServiceKey[]
  /** Whom it is rented from; null for own machines. */
  service: { name: ServiceName; apiVersion: string | null } | null
  clock: Clock
  limits: Pick<
    Limits,
    'engineFirstByteMsMax' | 'engineIdleMsMax' | 'engineAnswerMsMax' | 'answerBytesMax'
  >
  /** Told of every call that failed for a reason of the engine's, before the call's own sink. */
  onFailure?: (failure: EngineFailure) => void
  /** Told what a rented service says about its limits, before the answer goes on. */
  onRates?: (news: RateNews) => void
}

export class OpenAiEngine implements Engine, CallOwner {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly speaksMessages: boolean
  readonly probePeriodMs: number
  readonly #options: OpenAiEngineOptions
  readonly #connections: Pool
  readonly #prefix: string
  readonly #keys: KeyRing
  readonly #service: Service | undefined
  #authorization: readonly string[] = []
  /** What a service wants with every request. */
  #ownHeaders: readonly string[] = []
  readonly #calls = new Roster<OpenAiCall>()
  readonly #sweeper: Timer
  readonly #prober: Prober | ServiceProber

  constructor(options: OpenAiEngineOptions) {
    const { origin, pathname } = new URL(options.url)
    const { service } = options
    this.#options = options
    this.id = options.id
    this.name = options.name
    this.url = options.url
    this.#prefix = pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.#keys = new KeyRing([])
    this.setKeys(options.keys)
    this.#connections = openConnections(origin, options.serverName)
    const ask: ConstructorParameters<typeof Prober>[0] = (method, path, signal, body) =>
      this.#ask(method, path, signal, body)
    if (service === null) this.#prober = new Prober(ask, options)
    else {
      this.#service = new Service({ ...service, bytesMax: options.limits.answerBytesMax })
      this.#ownHeaders = this.#service.headers
      this.#prober = new ServiceProber(ask, this.#service, options)
    }
    this.speaksMessages = this.#service?.speaksMessages === true
    this.probePeriodMs = service === null ? PROBE_PERIOD_MS : SERVICE_PROBE_PERIOD_MS
    this.#sweeper = options.clock.every(SWEEP_MS, () => this.#sweep())
  }

  /** Requests there now. */
  get running(): number {
    return this.#calls.size
  }

  dispatch(request: EngineRequest, sink: EngineSink): EngineCall {
    const call =
      this.#service === undefined
        ? new OpenAiCall(this, request, sink)
        : this.#rentedCall(this.#service, request, sink)
    if (call === undefined) return NO_CALL
    this.#calls.add(call)
    this.send(call)
    return call
  }

  /** Takes other keys from the next request on. */
  setKeys(keys: readonly ServiceKey[]): void {
    this.#keys.set(keys)
    const [key] = keys
    this.#authorization = key === undefined ? [] : ['authorization', `Bearer ${key.secret}`]
  }

  /** Why a key is not used at the moment; null where it is. */
  restOf(keyId: string): KeyRest | null {
    return this.#keys.restOf(keyId, this.nowMs())
  }

  probe(signal: AbortSignal): Promise<EngineProfile> {
    return this.#prober.probe(signal)
  }

  load(signal: AbortSignal): Promise<EngineLoad | null> {
    return this.#prober.load(signal)
  }

  stepTimes(signal: AbortSignal): Promise<StepTimes | null> {
    return this.#prober.stepTimes(signal)
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
    const { requestId, path, body, headers = this.#ownHeaders } = call.request
    const key = this.#service && this.#keys.take(this.nowMs())
    call.keyId = key?.id
    this.#connections.dispatch(
      {
        method: 'POST',
        path: this.#prefix + path,
        headers: [
          'content-type',
          'application/json',
          'x-request-id',
          requestId,
          ...this.#credentials(key),
          ...headers,
        ],
        body,
      },
      call,
    )
  }

  begun(call: OpenAiCall, status: number, headers: IncomingHttpHeaders): void {
    const { keyId, request } = call
    if (keyId === undefined) return
    const nowMs = this.nowMs()
    const report = rateReport(status, headers, this.#options.clock.nowMs())
    this.#keys.answered(keyId, status, report, nowMs)
    const { requestId } = request
    this.#options.onRates?.({ requestId, keyId, keyIds: this.#keys.ids, report })
    // The caller's next try goes out with another key.
    if (isRefusedKey(status) && this.#keys.hasOther(keyId, nowMs)) {
      call.fail(new EngineFailure('broken', 'the service refused a key'))
    }
  }

  ended(call: OpenAiCall, failure: EngineFailure | undefined): void {
    this.#calls.delete(call)
    if (failure) this.#options.onFailure?.(failure)
  }

  #rentedCall(service: Service, request: EngineRequest, sink: EngineSink): OpenAiCall | undefined {
    try {
      const sent = { ...request, ...service.prepare(request) }
      return new OpenAiCall(this, sent, service.sinkFor(request, sink, this.#options.clock.nowMs()))
    } catch (error) {
      if (!(error instanceof GristmillError)) throw error
      sink.head(error.status, {})
      sink.data(Buffer.from(JSON.stringify(openAiErrorBody(error, request.requestId))))
      sink.end()
      return undefined
    }
  }

  #credentials(key: ServiceKey | undefined): readonly string[] {
    if (this.#service === undefined) return this.#authorization
    return key === undefined ? [] : this.#service.keyHeaders(key.secret)
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
    for (;;) {
      const key = this.#service && this.#keys.take(this.nowMs())
      const answer = await this.#connections.request({
        method,
        path: this.#prefix + path,
        headers: [
          'content-type',
          'application/json',
          ...this.#credentials(key),
          ...this.#ownHeaders,
        ],
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      })
      const { statusCode: status } = answer
      const text = await answer.body.text()
      if (key === undefined || !isRefusedKey(status)) return { status, text }
      this.#keys.answered(key.id, status, null, this.nowMs())
      if (!this.#keys.hasOther(key.id, this.nowMs())) return { status, text }
    }
  }
}

const isRefusedKey = (status: number) => status === 401 || status === 403
