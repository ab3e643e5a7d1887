import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createLogger, readConfig } from '../base/index.ts'
import type { EndedRequest } from '../gateway/index.ts'
import { openTelemetry } from './telemetry.ts'

interface Span {
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: { key: string; value: Record<string, unknown> }[]
  status: { code?: number; message?: string }
}

const request: EndedRequest = {
  requestId: 'req_1',
  endpoint: '/v1/chat/completions',
  model: 'toy',
  tenantId: 'ten_1',
  keyId: 'key_1',
  servedClass: 'standard',
  traceParent: undefined,
  arrivedAtMs: 1_000_000,
  endedAtMs: 1_003_000,
  queueMs: 1000,
  engineId: 'eng_1',
  ttftMs: 1200,
  inputTokens: 7,
  cachedTokens: 3,
  outputTokens: 11,
  end: 'done',
  errorCode: null,
}

/** What a collector gets of these requests. */
async function collected(
  requests: EndedRequest[],
  environment: Record<string, string> = {},
): Promise<{ spans: Span[]; headers: IncomingHttpHeaders | undefined }> {
  const spans: Span[] = []
  let headers: IncomingHttpHeaders | undefined
  const collector = createServer(async (incoming, response) => {
    headers = incoming.headers
    const { resourceSpans } = JSON.parse(await text(incoming))
    spans.push(...resourceSpans[0].scopeSpans[0].spans)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const { port } = collector.address() as AddressInfo
  const { traces } = readConfig({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/`,
    ...environment,
  })
  assert.ok(traces)
  const telemetry = await openTelemetry(traces, '1.2.3', createLogger('silent', 'test'))
  for (const one of requests) telemetry.ended(one)
  await telemetry.close()
  collector.close()
  return { spans, headers }
}

const attributesOf = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

test('a request is a span with its queue and its engine in it, and no words', async () => {
  const { spans, headers } = await collected([request], {
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc,x-team=mill',
  })
  assert.equal(headers?.authorization, 'Bearer abc')
  assert.equal(headers?.['x-team'], 'mill')
  const [root, engine] = spans
    .filter(({ name }) => name === 'chat toy')
    .sort((a, b) => a.kind - b.kind)
  const queue = spans.find(({ name }) => name === 'queue')
  assert.ok(root && engine && queue)
  assert.equal(root.parentSpanId, undefined)
  assert.deepEqual([queue.parentSpanId, engine.parentSpanId], [root.spanId, root.spanId])
  assert.equal(queue.endTimeUnixNano, '1001000000000')
  assert.equal(engine.startTimeUnixNano, '1001000000000')
  assert.equal(root.endTimeUnixNano, '1003000000000')
  assert.equal(attributesOf(root)['gristmill.tenant.id'], 'ten_1')
  const told = attributesOf(engine)
  assert.equal(told['gen_ai.request.model'], 'toy')
  assert.equal(told['gen_ai.usage.input_tokens'], 7)
  assert.equal(told['gen_ai.usage.output_tokens'], 11)
})

test('a collector that is gone keeps nobody from stopping', async () => {
  const { traces } = readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  assert.ok(traces)
  const telemetry = await openTelemetry(traces, '1.2.3', createLogger('silent', 'test'))
  telemetry.ended(request)
  await telemetry.close()
})

test('a caller that traces goes on with its own trace; what failed says why', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const { spans } = await collected(
    [
      { ...request, traceParent: `00-${traceId}-b7ad6b7169203331-01` },
      { ...request, traceParent: 'nonsense' },
      {
        ...request,
        traceParent: `00-${traceId}-b7ad6b7169203332-01`,
        engineId: null,
        errorCode: 'queue_full',
      },
    ],
    { OTEL_TRACES_SAMPLER_ARG: '0' },
  )
  assert.deepEqual([...new Set(spans.map((span) => span.traceId))], [traceId], 'others by share')
  const failed = spans.find(({ parentSpanId }) => parentSpanId === 'b7ad6b7169203332')
  assert.deepEqual(failed?.status, { code: 2, message: 'queue_full' })
  assert.equal(spans.length, 3 + 2)
})
