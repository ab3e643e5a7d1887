/** Responses through the official OpenAI client, against a scripted engine. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI

beforeEach(async () => {
  mill = await startTestGateway()
  engine = await startTestEngine()
  mill.setEngine(engine)
  engine.answer((one) => answerChat(one, ['Hello', ' world']))
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
})
afterEach(async () => {
  await mill.close()
  await engine.close()
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  assert.equal(mill.ledger.settlements.length, mill.ledger.intents.length)
})

const question = { model: 'mill', input: 'Greet the world.' }
const last = () => mill.ledger.settlements.at(-1)

test('an answer comes whole, with usage, and the ledger has the same', async () => {
  const response = await client.responses.create({ ...question, max_output_tokens: 50 })
  assert.equal(response.output_text, 'Hello world')
  assert.deepEqual([response.status, response.service_tier], ['completed', 'default'])
  assert.deepEqual([response.usage?.input_tokens, response.usage?.output_tokens], [7, 2])
  assert.deepEqual([last()?.inputTokens, last()?.cachedTokens, last()?.outputTokens], [7, 3, 2])
  assert.equal(mill.ledger.intents[0]?.endpoint, '/v1/responses')
  assert.deepEqual(engine.seen[0]?.body.messages, [{ role: 'user', content: 'Greet the world.' }])
  assert.equal(engine.seen[0]?.body.max_tokens, 50)
})

test('a stream adds up to the answer', async () => {
  const stream = client.responses.stream(question)
  const pieces: string[] = []
  stream.on('response.output_text.delta', ({ delta }) => pieces.push(delta))
  const response = await stream.finalResponse()
  assert.deepEqual(pieces, ['Hello', ' world'])
  assert.equal(response.output_text, 'Hello world')
  assert.deepEqual([last()?.group, last()?.outputTokens], ['finished', 2])
})

test('what could not be kept says so, streamed and whole, and is answered once for its key', async () => {
  mill.principals.set('sk-anna', testPrincipal('anna', { policy: { responseDays: 30 } }))
  const metadata = { note: '"store":true' }
  const whole = await client.responses.create({ ...question, metadata })
  const stream = await client.responses.create({ ...question, metadata, stream: true })
  const told: { store?: boolean; output_text?: string }[] = [whole]
  for await (const event of stream)
    if (event.type === 'response.completed') told.push(event.response)
  assert.deepEqual(
    told.map(({ store }) => store),
    [false, false],
  )
  assert.deepEqual(whole.metadata, metadata)
  const options = { headers: { 'idempotency-key': 'one' } }
  const repeated = [1, 2, 3].map(() => client.responses.create(question, options))
  const ids = (await Promise.all(repeated)).map(({ id }) => id)
  assert.equal(new Set(ids).size, 1)
  assert.equal(engine.seen.length, 3)
})

test('a body of this wire at the door of chat is answered in the words of chat', async () => {
  const tool = { type: 'function', name: 'edit', parameters: { type: 'object', properties: {} } }
  const input = [
    { role: 'system', content: 'You edit.' },
    { role: 'user', content: [{ type: 'input_text', text: 'Greet the world.' }] },
  ]
  const asked = { model: 'mill', input, tools: [tool], stream: true, max_output_tokens: 9 }
  const body = asked as unknown as OpenAI.ChatCompletionCreateParamsStreaming
  const pieces: string[] = []
  for await (const { choices, usage } of await client.chat.completions.create(body)) {
    assert.equal(usage ?? null, null, 'nobody asked for it')
    pieces.push(choices[0]?.delta.content ?? '')
  }
  assert.equal(pieces.join(''), 'Hello world')
  const sent = engine.seen[0]?.body
  assert.deepEqual(sent?.messages, [
    { role: 'system', content: 'You edit.' },
    { role: 'user', content: 'Greet the world.' },
  ])
  const { type, ...called } = tool
  assert.deepEqual([sent?.max_tokens, sent?.tools], [9, [{ type, function: called }]])
  assert.equal(mill.ledger.intents[0]?.endpoint, '/v1/chat/completions')
  await until(() => mill.ledger.settlements.length === 1)
  assert.deepEqual([last()?.group, last()?.outputTokens], ['finished', 2])
})

test('what is refused is an error of the client; what breaks off is one as well', async () => {
  const kept = { ...question, previous_response_id: 'resp_1' }
  const refused: unknown = await client.responses.create(kept).catch((error: unknown) => error)
  assert.ok(refused instanceof OpenAI.BadRequestError)
  assert.deepEqual([refused.code, refused.param], ['unsupported_parameter', 'previous_response_id'])
  engine.answer((one) => {
    beginStream(one.response)
    const frames = chatFrames(one, ['one', 'two']).slice(0, 2).join('')
    one.response.write(frames, () => one.request.socket.destroy())
  })
  const stream = await client.responses.create({ ...question, stream: true })
  const types: string[] = []
  const read = async () => {
    for await (const { type } of stream) types.push(type)
  }
  const broken: unknown = await read().catch((error: unknown) => error)
  assert.ok(broken instanceof OpenAI.APIError)
  assert.equal(broken.code, 'engine_failed')
  assert.equal(types.at(-1), 'response.output_text.delta')
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  assert.deepEqual([last()?.group, last()?.end], ['cut', 'engine_failed'])
})
