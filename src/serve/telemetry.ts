/**
 * Traces of requests for an OpenTelemetry collector, by the conventions for generative AI
 * (opentelemetry.io/docs/specs/semconv/gen-ai): a span for the request, within it one for the time
 * in the queue and one for the engine's. Numbers and names only, never a prompt or an answer.
 */
import type { Attributes, Context, Tracer } from '@opentelemetry/api'
import type { Logger, TracesConfig } from '../base/index.ts'
import { type EndedRequest, operationOf, type Telemetry } from '../gateway/index.ts'

export interface OpenTelemetry extends Telemetry {
  /** Sends what it has and ends, also where the collector is gone. */
  close(): Promise<void>
}

/** A collector that does not answer must not hold up a stop for long. */
const SEND_MS_MAX = 2000
/** W3C trace context, level 1. */
const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Loads the library, which nobody else needs, and begins. */
export async function openTelemetry(
  { url, headers, share }: TracesConfig,
  version: string,
  logger: Logger,
): Promise<OpenTelemetry> {
  const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ])
  const say = (message: string, ...rest: unknown[]) => logger.warn({ rest }, message)
  const quiet = () => undefined
  const listener = { error: say, warn: say, info: quiet, debug: quiet, verbose: quiet }
  api.diag.setLogger(listener, api.DiagLogLevel.WARN)
  const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: SEND_MS_MAX })
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'gristmill', 'service.version': version }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  })
  const tracer = provider.getTracer('gristmill', version)
  return {
    ended: (request) => trace(api, tracer, request),
    close: () =>
      provider
        .shutdown()
        .catch((error: Error) =>
          logger.warn({ error: error.message }, 'the last traces did not reach their collector'),
        ),
  }
}

function trace(
  api: typeof import('@opentelemetry/api'),
  tracer: Tracer,
  request: EndedRequest,
): void {
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
    const attributes = { ...usageOf(request, operation), 'gristmill.engine.id': engineId }
    const options = { kind: SpanKind.CLIENT, startTime: sentAtMs, attributes }
    tracer.startSpan(name, options, within).end(endedAtMs)
  }
  if (errorCode !== null) root.setStatus({ code: SpanStatusCode.ERROR, message: errorCode })
  root.end(endedAtMs)
}

function parentOf(
  { ROOT_CONTEXT, trace }: typeof import('@opentelemetry/api'),
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
