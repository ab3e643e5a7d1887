/** `Idempotency-Key` through the official clients: one run, one charge, the same answer for all. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  type SeenRequest,
  sendJson,
  startTestEngine,
  type TestEngine,
  usage,
} from '../engine/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI
let runs = 0

before(async () => {
  mill = await startTestGateway({ limits: { answerBytesMax: 20_000, keptBytesMax: 80_000 } })
  engine = await startTestEngine()
  mill.setEngine(engine)
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  mill.principals.set('sk-ben', testPrincipal('ben'))
  mill.principals.set('sk-anna-2', testPrincipal('anna', { keyId: 'key_anna_2' }))
})
after(async () => {
  await mill.close()
  await engine.close()
})
beforeEach(() => {
  runs = 0
  engine.answer((one) => answerChat(one, ['run ', `${++runs}`]))
})
afterEach(async () => {
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  mill.ledger.intents.length = 0
  mill.ledger.settlements.length = 0
})

let keys = 0
const newKey = () => ({ headers: { 'Idempotency-Key': `order-${++keys}` } })
const chat = { model: 'mill', messages: [{ role: 'user' as const, content: 'Hi' }] }
const replayOf = (response: Response) => response.headers.get('x-gristmill-replayed')
const idOf = (response: Response) => response.headers.get('x-request-id')

/** Puts off the rest of a stream: two events at once, the others when it is called. */
function halfStream(parts: readonly string[]): Promise<{ one: SeenRequest; rest(): void }> {
  return new Promise((resolve) => {
    engine.answer((one) => {
      runs++
      beginStream(one.response)
      const frames = chatFrames(one, parts)
      one.response.write(frames.slice(0, 2).join(''))
      resolve({ one, rest: () => one.response.end(frames.slice(2).join('')) })
    })
  })
}

async function textOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  return text
}

test('a repetition gets the first answer, whole or as a stream, and is not charged', async () => {
  for (const stream of [false, true]) {
    const key = newKey()
    const asked = { ...chat, stream }
    const first = await client.chat.completions.create(asked, key).asResponse()
    const again = await client.chat.completions.create(asked, key).asResponse()
    assert.equal(replayOf(first), null)
    assert.equal(replayOf(again), idOf(first))
    assert.notEqual(idOf(again), idOf(first))
    assert.equal(again.headers.get('content-type'), first.headers.get('content-type'))
    assert.equal(await again.text(), await first.text())
  }
  assert.equal(runs, 2)
  assert.equal(mill.ledger.intents.length, 2)
})

test('every door of inference repeats', async () => {
  const anthropic = new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })
  const key = newKey()
  const asks = [
    () => client.responses.create({ model: 'mill', input: 'Hi' }, key).asResponse(),
    () => client.responses.create({ model: 'mill', input: 'Hi', stream: true }, key).asResponse(),
    () => anthropic.messages.create({ ...chat, max_tokens: 9 }, key).asResponse(),
    () => anthropic.messages.create({ ...chat, max_tokens: 9, stream: true }, key).asResponse(),
    () => client.completions.create({ model: 'mill', prompt: 'Hi' }, key).asResponse(),
    () => client.embeddings.create({ model: 'mill', input: 'Hi' }, key).asResponse(),
  ]
  for (const [index, ask] of asks.entries()) {
    key.headers = newKey().headers
    if (index >= 4) {
      engine.answer((one) => {
        sendJson(one.response, 200, {
          id: `run ${++runs}`,
          choices: [],
          data: [],
          usage: usage(3, 1),
        })
      })
    }
    const first = await ask()
    const again = await ask()
    assert.equal(replayOf(again), idOf(first), `door ${index}`)
    assert.equal(await again.text(), await first.text())
  }
  assert.equal(runs, asks.length)
})

test('the same key with another body is refused, and is another key for others', async () => {
  const key = newKey()
  await client.chat.completions.create(chat, key)
  const error = await client.chat.completions.create({ ...chat, seed: 1 }, key).catch((e) => e)
  assert.ok(error instanceof OpenAI.UnprocessableEntityError)
  assert.equal(error.code, 'idempotency_key_reused')
  for (const apiKey of ['sk-ben', 'sk-anna-2']) {
    const other = new OpenAI({ baseURL: mill.baseUrl, apiKey, maxRetries: 0 })
    const answer = await other.chat.completions.create(chat, key).asResponse()
    assert.equal(replayOf(answer), null, apiKey)
  }
  const elsewhere = await client.responses.create({ model: 'mill', input: 'Hi' }, key).asResponse()
  assert.equal(replayOf(elsewhere), null)
  assert.equal(runs, 4)
  const headers = { 'Idempotency-Key': 'x'.repeat(256) }
  const long = await client.chat.completions.create(chat, { headers }).catch((e) => e)
  assert.deepEqual([long.status, long.param], [400, 'idempotency-key'])
})

test('people at the console of two tenants have keys of their own, also while one runs', async () => {
  const [anna, ben] = ['anna', 'ben'].map((name) => {
    const apiKey = `sk-console-${name}`
    mill.principals.set(apiKey, testPrincipal(name, { keyId: 'key_console' }))
    return new OpenAI({ baseURL: mill.baseUrl, apiKey, maxRetries: 0 })
  }) as [OpenAI, OpenAI]
  const half = halfStream(['one ', 'two'])
  const key = newKey()
  const asked = { ...chat, stream: true } as const
  const stream = await anna.chat.completions.create(asked, key)
  const { rest } = await half
  engine.answer((one) => answerChat(one, ['his own']))
  const answer = await ben.chat.completions.create(asked, key).asResponse()
  assert.equal(replayOf(answer), null)
  assert.match(await answer.text(), /his own/)
  rest()
  assert.equal(await textOf(stream), 'one two')
})

test('a client whose connection breaks in the middle gets the whole answer on its return', async () => {
  const half = halfStream(['one ', 'two ', 'three'])
  const key = newKey()
  const breaks = new AbortController()
  const asked = { ...chat, stream: true } as const
  const stream = await client.chat.completions.create(asked, { ...key, signal: breaks.signal })
  const { rest } = await half
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content === 'one ') breaks.abort()
  }
  await until(() => mill.openCount() === 0)
  assert.equal(mill.gateway.liveCount, 1, 'it runs on')
  const again = client.chat.completions.create(asked, key)
  const text = textOf(await again)
  rest()
  assert.equal(await text, 'one two three')
  assert.equal(runs, 1)
  const [settlement] = mill.ledger.settlements
  assert.deepEqual([settlement?.group, settlement?.outputTokens], ['finished', 3])
})

test("an SDK's own retry after its time-out waits for the answer of its first attempt", async () => {
  let attempts = 0
  engine.answer((one) => {
    runs++
    // Answers only when the client has come again.
    void until(() => attempts > 1).then(() => answerChat(one, ['late']))
  })
  const retrying = new OpenAI({
    baseURL: mill.baseUrl,
    apiKey: 'sk-anna',
    maxRetries: 5,
    timeout: 250,
    fetch: (url, init) => {
      attempts++
      return fetch(url, init)
    },
  })
  const answer = await retrying.chat.completions.create(chat, newKey())
  assert.equal(answer.choices[0]?.message.content, 'late')
  assert.equal(runs, 1)
  assert.equal(mill.ledger.settlements.length, 1)
})

test('an error is not kept, and is shared by those that wait for the same answer', async () => {
  const failing = new Promise<SeenRequest>((resolve) => {
    engine.answer((one) => {
      runs++
      resolve(one)
    })
  })
  const key = newKey()
  const first = client.chat.completions.create(chat, key).catch((e) => e)
  const one = await failing
  const second = client.chat.completions.create(chat, key).catch((e) => e)
  await until(() => mill.openCount() === 2)
  sendJson(one.response, 400, { error: { message: 'no', type: 'invalid_request_error' } })
  assert.deepEqual([(await first).status, (await second).status, runs], [400, 400, 1])
  engine.answer((next) => answerChat(next, ['good']))
  const third = await client.chat.completions.create(chat, key)
  assert.equal(third.choices[0]?.message.content, 'good')
})

test('a stream that is larger than any answer may be ends with an error', async () => {
  engine.answer((one) =>
    answerChat(
      one,
      Array.from({ length: 9 }, () => 'x'.repeat(3000)),
    ),
  )
  const stream = await client.chat.completions.create({ ...chat, stream: true }, newKey())
  const error = await textOf(stream).catch((e) => e)
  assert.equal(error.code, 'engine_failed')
})

test('what is larger than an eighth of the room is answered, and run again when repeated', async () => {
  engine.answer((one) => answerChat(one, ['x'.repeat(12_000), `${++runs}`]))
  const key = newKey()
  for (const run of [1, 2]) {
    const answer = await client.chat.completions.create(chat, key)
    assert.equal(answer.choices[0]?.message.content?.at(-1), `${run}`)
  }
})
