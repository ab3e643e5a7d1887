/**
 * Requests that wait, are refused, or end because of us: statuses, events, headers, one end each.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  type SeenRequest,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import { noLimits, startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI

async function start(options: Parameters<typeof startTestGateway>[0] = {}): Promise<void> {
  mill = await startTestGateway(options)
  mill.setEngine(engine, { cap: 1 })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
}

beforeEach(async () => {
  engine = await startTestEngine()
})
afterEach(async () => {
  await mill.close()
  await engine.close()
})

const body = { model: 'mill', messages: [{ role: 'user' as const, content: 'Hi' }] }
const ask = (options?: { headers: Record<string, string> }) =>
  client.chat.completions.create(body, options)
const askStream = (options?: { headers: Record<string, string> }) =>
  client.chat.completions.create({ ...body, stream: true }, options)

/** Occupies the engine's only place until the returned function is called. */
async function occupy(): Promise<() => void> {
  let free = () => {}
  engine.answer((one) => {
    free = () => answerChat(one, ['done'])
  })
  const running = ask()
  await until(() => engine.seen.length > 0)
  running.catch(() => {})
  return () => free()
}

const ends = () => mill.ledger.settlements.map((s) => `${s.group} ${s.end}`)

async function rawStream(headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${mill.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna', ...headers },
    body: JSON.stringify({ ...body, stream: true }),
  })
}

test('a wait limit passed before the headers are out is a 504 with the time to wait', async () => {
  await start()
  const free = await occupy()
  const error = await ask({ headers: { 'x-gristmill-max-wait-ms': '200' } }).catch((e) => e)
  assert.ok(error instanceof OpenAI.InternalServerError)
  assert.equal(error.status, 504)
  assert.equal(error.code, 'wait_limit_exceeded')
  assert.ok(Number(error.headers?.get('retry-after')) >= 1)
  assert.equal(error.requestID, 'req_2')
  free()
  await until(() => ends().length === 2)
  assert.deepEqual(ends().sort(), ['cut timeout', 'finished done'])
})

test('a stream that waits longer gets 200 and comments, then a refusal as one event', async () => {
  await start({ limits: { commitAfterMs: 200, keepAliveMs: 50 } })
  const free = await occupy()
  const response = await rawStream({ 'x-gristmill-max-wait-ms': '900' })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('x-gristmill-class'), 'standard')
  assert.equal(response.headers.get('x-gristmill-queue-ms'), null)
  const text = await response.text()
  assert.ok(text.startsWith(': keep-alive\n\n: keep-alive\n\n'), text)
  const event = JSON.parse(text.slice(text.indexOf('data: ') + 6)) as {
    error: { code: string }
  }
  assert.equal(event.error.code, 'wait_limit_exceeded')
  assert.ok('retry_after_ms' in event.error)
  const error = await (async () => {
    for await (const _ of await askStream({ headers: { 'x-gristmill-max-wait-ms': '500' } }));
  })().catch((e) => e)
  assert.ok(error instanceof OpenAI.APIError, 'the client raises what the event says')
  free()
})

test('a committed stream still gets its answer when its turn comes', async () => {
  await start({ limits: { commitAfterMs: 100, keepAliveMs: 100 } })
  const free = await occupy()
  const reading = rawStream().then((response) => response.text())
  await until(() => mill.pool.waitingCount === 1)
  await new Promise((resolve) => setTimeout(resolve, 400))
  engine.answer((one) => answerChat(one, ['late']))
  free()
  const text = await reading
  assert.match(text, /^: keep-alive\n\n/)
  assert.match(text, /"content":"late"[\s\S]*\[DONE\]\n\n$/)
})

test('a full queue is a 429 that the client knows as a rate limit', async () => {
  await start()
  const limits = { ...noLimits, queueDepthMax: 1 }
  mill.principals.set('sk-anna', testPrincipal('anna', { policy: { tenantLimits: limits } }))
  const free = await occupy()
  const waiting = ask()
  await until(() => mill.pool.waitingCount === 1)
  const error = await ask().catch((e) => e)
  assert.ok(error instanceof OpenAI.RateLimitError)
  assert.equal(error.code, 'queue_full')
  assert.ok(Number(error.headers?.get('retry-after')) >= 1)
  assert.equal(mill.ledger.intents.length, 2, 'what was refused at once is not on the ledger')
  engine.answer((one) => answerChat(one, ['done']))
  free()
  await waiting
})

test('more open requests than a gateway may have are a 429', async () => {
  await start({ limits: { streamsMax: 1 } })
  const free = await occupy()
  const error = await ask().catch((e) => e)
  assert.ok(error instanceof OpenAI.RateLimitError)
  assert.equal(error.code, 'too_many_streams')
  assert.ok(Number(error.headers?.get('retry-after')) >= 1)
  free()
  await until(() => ends().length === 1)
  assert.deepEqual(ends(), ['finished done'])
})

test('tokens per minute used up are a 429 with a derived time', async () => {
  await start()
  const limits = { ...noLimits, tokensPerMinute: 300 }
  mill.principals.set('sk-anna', testPrincipal('anna', { policy: { keyLimits: limits } }))
  engine.answer((one) =>
    answerChat(
      one,
      Array.from({ length: 290 }, () => 'x'),
    ),
  )
  await ask()
  const error = await ask().catch((e) => e)
  assert.ok(error instanceof OpenAI.RateLimitError)
  assert.equal(error.code, 'tokens_per_minute_exceeded')
  const seconds = Number(error.headers?.get('retry-after'))
  assert.ok(seconds > 20 && seconds <= 60, `${seconds}`)
})

test('a model nobody may use is a 404, a body that is wrong a 400 that is not tried again', async () => {
  await start()
  const missing = await client.chat.completions.create({ ...body, model: 'x' }).catch((e) => e)
  assert.ok(missing instanceof OpenAI.NotFoundError)
  assert.equal(missing.code, 'model_not_found')
  mill.principals.set('sk-anna', testPrincipal('anna', { policy: { models: ['other'] } }))
  assert.ok((await ask().catch((e) => e)) instanceof OpenAI.NotFoundError)
  assert.deepEqual((await client.models.list()).data, [])
  mill.principals.set('sk-anna', testPrincipal('anna'))
  assert.equal((await client.models.retrieve('mill')).id, 'mill')
  const wrong = await client.chat.completions.create({ ...body, max_tokens: -1 }).catch((e) => e)
  assert.ok(wrong instanceof OpenAI.BadRequestError)
  assert.equal(wrong.param, 'max_tokens')
  assert.equal(wrong.headers?.get('x-should-retry'), 'false')
})

test('a body over its limit is refused, whether it says so or not', async () => {
  await start({ limits: { bodyBytesMax: 1000 } })
  const long = { ...body, messages: [{ role: 'user' as const, content: 'x'.repeat(2000) }] }
  const error = await client.chat.completions.create(long).catch((e) => e)
  assert.equal(error.status, 413)
  const text = JSON.stringify(long)
  const response = await fetch(`${mill.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna' },
    duplex: 'half',
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from(text.slice(0, 900)))
        controller.enqueue(Buffer.from(text.slice(900)))
        controller.close()
      },
    }),
  } as RequestInit)
  assert.equal(response.status, 413)
  assert.equal(engine.seen.length, 0)
})

test('while the ledger is away requests are refused and nothing reaches the client', async () => {
  await start()
  mill.ledger.isAway = true
  const error = await ask().catch((e) => e)
  assert.ok(error instanceof OpenAI.InternalServerError)
  assert.equal(error.code, 'ledger_unavailable')
  assert.equal(mill.ledger.settlements.length, 0)
  mill.ledger.isHealthy = false
  const seen = engine.seen.length
  assert.equal((await ask().catch((e) => e)).status, 503)
  assert.equal(engine.seen.length, seen)
  mill.ledger.isHealthy = true
  mill.ledger.isAway = false
  await until(() => mill.pool.running.size === 0)
})

test('the first byte waits for the intent to be durable', async () => {
  await start()
  mill.ledger.hold()
  let hasHead = false
  const streaming = rawStream().then((response) => {
    hasHead = true
    return response.text()
  })
  const whole = ask()
  await until(() => engine.seen.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal(hasHead, false)
  mill.ledger.letGo()
  assert.match(await streaming, /Hello[\s\S]*world[\s\S]*\[DONE\]/)
  assert.equal((await whole).choices[0]?.message.content, 'Hello world')
})

test('a client that leaves the queue is gone from it at once', async () => {
  await start()
  const free = await occupy()
  const leaving = new AbortController()
  const waiting = client.chat.completions.create(body, { signal: leaving.signal }).catch((e) => e)
  await until(() => mill.pool.waitingCount === 1)
  leaving.abort()
  assert.ok((await waiting) instanceof OpenAI.APIUserAbortError)
  await until(() => mill.pool.waitingCount === 0)
  free()
  await until(() => ends().length === 2)
  assert.deepEqual(ends(), ['cut client_gone', 'finished done'])
})

/** A stream that has begun and does not end by itself. */
async function running(): Promise<{ one: SeenRequest; text: Promise<string> }> {
  engine.answer(({ response, body: sent }) => {
    beginStream(response)
    const frames = chatFrames({ body: sent } as SeenRequest, ['one', 'two', 'three'])
    for (const frame of frames.slice(0, 3)) response.write(frame)
  })
  const response = await rawStream()
  return { one: engine.seen.at(-1) as SeenRequest, text: response.text() }
}

test('revoking a key ends its running streams with an error event', async () => {
  await start()
  const { one, text } = await running()
  mill.gateway.revoke('key_somebody')
  mill.gateway.revoke('key_anna')
  assert.match(await text, /"content":"two"[\s\S]*"code":"key_revoked"/)
  await one.gone
  await until(() => ends().length === 1)
  assert.deepEqual(ends(), ['cut key_revoked'])
  const [settlement] = mill.ledger.settlements
  assert.deepEqual([settlement?.outputTokens, settlement?.estimated], [2, true])
})

test('at shutdown what waits is refused, what runs may finish, the rest is cut', async () => {
  await start()
  const { text } = await running()
  const waiting = ask().catch((e) => e)
  await until(() => mill.pool.waitingCount === 1)
  const drained = mill.gateway.drain(300)
  assert.equal((await waiting).code, 'shutting_down')
  assert.equal((await ask().catch((e) => e)).status, 503)
  assert.match(await text, /"code":"shutting_down"/)
  await drained
  assert.deepEqual(ends(), ['cut shutdown', 'cut shutdown'])
  assert.equal(mill.pool.running.size, 0)
})

test('an engine asked for its own count settles a cut stream exactly', async () => {
  await start()
  const { text } = await running()
  const count = {
    id: 'x',
    state: 'ended',
    prompt_tokens: 11,
    cached_tokens: 4,
    completion_tokens: 5,
  }
  engine.pages.set('/v1/requests/req_1', count)
  mill.gateway.revoke('key_anna')
  await text
  await until(() => ends().length === 1)
  const { inputTokens, cachedTokens, outputTokens, estimated } = mill.ledger.settlements[0] ?? {}
  assert.deepEqual([inputTokens, cachedTokens, outputTokens, estimated], [11, 4, 5, false])
})
