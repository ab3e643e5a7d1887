/** Traces of tenants over a real database, to real collectors. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, test } from 'node:test'
import {
  createLogger,
  GristmillError,
  type Limits,
  limitTable,
  Registry,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import type { EndedRequest } from '../gateway/index.ts'
import { OutboundAddresses } from '../host/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { INPUT_CHARS_MAX, inputAttributes } from './input-messages.ts'
import { SPANS_MAX, TenantTraces } from './tenant-traces.ts'
import { TraceDestinations } from './trace-destinations.ts'

interface Span {
  name: string
  traceId: string
  attributes: { key: string; value: Record<string, unknown> }[]
}

const defaults = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits
const logger = createLogger('silent', 'test')
const common = { clock: systemClock, random: systemRandom, logger }
const masterKey = Buffer.alloc(32, 7)
const targets = new OutboundAddresses(['127.0.0.1'])
const fields = { model: 'toy', messages: [{ role: 'user', content: 'the secret recipe' }] }

let database: TestDatabase
const open: { close(): unknown }[] = []
before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
  await database.reset()
})

const requestOf = (tenantId: string): EndedRequest => ({
  requestId: `req_of_${tenantId}`,
  endpoint: '/v1/chat/completions',
  model: 'toy',
  tenantId,
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
})

async function collector() {
  const spans: Span[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer(async (incoming, response) => {
    headers.push(incoming.headers)
    const { resourceSpans } = JSON.parse(await text(incoming))
    spans.push(...resourceSpans[0].scopeSpans[0].spans)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v1/traces`, spans, headers }
}

/** A gateway's share in it. */
async function gateway(limits: Partial<Limits> = {}) {
  const registry = new Registry()
  const traces = new TenantTraces({ ...common, registry, targets, version: '1.2.3' })
  const destinations = new TraceDestinations({
    ...common,
    database,
    limits: { ...defaults, ...limits },
    masterKey,
    targets,
    onChange: (all) => traces.use(all),
  })
  await destinations.open()
  open.push(traces, destinations)
  const dropped = async () => {
    const metric = await registry.getSingleMetric('gristmill_traces_dropped_total')?.get()
    return metric?.values[0]?.value
  }
  return { traces, destinations, dropped }
}

const plain = { headers: {}, withPrompts: false }
const valuesOf = (spans: readonly Span[], key: string) =>
  spans.flatMap(({ attributes }) =>
    attributes.filter((one) => one.key === key).map(({ value }) => Object.values(value)[0]),
  )

test('traces go to where their tenant wants them, from all gateways, until it does not', async () => {
  const [ours, theirs] = [await collector(), await collector()]
  const [one, other] = [await gateway(), await gateway()]
  assert.equal(one.traces.follows('ten_1'), false)
  const headers = { 'x-api-key': 'confidential' }
  await one.destinations.set('ten_1', { url: ours.url, headers, withPrompts: false })
  await one.destinations.set('ten_2', { ...plain, url: theirs.url })
  await eventually('the other gateway knows', () => other.traces.follows('ten_2'))
  for (const tenantId of ['ten_1', 'ten_2', 'ten_3']) {
    one.traces.ended(requestOf(tenantId), fields)
    other.traces.ended(requestOf(tenantId), fields)
  }
  await one.destinations.remove('ten_1')
  await eventually('it has ended everywhere', () => !other.traces.follows('ten_1'))
  for (const { traces } of [one, other]) traces.ended(requestOf('ten_1'), fields)
  for (const { traces } of [one, other]) await traces.close()
  assert.deepEqual(valuesOf(ours.spans, 'gristmill.request.id'), Array(2).fill('req_of_ten_1'))
  assert.deepEqual(valuesOf(theirs.spans, 'gristmill.request.id'), Array(2).fill('req_of_ten_2'))
  assert.equal(ours.spans.length, 6)
  assert.equal(ours.headers[0]?.['x-api-key'], 'confidential')
  assert.equal(theirs.headers[0]?.['x-api-key'], undefined)
  assert.ok(!JSON.stringify([ours.spans, theirs.spans]).includes('recipe'))
})

test('words go out only where a tenant has asked for it, from then on', async () => {
  const { url, spans } = await collector()
  const { traces, destinations } = await gateway()
  await destinations.set('ten_1', { ...plain, url })
  traces.ended(requestOf('ten_1'), fields)
  await destinations.set('ten_1', { ...plain, url, withPrompts: true })
  traces.ended(requestOf('ten_1'), fields)
  await traces.close()
  assert.equal(spans.length, 6)
  const [said, ...more] = valuesOf(spans, 'gen_ai.input.messages')
  assert.deepEqual(more, [])
  assert.deepEqual(JSON.parse(String(said)), [
    { role: 'user', parts: [{ type: 'text', content: 'the secret recipe' }] },
  ])
})

test('of a destination that is gone no more than so much is held, and the rest counted', async () => {
  const url = 'http://127.0.0.1:9/v1/traces'
  const alive = await collector()
  const { traces, destinations, dropped } = await gateway()
  await destinations.set('ten_1', { ...plain, url })
  await destinations.set('ten_2', { ...plain, url: alive.url })
  for (let i = 0; i < SPANS_MAX; i++) traces.ended(requestOf('ten_1'), fields)
  assert.equal(await dropped(), SPANS_MAX - SPANS_MAX / 3)
  traces.ended(requestOf('ten_2'), fields)
  await traces.close()
  assert.equal(await dropped(), SPANS_MAX)
  assert.equal(alive.spans.length, 3)
})

test('what failed makes room for what comes', async () => {
  const url = 'http://127.0.0.1:9/v1/traces'
  const { traces, destinations, dropped } = await gateway()
  await destinations.set('ten_1', { ...plain, url })
  // Enough for a batch, which goes out at once.
  const batch = 512
  for (let i = 0; i < batch / 2; i++) traces.ended(requestOf('ten_1'), fields)
  const before = await eventually('the batch failed', async () => (await dropped()) || null)
  for (let i = 0; i < SPANS_MAX / 3 - batch / 2 + 1; i++) traces.ended(requestOf('ten_1'), fields)
  assert.equal(await dropped(), before, 'all were taken')
})

test('headers are sealed, addresses checked, and destinations bounded', async () => {
  const { destinations } = await gateway({ traceDestinationsMax: 1 })
  const url = 'http://127.0.0.1:9/v1/traces'
  const headers = { authorization: 'Bearer confidential' }
  await destinations.set('ten_1', { url, headers, withPrompts: true })
  const [row] = await database.sql`select * from trace_destinations`
  assert.ok(!Buffer.from(row?.sealed_headers).includes('confidential'))
  const { headerNames, withPrompts } = await destinations.get('ten_1')
  assert.deepEqual({ headerNames, withPrompts }, { headerNames: ['authorization'], withPrompts })
  const code = (wanted: string) => (error: unknown) =>
    error instanceof GristmillError && error.code === wanted
  const inside = { ...plain, url: 'https://10.0.0.1/v1/traces' }
  await assert.rejects(destinations.set('ten_1', inside), code('invalid_value'))
  await assert.rejects(destinations.set('ten_2', { ...plain, url }), code('conflict'))
  await destinations.set('ten_1', { ...plain, url })
  await destinations.remove('ten_1')
  await assert.rejects(destinations.get('ten_1'), code('not_found'))
  await destinations.set('ten_2', { ...plain, url })
})

test('the newest words are kept of a long conversation, and nothing else than words', () => {
  const long = { role: 'user', content: 'a'.repeat(INPUT_CHARS_MAX) }
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
  const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }
  const attributes = inputAttributes({
    messages: [
      { role: 'system', content: 'be kind' },
      long,
      { role: 'user', content: [{ type: 'text', text: 'and this?' }, picture] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'a cat' },
    ],
  })
  const [cut, ...others] = JSON.parse(String(attributes['gen_ai.input.messages']))
  assert.equal(attributes['gristmill.input.cut'], true)
  assert.ok(cut.parts[0].content.length < INPUT_CHARS_MAX)
  assert.deepEqual(others, [
    { role: 'user', parts: [{ type: 'text', content: 'and this?' }, { type: 'image_url' }] },
    {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'call_1', name: 'look', arguments: '{}' }],
    },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: 'a cat' }] },
  ])
  assert.deepEqual(inputAttributes({ prompt: 'once' }), {
    'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"once"}]}]',
  })
  const odd = { messages: [null, 3, { role: {}, content: [null, 7, {}], tool_calls: [null] }] }
  assert.equal(JSON.parse(String(inputAttributes(odd)['gen_ai.input.messages'])).length, 3)
})
