/**
 * Clients in front of rented services: a stand-in answers as Anthropic's public documents say.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import fc from 'fast-check'
import OpenAI from 'openai'
import { limitTable } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import {
  messagesRequest,
  type SeenRequest,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import { chatFields } from './messages/request.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

let service: TestEngine
let mill: TestGateway

beforeEach(async () => {
  service = await startTestEngine()
  mill = await startTestGateway()
  mill.setEngine(
    { url: service.url, service: 'anthropic', keys: ['sk-ant'] },
    { kind: 'service', service: 'anthropic', takesPriority: false, takesCacheSalt: false },
  )
})
afterEach(async () => {
  await mill.close()
  await service.close()
})

const event = (data: { type: string; [name: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`

/** Streams words as the service does. */
function say({ response }: SeenRequest, words: readonly string[], headers = {}): void {
  const usage = { input_tokens: 4, cache_read_input_tokens: 6, output_tokens: 1 }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'mill', usage }
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
  response.write(event({ type: 'message_start', message: { ...message, content: [] } }))
  const block = { type: 'text', text: '' }
  response.write(event({ type: 'content_block_start', index: 0, content_block: block }))
  for (const text of words) {
    const delta = { type: 'text_delta', text }
    response.write(event({ type: 'content_block_delta', index: 0, delta }))
  }
  response.write(event({ type: 'content_block_stop', index: 0 }))
  const delta = { stop_reason: 'end_turn', stop_sequence: null }
  response.write(event({ type: 'message_delta', delta, usage: { output_tokens: words.length } }))
  response.end(event({ type: 'message_stop' }))
}

const messages = [{ role: 'user' as const, content: 'Hello' }]
const openai = () => new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
const anthropic = () => new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })

test("OpenAI's SDK streams from it, and the ledger has its usage", async () => {
  service.answer((seen) => say(seen, ['Good ', 'morning']))
  const stream = await openai().chat.completions.create({
    model: 'mill',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })
  let [text, usage] = ['', undefined as OpenAI.CompletionUsage | undefined]
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    usage = chunk.usage ?? usage
  }
  assert.equal(text, 'Good morning')
  assert.deepEqual([usage?.prompt_tokens, usage?.prompt_tokens_details?.cached_tokens], [10, 6])
  await until(() => mill.ledger.settlements.length === 1)
  const [settled] = mill.ledger.settlements
  assert.deepEqual([settled?.inputTokens, settled?.cachedTokens, settled?.outputTokens], [10, 6, 2])
  assert.equal(service.seen[0]?.body.stream, true)
  assert.equal(service.seen[0]?.body.max_tokens, limitTable.outputTokensDefault.default)
})

test("Anthropic's SDK is answered by it, and need not know of ours", async () => {
  service.answer((seen) => say(seen, ['Good ', 'morning']))
  const stream = anthropic().messages.stream({ model: 'mill', max_tokens: 50, messages })
  const { content, stop_reason, usage } = await stream.finalMessage()
  assert.deepEqual(
    content.map((block) => block.type === 'text' && block.text),
    ['Good morning'],
  )
  assert.deepEqual(
    [stop_reason, usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens],
    ['end_turn', 4, 6, 2],
  )
})

test('what a service refuses is told in the words of the client', async () => {
  service.answer(({ response }) => {
    const error = { type: 'invalid_request_error', message: 'max_tokens: too many' }
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ type: 'error', error }))
  })
  const asked = openai().chat.completions.create({ model: 'mill', messages })
  await assert.rejects(asked, { status: 400, message: '400 max_tokens: too many' })
  const sent = anthropic().messages.create({ model: 'mill', max_tokens: 5, messages })
  await assert.rejects(sent, /max_tokens: too many/)
})

test('a service at its limit is left alone until then, and the request waits here', async () => {
  let asked = 0
  service.answer((seen) => {
    if (asked++ > 0) return say(seen, ['later'])
    seen.response.writeHead(429, { 'retry-after': '2' }).end('{}')
  })
  const answer = openai().chat.completions.create({ model: 'mill', messages, stream: true })
  await until(() => mill.pool.waitingCount === 1)
  assert.equal(mill.pool.quotas.placesOf(service.url), 0)
  let text = ''
  for await (const chunk of await answer) text += chunk.choices[0]?.delta.content ?? ''
  assert.deepEqual([text, asked], ['later', 2])
})

test('a limit is no failure: the circuit stays closed, also where no Retry-After is said', async () => {
  service.answer(() => {
    if (service.seen.length < 4) return
    for (const { response } of service.seen) response.writeHead(429).end('{}')
  })
  const options = { headers: { 'x-gristmill-max-wait-ms': '800' } }
  const asked = [1, 2, 3, 4].map(() =>
    openai().chat.completions.create({ model: 'mill', messages }, options),
  )
  const ends = await Promise.allSettled(asked)
  assert.deepEqual(
    ends.map((end) => end.status === 'rejected' && (end.reason as { status?: number }).status),
    [504, 504, 504, 504],
  )
  assert.equal(service.seen.length, 4, 'nothing is sent while the limit holds')
  assert.equal(mill.pool.quotas.placesOf(service.url), 0)
  assert.equal(mill.pool.health.of(service.url).state, 'closed')
})

test('a stream that is stopped stops at the service', async () => {
  const begun = Promise.withResolvers<SeenRequest>()
  service.answer((seen) => {
    seen.response.writeHead(200, { 'content-type': 'text/event-stream' })
    const message = { id: 'msg_1', model: 'mill', usage: { input_tokens: 1, output_tokens: 1 } }
    seen.response.write(event({ type: 'message_start', message }))
    begun.resolve(seen)
  })
  const stream = await openai().chat.completions.create({ model: 'mill', messages, stream: true })
  const { gone } = await begun.promise
  stream.controller.abort()
  await gone
})

const word = fc.stringMatching(/^[a-z]{1,8}$/)
const text = fc.record({ type: fc.constant('text'), text: word })
const image = fc.record({
  type: fc.constant('image'),
  source: fc.record({
    type: fc.constant('base64'),
    media_type: fc.constant('image/png'),
    data: fc.constant('AAAA'),
  }),
})
const userTurn = fc.record({
  role: fc.constant('user'),
  content: fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 3 }),
})
const call = fc.record({
  type: fc.constant('tool_use'),
  id: word,
  name: word,
  input: fc.dictionary(word, fc.oneof(word, fc.integer(), fc.boolean())),
})
const answerTurn = fc.record({
  role: fc.constant('assistant'),
  content: fc.tuple(text, call).map((blocks) => blocks as object[]),
})
const turns = fc.array(fc.tuple(userTurn, answerTurn), { maxLength: 3 }).chain((pairs) =>
  userTurn.map((last) => {
    const results = pairs.map(([, { content }]) => ({
      type: 'tool_result',
      tool_use_id: (content[1] as { id: string }).id,
      content: [{ type: 'text', text: 'done' }],
    }))
    const asked = pairs.flatMap(([user, answer], i) => {
      const before = results[i - 1]
      const content = before ? [before, ...user.content] : user.content
      return [{ role: 'user', content }, answer]
    })
    const before = results.at(-1)
    return [...asked, { role: 'user', content: before ? [before, ...last.content] : last.content }]
  }),
)
const body = fc.record(
  {
    messages: turns,
    system: fc.array(text, { minLength: 1, maxLength: 2 }),
    temperature: fc.constantFrom(0, 0.5, 1),
    top_p: fc.constantFrom(0.1, 1),
    top_k: fc.integer({ min: 1, max: 99 }),
    stop_sequences: fc.array(word, { minLength: 1, maxLength: 3 }),
    tools: fc.uniqueArray(
      fc.record({
        name: word,
        description: word,
        input_schema: fc.constant({ type: 'object', properties: {} }),
      }),
      { minLength: 1, maxLength: 2, selector: ({ name }) => name },
    ),
    tool_choice: fc.constantFrom<object[]>(
      { type: 'auto' },
      { type: 'any' },
      { type: 'none' },
      { type: 'tool', name: 'look' },
      { type: 'any', disable_parallel_tool_use: true },
    ),
    output_config: fc.constantFrom<object[]>(
      { effort: 'low' },
      { format: { type: 'json_schema', schema: { type: 'object' } } },
    ),
    stream: fc.constant(true),
  },
  { requiredKeys: ['messages', 'tools'] },
)

test('what both wires can say survives the way through ours and back', () => {
  fc.assert(
    fc.property(body, (given) => {
      const fields = JSON.parse(JSON.stringify(given)) as Record<string, unknown>
      const { max_tokens: _, ...back } = messagesRequest(chatFields({ model: 'm', ...fields }))
      assert.deepEqual(back, { model: 'm', ...fields })
    }),
    { numRuns: 300 },
  )
})
