/** What `chaos fuzz` has found: requests and answers that are wrong in ways nobody thinks of. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { until } from '../base/test-eventually.ts'
import { type SeenRequest, sendJson, startTestEngine, type TestEngine } from '../engine/index.ts'
import { startTestGateway, type TestGateway, testLimits } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine

beforeEach(async () => {
  mill = await startTestGateway()
  engine = await startTestEngine()
  mill.setEngine(engine)
})
afterEach(async () => {
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  assert.equal(mill.gateway.liveCount, 0, 'nothing stays open')
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  await mill.close()
  await engine.close()
})

const DEPTH = 20_000
const deep = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`

/** Posts a body whose parts named `DEEP` are nested deeply. */
const post = (path: string, body: object) =>
  fetch(mill.baseUrl + path, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna' },
    body: JSON.stringify({ model: 'mill', ...body }).replaceAll('"DEEP"', deep),
  })

const messages = [{ role: 'user', content: 'Hello' }]

const tooDeep: [string, object][] = [
  ['/chat/completions', { messages, tools: 'DEEP' }],
  ['/chat/completions', { messages, x: 'DEEP', priority: 1 }],
  ['/messages', { messages, max_tokens: 9, tools: [{ name: 'f', input_schema: { x: 'DEEP' } }] }],
  [
    '/responses',
    { input: 'Hello', text: { format: { type: 'json_schema', name: 'f', schema: { x: 'DEEP' } } } },
  ],
  [
    '/responses',
    { input: 'Hello', stream: true, tools: [{ type: 'function', name: 'f', x: 'DEEP' }] },
  ],
]

for (const [path, body] of tooDeep) {
  test(`what cannot be written again is refused: ${path} ${Object.keys(body).join()}`, async () => {
    const answer = await post(path, body)
    assert.equal(answer.status, 400)
    assert.match(await answer.text(), /nested too deeply/)
  })
}

test('a body of more parts than may be is refused at every door before it is made', async () => {
  const names = Array.from({ length: testLimits.bodyPartsMax }, (_, i) => `"${i}":0`).join()
  const asked = '"model":"mill","messages":[{"role":"user","content":"Hi"}],"max_tokens":9'
  for (const path of ['chat/completions', 'completions', 'embeddings', 'messages', 'responses']) {
    const answer = await fetch(`${mill.baseUrl}/${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-anna' },
      body: `{${asked},"prompt":"Hi","input":"Hi","metadata":{${names}}}`,
    })
    assert.equal(answer.status, 400, path)
    assert.match(await answer.text(), /more than 100000 objects, lists and named fields/)
  }
  assert.equal(engine.seen.length, 0)
})

test('a system prompt that is no text is refused by its name, however deep it is', async () => {
  const answer = await post('/messages', { messages, max_tokens: 9, system: [{ text: 'DEEP' }] })
  assert.equal(answer.status, 400)
  assert.match(await answer.text(), /system\.0\.type/)
})

test('documents within documents are refused, however many there are', async () => {
  const open = '[{"type":"document","source":{"type":"content","content":'
  // More of them are more parts than a body may have.
  const nested = `${open.repeat(DEPTH / 2)}"Hello"${'}}]'.repeat(DEPTH / 2)}`
  const answer = await fetch(`${mill.baseUrl}/messages`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna' },
    body: `{"model":"mill","max_tokens":9,"messages":[{"role":"user","content":${nested}}]}`,
  })
  assert.equal(answer.status, 400)
  assert.match(await answer.text(), /a document has none in it/)
})

test('a path that has a wire is answered in it, whatever a header says', async () => {
  const answer = await fetch(`${mill.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna', 'anthropic-version': '2023-06-01' },
    body: '{}',
  })
  const { error, type } = (await answer.json()) as { error: { code?: string }; type?: string }
  assert.deepEqual([typeof error.code, type], ['string', undefined])
})

/** A whole answer with this message. */
const answered = (message: string) => (one: SeenRequest) => {
  const choices = `[{"message":${message},"finish_reason":"stop"}]`
  one.response.writeHead(200, { 'content-type': 'application/json' })
  one.response.end(`{"choices":${choices},"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
}

test('arguments that are nested too deeply are told as they came', async () => {
  const called = { name: 'f', arguments: `{"a":${deep}}` }
  engine.answer(answered(JSON.stringify({ tool_calls: [{ id: 'c', function: called }] })))
  const answer = await post('/messages', { messages, max_tokens: 9 })
  const { content } = (await answer.json()) as { content: { input: object }[] }
  assert.deepEqual(content[0]?.input, { INVALID_JSON: called.arguments })
})

test('an answer whose tier cannot be told is no answer', async () => {
  engine.answer((one) => {
    one.response.writeHead(200).end(`{"service_tier":1,"x":${deep}}`)
  })
  const answer = await post('/chat/completions', { messages })
  assert.equal(answer.status, 502)
})

test('an answer that breaks off is no answer at doors that read it', async () => {
  engine.answer((one) => one.response.writeHead(200).end('{"choices":[{"mess'))
  const asked = [
    post('/messages', { messages, max_tokens: 9 }),
    post('/responses', { input: 'Hi' }),
  ]
  for (const answer of await Promise.all(asked)) {
    assert.equal(answer.status, 502)
    assert.match(await answer.text(), /engine_failed/)
  }
})

test('a refusal of an engine has words, whatever it is made of', async () => {
  engine.answer((one) => {
    one.response.writeHead(400).end(`{"error":{"message":${deep},"code":${deep},"param":{}}}`)
  })
  for (const path of ['/chat/completions', '/messages']) {
    const answer = await post(path, { messages, max_tokens: 9 })
    assert.equal(answer.status, 400)
    assert.match(await answer.text(), /The engine answered with status 400/)
  }
})

test('usage that cannot be is not believed', async () => {
  engine.answer((one) =>
    sendJson(one.response, 200, {
      choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2 ** 40, completion_tokens: 2 ** 40 },
    }),
  )
  await (await post('/chat/completions', { messages })).text()
  await until(() => mill.ledger.settlements.length === 1)
  const { inputTokens, estimated } = mill.ledger.settlements[0] ?? {}
  assert.deepEqual([inputTokens, estimated], [mill.ledger.intents[0]?.estimatedInputTokens, true])
})

test('a stream that does not begin with JSON is passed on without a tier', async () => {
  engine.answer((one) => {
    one.response.writeHead(200, { 'content-type': 'text/event-stream' })
    one.response.end('data: <html>\n\ndata: {"choices":[{"finish_reason":"stop"}]}\n\n')
  })
  const answer = await post('/chat/completions', { messages, stream: true })
  assert.match(await answer.text(), /^data: <html>\n\ndata: \{.*\}\n\ndata: \[DONE\]\n\n$/)
})

test('a connection whose stream came before the ledger had the request is used again', async () => {
  engine.answer((one) => {
    one.response.writeHead(200, { 'content-type': 'text/event-stream' })
    one.response.write('data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    setTimeout(() => one.response.end(': more\n\n'), 10)
  })
  for (let i = 0; i < 5; i++) {
    mill.ledger.hold()
    const answer = post('/chat/completions', { messages, stream: true })
    await until(() => engine.seen.length === i + 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    mill.ledger.letGo()
    assert.match(await (await answer).text(), /DONE/)
  }
  assert.equal(engine.connections(), 1)
})
