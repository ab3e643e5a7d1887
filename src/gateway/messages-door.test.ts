/** What an application sees through the official Anthropic client, against a scripted engine. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  type SeenRequest,
  sendJson,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import {
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
  testPrincipal,
} from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: Anthropic

async function start(options: TestGatewayOptions = {}): Promise<void> {
  mill = await startTestGateway(options)
  mill.setEngine(engine, { cap: 1 })
  client = new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })
}

beforeEach(async () => {
  engine = await startTestEngine()
})
afterEach(async () => {
  await mill.close()
  await engine.close()
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  const ids = mill.ledger.settlements.map((s) => s.requestId)
  assert.equal(new Set(ids).size, ids.length, 'nothing is settled twice')
  assert.equal(ids.length, mill.ledger.intents.length, 'every intent is settled')
})

const question = {
  model: 'mill',
  max_tokens: 50,
  messages: [{ role: 'user' as const, content: 'Greet the world.' }],
}
const settled = () => until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
const last = () => mill.ledger.settlements.at(-1)

const thrown = async (
  attempt: PromiseLike<unknown>,
): Promise<InstanceType<typeof Anthropic.APIError>> => {
  const error: unknown = await Promise.resolve(attempt).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof Anthropic.APIError, String(error))
  return error
}

async function typesOf(stream: AsyncIterable<{ type: string }>): Promise<string[]> {
  const types: string[] = []
  for await (const { type } of stream) types.push(type)
  return types
}

const raw = (body: object, headers: Record<string, string> = {}) =>
  fetch(`${mill.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { 'x-api-key': 'sk-anna', ...headers },
    body: JSON.stringify(body),
  })

test('an answer comes whole, with usage, and the ledger has the same', async () => {
  await start()
  const { data, response, request_id } = await client.messages.create(question).withResponse()
  assert.deepEqual(
    data.content.map((block) => block.type === 'text' && block.text),
    ['Hello world'],
  )
  assert.deepEqual([data.role, data.model, data.stop_reason], ['assistant', 'mill', 'end_turn'])
  assert.match(data.id, /^msg_/)
  const { input_tokens, cache_read_input_tokens, output_tokens, service_tier } = data.usage
  assert.deepEqual(
    [input_tokens, cache_read_input_tokens, output_tokens, service_tier],
    [4, 3, 2, 'standard'],
  )
  assert.equal(response.headers.get('x-gristmill-cached'), '3')
  assert.equal(request_id, last()?.requestId)
  assert.deepEqual([last()?.inputTokens, last()?.cachedTokens, last()?.outputTokens], [7, 3, 2])
  assert.equal(mill.ledger.intents[0]?.endpoint, '/v1/messages')
  const { path, body } = engine.seen[0] ?? {}
  assert.equal(path, '/v1/chat/completions')
  assert.deepEqual(body?.messages, question.messages)
  assert.equal(body?.max_tokens, 50)
})

test('an answer is streamed as it comes, event by event', async () => {
  await start()
  const arrived: string[] = []
  let goOn: (() => void) | undefined
  engine.answer((one) => {
    beginStream(one.response)
    const frames = chatFrames(one, ['Hello', ' world'])
    one.response.write(frames.slice(0, 2).join(''))
    goOn = () => one.response.end(frames.slice(2).join(''))
  })
  const stream = await client.messages.create({ ...question, stream: true })
  for await (const event of stream) {
    arrived.push(event.type)
    // The rest is written only when the first piece has arrived.
    if (event.type === 'content_block_delta' && arrived.length === 3) goOn?.()
  }
  assert.deepEqual(arrived, [
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  assert.deepEqual([last()?.inputTokens, last()?.outputTokens, last()?.estimated], [7, 2, false])
})

test('the bound of an answer is lowered to what the context leaves', async () => {
  await start()
  await client.messages.create({ ...question, max_tokens: 8000 })
  assert.ok(Number(engine.seen[0]?.body.max_tokens) < 2048)
  // Where the estimate was too low the engine decides alone.
  engine.answer((one) => {
    const refusal = { error: { message: 'too long', code: 'context_length_exceeded' } }
    if (one.body.max_tokens === undefined) answerChat(one, ['fits'])
    else sendJson(one.response, 400, refusal)
  })
  const answer = await client.messages.create({ ...question, max_tokens: 8000 })
  assert.equal(answer.content[0]?.type === 'text' && answer.content[0].text, 'fits')
})

test('a prompt that is too long is refused with the words that agent programs look for', async () => {
  await start()
  let inPrompt = '3000'
  engine.answer((one) => {
    const message = `This model's context is 2048 tokens; the request needs more (${inPrompt} in the prompt, 1 to generate).`
    sendJson(one.response, 400, { error: { message, code: 'context_length_exceeded' } })
  })
  for (const stream of [false, true]) {
    if (stream) inPrompt = 'at least 3000'
    const error = await thrown(client.messages.create({ ...question, stream }))
    assert.ok(error instanceof Anthropic.BadRequestError)
    assert.equal(error.apiMessage, 'prompt is too long: 3000 tokens > 2048 maximum')
    assert.deepEqual(
      [error.type, error.errorCode],
      ['invalid_request_error', 'context_length_exceeded'],
    )
    assert.match(error.requestID ?? '', /^req_/)
  }
})

test('refusals of the gateway have the class, the type and the code', async () => {
  await start()
  const wrong = await thrown(client.messages.create({ ...question, model: 'gpt-17' }))
  assert.ok(wrong instanceof Anthropic.NotFoundError)
  assert.deepEqual([wrong.type, wrong.errorCode], ['not_found_error', 'model_not_found'])
  assert.equal(wrong.headers?.get('x-should-retry'), 'false')
  const unbounded = await raw({ ...question, max_tokens: undefined })
  assert.equal(unbounded.status, 400)
  const body = (await unbounded.json()) as Record<string, Record<string, unknown>>
  assert.deepEqual(
    [body.type, body.error?.type, body.error?.details],
    ['error', 'invalid_request_error', { error_code: 'invalid_value', param: 'max_tokens' }],
  )
  assert.equal(body.request_id, unbounded.headers.get('request-id'))
})

test('a stream that waits is kept open by pings, and its late refusal is an event', async () => {
  await start({ limits: { commitAfterMs: 1, keepAliveMs: 1 } })
  let free: (() => void) | undefined
  engine.answer((one) => {
    free = () => answerChat(one, ['done'])
  })
  const first = client.messages.create(question)
  await until(() => free !== undefined)
  const headers = { 'x-gristmill-max-wait-ms': '700' }
  const response = await raw({ ...question, stream: true }, headers)
  assert.equal(response.status, 200)
  const text = await response.text()
  const names = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name)
  assert.ok(names.filter((name) => name === 'ping').length >= 2, text)
  assert.equal(names.at(-1), 'error')
  assert.match(text, /"type":"timeout_error".*"error_code":"wait_limit_exceeded"/)
  const stream = await client.messages.create({ ...question, stream: true }, { headers })
  const error = await thrown(typesOf(stream))
  assert.deepEqual([error.status, error.type], [undefined, 'timeout_error'])
  free?.()
  await first
  await settled()
})

test('an engine that dies in the middle ends the stream with an error event', async () => {
  await start()
  engine.answer((one) => {
    beginStream(one.response)
    const frames = chatFrames(one, ['one', 'two', 'three'])
    one.response.write(frames.slice(0, 3).join(''), () => one.request.socket.destroy())
  })
  const pieces: string[] = []
  const error = await thrown(
    (async () => {
      for await (const event of await client.messages.create({ ...question, stream: true })) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
          pieces.push(event.delta.text)
        }
      }
    })(),
  )
  assert.deepEqual(pieces, ['one', 'two'])
  assert.deepEqual([error.type, error.errorCode], ['api_error', 'engine_failed'])
  await settled()
  assert.deepEqual([last()?.group, last()?.end, last()?.outputTokens], ['cut', 'engine_failed', 2])
})

test('a client that leaves stops the engine', async () => {
  await start()
  engine.answer((one) => {
    beginStream(one.response)
    one.response.write(chatFrames(one, ['one']).slice(0, 2).join(''))
  })
  const stream = await client.messages.create({ ...question, stream: true })
  for await (const event of stream) if (event.type === 'content_block_delta') break
  await engine.seen[0]?.gone
  await settled()
  assert.deepEqual([last()?.end, last()?.outputTokens], ['client_gone', 1])
})

test('the end user is believed from whom it may be, and tiers have the wire’s words', async () => {
  await start()
  const scopes = new Set(['inference', 'end_users'] as const)
  const asked = { ...question, metadata: { user_id: 'u1' } }
  await client.messages.create({ ...asked, service_tier: 'standard_only' })
  mill.principals.set('sk-anna', testPrincipal('anna', { scopes }))
  const headers = { 'x-gristmill-class': 'batch' }
  const { usage } = await client.messages.create(asked, { headers })
  assert.deepEqual(
    mill.ledger.intents.map(({ endUser, serviceClass }) => [endUser, serviceClass]),
    [
      [null, 'standard'],
      ['u1', 'batch'],
    ],
  )
  assert.equal(usage.service_tier, 'batch')
})

test('calls of tools come out as blocks with their input', async () => {
  await start()
  const called = { name: 'grind', arguments: '{"grain":"rye"}' }
  const calls = [{ id: 'call_1', type: 'function', function: called }]
  engine.answer((one: SeenRequest) =>
    sendJson(one.response, 200, {
      choices: [{ message: { content: null, tool_calls: calls }, finish_reason: 'tool_calls' }],
      usage: { prompt_tokens: 9, completion_tokens: 4 },
    }),
  )
  const tools = [{ name: 'grind', input_schema: { type: 'object' as const } }]
  const answer = await client.messages.create({
    ...question,
    tools,
    tool_choice: { type: 'tool', name: 'grind' },
  })
  const [block] = answer.content
  assert.ok(block?.type === 'tool_use')
  assert.deepEqual([block.id, block.name, block.input], ['call_1', 'grind', { grain: 'rye' }])
  assert.equal(answer.stop_reason, 'tool_use')
})

test('long numbers in what tools are called with keep their digits, both ways', async () => {
  await start()
  const id = '1234567890123456789'
  const called = { name: 'grind', arguments: `{"sack":${id}}` }
  const calls = [{ id: 'call_1', type: 'function', function: called }]
  engine.answer((one) => {
    const message = { content: null, tool_calls: calls }
    const choices = [{ message, finish_reason: 'tool_calls' }]
    sendJson(one.response, 200, { choices, usage: { prompt_tokens: 9, completion_tokens: 4 } })
  })
  const used = '{"type":"tool_use","id":"t","name":"grind","input":{"sack":ID}}'
  const result = '{"type":"tool_result","tool_use_id":"t","content":"done"}'
  const turns = `{"role":"assistant","content":[${used}]},{"role":"user","content":[${result}]}`
  const schema = '{"type":"object","properties":{"sack":{"type":"integer","maximum":ID}}}'
  const tools = `[{"name":"grind","input_schema":${schema}}]`
  const answer = await fetch(`${mill.baseUrl}/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'sk-anna', 'anthropic-version': '2023-06-01' },
    body: `{"model":"mill","max_tokens":9,"messages":[${turns}],"tools":${tools}}`.replaceAll(
      'ID',
      id,
    ),
  })
  assert.match(await answer.text(), /"input":\{"sack":1234567890123456789\}/)
  const sent = engine.seen[0]?.text ?? ''
  assert.match(sent, /"arguments":"\{\\"sack\\":1234567890123456789\}"/)
  assert.match(sent, /"maximum":1234567890123456789\b/)
})

test('tokens are estimated where no engine counts, and the answer says so', async () => {
  await start()
  const { max_tokens: _, ...prompt } = question
  const { data, response } = await client.messages.countTokens(prompt).withResponse()
  assert.equal(response.headers.get('x-gristmill-token-count'), 'estimate')
  await client.messages.create(question)
  assert.equal(data.input_tokens, mill.ledger.intents[0]?.estimatedInputTokens)
  const error = await thrown(client.messages.countTokens({ ...prompt, model: 'gpt-17' }))
  assert.equal(error.errorCode, 'model_not_found')
})

test('models are listed in the shape of the client that asks', async () => {
  await start()
  const page = await client.models.list()
  assert.deepEqual(
    page.data.map(({ id, type, display_name, max_input_tokens, created_at }) => [
      id,
      type,
      display_name,
      max_input_tokens,
      created_at,
    ]),
    [['mill', 'model', 'mill', 2048, '2023-11-14T22:13:20.000Z']],
  )
  assert.equal(page.hasNextPage(), false)
  assert.equal((await client.models.retrieve('mill')).id, 'mill')
  const error = await thrown(client.models.retrieve('none'))
  assert.ok(error instanceof Anthropic.NotFoundError)
  const headers = { authorization: 'Bearer sk-anna' }
  const openAi = (await (await fetch(`${mill.baseUrl}/models`, { headers })).json()) as object
  assert.equal('object' in openAi && openAi.object, 'list')
})
