/**
 * Traces of requests for an OpenTelemetry collector, by the conventions for generative AI
 * (opentelemetry.io/docs/specs/semconv/gen-ai): a span for the request, within it one for the time
 * in the queue and one for the engine's. Numbers and names; words only where they are handed in.
 */
import type { Attributes, Context, Tracer } from '@opentelemetry/api'
import type { Sampler, SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger, TracesConfig } from '../base/index.ts'
import { type EndedRequest, operationOf } from '../gateway/index.ts'

/** A collector that does not answer must not hold up a stop for long. */
const SEND_MS_MAX = 2000
/** W3C trace context, level 1. */
const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export type TracingLibrary = Awaited<ReturnType<typeof loadTracing>>

export interface Tracing {
  /**
   * @param words attributes for the span of the engine
   * @returns false where it is not sampled
   */
  ended(request: EndedRequest, words?: Attributes): boolean
  /** Sends what it has and ends, also where the collector is gone. */
  close(): Promise<void>
}

/** Loads the library, which is needed only where somebody follows. */
export async function loadTracing(version: string, logger: Logger) {
  const [api, sdk, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
  ])
  const say = (message: string, ...rest: unknown[]) => logger.warn({ rest }, message)
  const quiet = () => undefined
  const listener = { error: say, warn: say, info: quiet, debug: quiet, verbose: quiet }
  api.diag.setLogger(listener, {
    logLevel: api.DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  })
  const resource = resourceFromAttributes({
    'service.name': 'gristmill',
    'service.version': version,
  })
  return { api, sdk, resource, version }
}

/** The operator's collector. */
export async function openTelemetry(
  { url, headers, share }: TracesConfig,
  version: string,
  logger: Logger,
): Promise<Tracing> {
  const [library, { OTLPTraceExporter }] = await Promise.all([
    loadTracing(version, logger),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ])
  const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: SEND_MS_MAX })
  const root = new library.sdk.TraceIdRatioBasedSampler(share)
  const { ended, close } = tracingTo(exporter, library, root)
  return {
    ended,
    close: () =>
      close().catch((error: Error) =>
        logger.warn({ error: error.message }, 'the last traces did not reach their collector'),
      ),
  }
}

/**
 * Traces to one exporter.
 * @param root decides about requests that do not come traced
 * @param queueMax spans that wait for it; the library's bound where absent
 */
export function tracingTo(
  exporter: SpanExporter,
  library: TracingLibrary,
  root: Sampler,
  queueMax?: number,
): Tracing {
  const { sdk, resource, version } = library
  const bound = queueMax === undefined ? {} : { maxQueueSize: queueMax }
  const provider = new sdk.TracerProvider({
    resource,
    sampler: new sdk.ParentBasedSampler({ root }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, ...bound })],
  })
  const tracer = provider.getTracer('gristmill', version)
  return {
    ended: (request, words) => trace(library.api, tracer, request, words),
    close: () => provider.shutdown(),
  }
}

function trace(
  api: TracingLibrary['api'],
  tracer: Tracer,
  request: EndedRequest,
  words: Attributes | undefined,
): boolean {
  const { SpanKind, SpanStatusCode } = api
  const { arrivedAtMs, endedAtMs, queueMs, engineId, errorCode } = request
  const operation = operationOf(request.endpoint)
  const name = `${operation} ${request.model}`
  const root = tracer.startSpan(
    name,
    { kind: SpanKind.SERVER, startTime: arrivedAtMs, attributes: attributesOf(request) },
    parentOf(api, request.traceParent),
  )
  const within = api.trace.setSpan(api.ROOT_CONTEXT, root)
  const sentAtMs = Math.min(endedAtMs, arrivedAtMs + queueMs)
  tracer.startSpan('queue', { startTime: arrivedAtMs }, within).end(sentAtMs)
  if (engineId !== null) {
    const usage = usageOf(request, operation)
    const attributes = { ...usage, 'gristmill.engine.id': engineId, ...words }
    const options = { kind: SpanKind.CLIENT, startTime: sentAtMs, attributes }
    tracer.startSpan(name, options, within).end(endedAtMs)
  }
  if (errorCode !== null) root.setStatus({ code: SpanStatusCode.ERROR, message: errorCode })
  const isSampled = root.isRecording()
  root.end(endedAtMs)
  return isSampled
}

function parentOf(
  { ROOT_CONTEXT, trace }: TracingLibrary['api'],
  traceParent: string | undefined,
): Context {
  const [, traceId, spanId, flags] = TRACE_PARENT.exec(traceParent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags ?? '0', 16)
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

function attributesOf(request: EndedRequest): Attributes {
  return {
    'gristmill.request.id': request.requestId,
    'gristmill.tenant.id': request.tenantId,
    'gristmill.key.id': request.keyId,
    'gristmill.class': request.servedClass,
    'gristmill.end': request.end,
    'url.path': request.endpoint,
    ...(request.ttftMs !== null && { 'gristmill.ttft_ms': request.ttftMs }),
    ...(request.errorCode !== null && { 'error.type': request.errorCode }),
  }
}

function usageOf(request: EndedRequest, operation: string): Attributes {
  return {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'gristmill',
    'gen_ai.request.model': request.model,
    'gen_ai.usage.input_tokens': request.inputTokens,
    'gen_ai.usage.output_tokens': request.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': request.cachedTokens,
  }
}
