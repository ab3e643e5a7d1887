/**
 * Traces of tenants' requests on their way to where the tenants want them. What waits there is
 * bounded for each and for all together; a destination that does not answer loses its traces, and
 * costs requests nothing.
 */
import type { Attributes } from '@opentelemetry/api'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import { Counter } from 'prom-client'
import type { Clock, Logger, Registry } from '../base/index.ts'
import type { EndedRequest } from '../gateway/index.ts'
import { type OutboundAddresses, postOnce } from '../host/index.ts'
import { inputAttributes } from './input-messages.ts'
import { loadTracing, type Tracing, type TracingLibrary, tracingTo } from './telemetry.ts'
import type { Destination } from './trace-destinations.ts'

export interface TenantTracesOptions {
  clock: Clock
  logger: Logger
  registry: Registry
  targets: OutboundAddresses
  version: string
}

/** Spans of one request at most: its own, the queue's and the engine's. */
const SPANS_PER_REQUEST = 3
/** Spans that wait for one destination or are under way to it. */
export const SPANS_MAX = 1536
/** The same of all destinations, and characters of the prompts in them. */
const ALL_SPANS_MAX = 49_152
const ALL_CHARS_MAX = 32 * 1024 * 1024
const POST_MS_MAX = 5000
const ANSWER_BYTES_MAX = 16 * 1024
const SAY_EVERY_MS = 60_000

/** What is held in memory. */
interface Held {
  spans: number
  chars: number
}

interface Sink {
  destination: Destination
  tracing: Tracing
  held: Held
}

const charsOf = (words: Attributes) => String(words['gen_ai.input.messages'] ?? '').length

export class TenantTraces {
  readonly #options: TenantTracesOptions
  readonly #dropped: Counter
  readonly #all: Held = { spans: 0, chars: 0 }
  #destinations: ReadonlyMap<string, Destination> = new Map()
  readonly #sinks = new Map<string, Sink>()
  /** Sinks that send their last. */
  readonly #closing = new Set<Promise<void>>()
  #library: Library | undefined

  constructor(options: TenantTracesOptions) {
    this.#options = options
    this.#dropped = new Counter({
      name: 'gristmill_traces_dropped_total',
      help: 'Traces that did not reach the destination of their tenant',
      registers: [options.registry],
    })
  }

  /** True where a tenant has a destination. */
  follows(tenantId: string): boolean {
    return this.#destinations.has(tenantId)
  }

  /** Traces go to these from now on; what others still have is sent. */
  async use(destinations: ReadonlyMap<string, Destination>): Promise<void> {
    if (destinations.size > 0) this.#library ??= await load(this.#options)
    this.#destinations = destinations
    for (const [tenantId, { destination }] of this.#sinks) {
      if (destinations.get(tenantId) !== destination) this.#end(tenantId)
    }
  }

  /** Never throws, never waits. */
  ended(request: EndedRequest, fields: Record<string, unknown>): void {
    const destination = this.#destinations.get(request.tenantId)
    if (destination === undefined || this.#library === undefined) return
    const { held, tracing } = this.#sinkOf(destination, this.#library)
    if (held.spans + SPANS_PER_REQUEST > SPANS_MAX || this.#all.spans > ALL_SPANS_MAX) {
      this.#dropped.inc()
      return
    }
    const words = destination.withPrompts ? this.#wordsOf(request, fields) : {}
    if (!tracing.ended(request, words)) return
    const spans = request.engineId === null ? SPANS_PER_REQUEST - 1 : SPANS_PER_REQUEST
    this.#hold(held, spans, request.engineId === null ? 0 : charsOf(words))
  }

  async close(): Promise<void> {
    this.#destinations = new Map()
    for (const tenantId of this.#sinks.keys()) this.#end(tenantId)
    await Promise.all(this.#closing)
  }

  #wordsOf({ engineId }: EndedRequest, fields: Record<string, unknown>): Attributes {
    if (engineId === null) return {}
    if (this.#all.chars > ALL_CHARS_MAX) return { 'gristmill.input.cut': true }
    return inputAttributes(fields)
  }

  #hold(held: Held, spans: number, chars: number): void {
    held.spans += spans
    this.#all.spans += spans
    this.#all.chars += chars
  }

  #sinkOf(destination: Destination, { tracing, serialize }: Library): Sink {
    const known = this.#sinks.get(destination.tenantId)
    if (known !== undefined) return known
    const held: Held = { spans: 0, chars: 0 }
    const exporter = this.#exporterTo(destination, held, serialize)
    const root = new tracing.sdk.AlwaysOnSampler()
    const sink = { destination, held, tracing: tracingTo(exporter, tracing, root, SPANS_MAX) }
    this.#sinks.set(destination.tenantId, sink)
    return sink
  }

  #exporterTo(destination: Destination, held: Held, serialize: Serialize): SpanExporter {
    const { clock, logger, targets } = this.#options
    const { url, headers, tenantId } = destination
    let sayFromMs = Number.NEGATIVE_INFINITY
    const failed = (spans: ReadableSpan[], reason: string) => {
      this.#dropped.inc(spans.filter(({ kind }) => kind === SERVER).length)
      const nowMs = clock.monotonicMs()
      if (nowMs < sayFromMs) return
      sayFromMs = nowMs + SAY_EVERY_MS
      logger.warn({ tenantId, reason }, 'traces did not reach the destination of their tenant')
    }
    const send = async (spans: ReadableSpan[]) => {
      const bounds = { timeoutMs: POST_MS_MAX, answerBytesMax: ANSWER_BYTES_MAX }
      try {
        const post = { url, headers, body: serialize(spans), ...bounds }
        const { status } = await postOnce(post, targets, clock)
        if (status < 200 || status > 299) failed(spans, `it answered with ${status}`)
      } catch (error) {
        failed(spans, (error as Error).message || 'it could not be reached')
      }
      const chars = spans.reduce((sum, { attributes }) => sum + charsOf(attributes), 0)
      this.#hold(held, -spans.length, -chars)
    }
    return {
      // A failure has been counted and told of; the library would tell of each.
      export: (spans, done) => void send(spans).then(() => done({ code: 0 })),
      shutdown: async () => undefined,
    }
  }

  #end(tenantId: string): void {
    const sink = this.#sinks.get(tenantId)
    this.#sinks.delete(tenantId)
    if (sink === undefined) return
    const closing = sink.tracing
      .close()
      .catch((error: unknown) => this.#options.logger.warn({ err: error, tenantId }, 'last traces'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

/** SpanKind.SERVER: the one span of a request that every trace has. */
const SERVER = 1

type Serialize = (spans: ReadableSpan[]) => Uint8Array

/** Loaded when a tenant has a destination. */
interface Library {
  tracing: TracingLibrary
  serialize: Serialize
}

async function load({ version, logger }: TenantTracesOptions): Promise<Library> {
  const [tracing, { JsonTraceSerializer }] = await Promise.all([
    loadTracing(version, logger),
    import('@opentelemetry/otlp-transformer'),
  ])
  const serialize: Serialize = (spans) =>
    JsonTraceSerializer.serializeRequest(spans) ?? new Uint8Array()
  return { tracing, serialize }
}
