/** Anthropic's SDK in front of a service of its own wire, a stand-in: what passes, byte by byte. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import type { Limits } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { type SeenRequest, startTestEngine, type TestEngine } from '../engine/index.ts'
import { startTestGateway, type TestGateway, testLimits } from './test-gateway.ts'

/** A stream that is quiet gets pings at once. */
const IMPATIENT = { commitAfterMs: 1, keepAliveMs: 1 }

let service: TestEngine
let mill: TestGateway

async function startMill(limits: Partial<Limits> = {}): Promise<void> {
  const entry = { contextTokens: 2048, createdAtMs: 0, toy: false }
  const models = [{ name: 'mill', ...entry, speaksMessages: true }]
  mill = await startTestGateway({ models, limits })
  mill.setEngine(
    { url: service.url, service: 'anthropic', keys: ['sk-ant'] },
    { kind: 'service', service: 'anthropic', takesPriority: false, takesCacheSalt: false },
  )
}

beforeEach(async () => {
  service = await startTestEngine()
  await startMill()
})
afterEach(async () => {
  await mill.close()
  await service.close()
})

const event = (data: { type: string; [name: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const usage = { input_tokens: 4, cache_read_input_tokens: 6, cache_creation_input_tokens: 3 }
const start = event({
  type: 'message_start',
  message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], usage },
})
const stream = [
  start,
  event({
    type: 'content_block_start',
    index: 0,
    content_block: { type: 'thinking', thinking: '', signature: '' },
  }),
  event({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'thinking_delta', thinking: 'Ümlaut — ' },
  }),
  event({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'signature_delta', signature: 'EqoB+/=' },
  }),
  event({ type: 'content_block_stop', index: 0 }),
  event({ type: 'ping' }),
  event({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null, container: { id: 'c' } },
    usage: { output_tokens: 9 },
  }),
  event({ type: 'message_stop' }),
]

function answerEvents({ response }: SeenRequest, events: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const one of events) response.write(one)
  response.end()
}

/** The SDK, and what it was answered, byte by byte. */
function anthropic() {
  const told: Promise<string>[] = []
  const client = new Anthropic({
    baseURL: mill.url,
    apiKey: 'sk-anna',
    maxRetries: 0,
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      const [mine, other] = response.body?.tee() ?? []
      told.push(new Response(mine).text())
      return new Response(other ?? null, response)
    },
  })
  return { client, told }
}

const messages = [{ role: 'user' as const, content: 'Hello' }]
/** What no other wire could say. */
const rich = {
  model: 'mill',
  max_tokens: 2000,
  messages: [
    {
      role: 'user',
      content: [{ type: 'text', text: 'Hello', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'So — ', signature: 'EqoB+/=' },
        { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'mills' } },
        { type: 'text', text: 'Hi' },
      ],
    },
    { role: 'user', content: 'Go on' },
  ],
  thinking: { type: 'enabled', budget_tokens: 1024 },
  tools: [{ type: 'web_search_20250305', name: 'web_search' }],
  mcp_servers: [{ type: 'url', url: 'https://example.com', name: 'x' }],
  new_field: { of: ['tomorrow', 1.0] },
}
const send = (body: object) => body as Anthropic.MessageCreateParamsNonStreaming

test('a stream and its request pass byte by byte, with the headers of the wire', async () => {
  service.answer((seen) => answerEvents(seen, stream))
  const { client, told } = anthropic()
  const wanted = { 'anthropic-beta': 'mcp-client-2025-04-04,b', 'anthropic-version': '2024-01-01' }
  const answered = client.messages.stream(send(rich), { headers: wanted })
  const { content } = await answered.finalMessage()
  assert.equal(await told[0], stream.join(''))
  const thought = { type: 'thinking', thinking: 'Ümlaut — ', signature: 'EqoB+/=' }
  assert.deepEqual(content, [thought])
  const [seen] = service.seen
  assert.equal(seen?.text, JSON.stringify({ ...rich, stream: true }))
  assert.equal(seen?.path, '/v1/messages')
  const {
    'anthropic-beta': beta,
    'anthropic-version': version,
    'x-api-key': key,
  } = seen?.request.headers ?? {}
  assert.deepEqual([beta, version, key], [...Object.values(wanted), 'sk-ant'])
  await until(() => mill.ledger.settlements.length === 1)
  const [settled] = mill.ledger.settlements
  assert.deepEqual(
    [settled?.inputTokens, settled?.cachedTokens, settled?.outputTokens, settled?.estimated],
    [13, 6, 9, false],
  )
})

test('a stream that is quiet is kept open by pings alone, so that it begins once', async () => {
  await mill.close()
  await startMill(IMPATIENT)
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 250))
  service.answer(async ({ response }) => {
    await quiet()
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(start)
    await quiet()
    response.end(stream.slice(1).join(''))
  })
  const { client, told } = anthropic()
  const { id, stop_reason } = await client.messages.stream(send(rich)).finalMessage()
  assert.deepEqual([id, stop_reason], ['msg_1', 'end_turn'])
  const pings = `${await told[0]}`.split(event({ type: 'ping' }))
  assert.ok(pings.length > 4, 'before it begins and in its midst')
  assert.equal(pings.join(''), stream.filter((one) => !one.includes('ping')).join(''))
})

test('a whole answer passes byte by byte, and a route changes nothing but the name', async () => {
  const answer = `{ "type":"message","id":"msg_1","content":[],"usage":{"input_tokens":2,"output_tokens":1e0},"x":1.0}`
  service.answer(({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
  })
  const target = { model: 'mill', engine: null, preference: 0, weight: 1, when: {}, price: null }
  const plain = { aliases: [], defaults: {}, deprecation: null, overflow: null }
  mill.setRoutes([{ name: 'house', targets: [target], ...plain }])
  const { client, told } = anthropic()
  await client.messages.create(send({ ...rich, model: 'house' }))
  assert.equal(await told[0], answer)
  assert.equal(service.seen[0]?.text, JSON.stringify(rich))
})

test("thinking of this gateway's own engines is left out, and the operator's bound holds", async () => {
  service.answer((seen) => answerEvents(seen, stream))
  const { client } = anthropic()
  const own = { type: 'thinking', thinking: 'mine', signature: 'gristmill' }
  const rest = { type: 'text', text: 'Hi' }
  const turn = (content: object[]) => ({
    ...rich,
    max_tokens: 10_000_000,
    messages: [...messages, { role: 'assistant', content }, ...messages],
  })
  await client.messages.stream(send(turn([own, rest]))).finalMessage()
  const { max_tokens: bound, ...sent } = service.seen[0]?.body ?? {}
  const { max_tokens: asked, ...expected } = turn([rest])
  assert.deepEqual(sent, { ...expected, stream: true })
  assert.ok((bound as number) < asked)
})

test("thinking that was within the client's bound stays within the operator's", async () => {
  service.answer((seen) => answerEvents(seen, stream))
  const { client } = anthropic()
  const { outputTokensMax } = testLimits
  const ask = async (max_tokens: number, budget_tokens: number) => {
    const thinking = { type: 'enabled', budget_tokens }
    await client.messages.stream(send({ ...rich, max_tokens, thinking })).finalMessage()
    const { body } = service.seen.at(-1) as SeenRequest
    const told = body.thinking as typeof thinking
    return [body.max_tokens, told.budget_tokens]
  }
  assert.deepEqual(await ask(2 * outputTokensMax, outputTokensMax), [
    outputTokensMax,
    outputTokensMax / 2,
  ])
  assert.deepEqual(await ask(2 * outputTokensMax, 2000), [outputTokensMax, 2000])
  // A bound of each answer, where thinking goes on between calls.
  const [bound, more] = [4 * outputTokensMax, 8 * outputTokensMax]
  assert.deepEqual(await ask(bound, more), [outputTokensMax, more])
  assert.deepEqual(await ask(4000, 2000), [4000, 2000])
})

test('its refusals and its errors in a stream are its own words', async () => {
  const error = { type: 'invalid_request_error', message: 'tools.0: too many', extra: [1] }
  const refusal = JSON.stringify({ type: 'error', error, request_id: 'req_theirs' })
  service.answer(({ response }) => {
    response.writeHead(400, { 'content-type': 'application/json' }).end(refusal)
  })
  const { client, told } = anthropic()
  const asked = client.messages.create(send(rich))
  await assert.rejects(asked, { status: 400, message: `400 ${refusal}` })
  const busy = event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
  service.answer((seen) => answerEvents(seen, [start, busy]))
  await assert.rejects(client.messages.stream(send(rich)).finalMessage(), /Overloaded/)
  assert.equal(await told[1], start + busy)
  await until(() => mill.ledger.settlements.length === 2)
  assert.equal(mill.ledger.settlements[1]?.end, 'engine_failed')
})

test('a stream that is stopped stops at the service', async () => {
  const begun = Promise.withResolvers<SeenRequest>()
  service.answer((seen) => {
    seen.response.writeHead(200, { 'content-type': 'text/event-stream' }).write(start)
    begun.resolve(seen)
  })
  const { client } = anthropic()
  const answered = client.messages.stream(send(rich))
  const { gone } = await begun.promise
  const ended = assert.rejects(answered.finalMessage(), Anthropic.APIUserAbortError)
  answered.abort()
  await gone
  await ended
})

test('a prompt that only it understands is counted by an estimate', async () => {
  const { max_tokens: _, ...counted } = rich
  const body = counted as unknown as Anthropic.MessageCountTokensParams
  const { input_tokens: tokens } = await anthropic().client.messages.countTokens(body)
  assert.ok(tokens > 20)
})

test('where no engine speaks the wire, what cannot be translated is refused by its name', async () => {
  mill.models.push({ name: 'stone', contextTokens: 2048, createdAtMs: 0, toy: false })
  const asked = anthropic().client.messages.create(send({ ...rich, model: 'stone' }))
  await assert.rejects(asked, /mcp_servers|new_field|tools/)
  assert.equal(mill.ledger.intents.length, 0)
})
