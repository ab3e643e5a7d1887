/** Engines that fail, clients that leave or do not read: no hang, no leak, one settlement each. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { createLogger } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  sendJson,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import {
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
  testLimits,
} from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI
const extra: TestEngine[] = []

async function start(options: TestGatewayOptions = {}): Promise<void> {
  mill = await startTestGateway(options)
  mill.setEngine(engine, { cap: 2 })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
}

beforeEach(async () => {
  engine = await startTestEngine()
})
afterEach(async () => {
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  assert.equal(mill.gateway.liveCount, 0)
  const ids = mill.ledger.settlements.map((s) => s.requestId)
  assert.equal(new Set(ids).size, ids.length, 'nothing is settled twice')
  assert.equal(ids.length, mill.ledger.intents.length, 'every intent is settled')
  await mill.close()
  for (const one of [engine, ...extra.splice(0)]) await one.close()
})

interface Said {
  requestId?: string
  reason?: string
  err?: Error
}

const body = { model: 'mill', messages: [{ role: 'user' as const, content: 'Hi' }] }
const settled = () => until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
const last = () => mill.ledger.settlements.at(-1)

async function streamed(): Promise<{ text: string; error: unknown }> {
  let text = ''
  try {
    const stream = await client.chat.completions.create({ ...body, stream: true })
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  }
}

test('an engine that dies before its first byte is tried again', async () => {
  await start()
  let attempts = 0
  engine.answer((one) => {
    if (++attempts < 3) one.request.socket.destroy()
    else answerChat(one, ['third'])
  })
  assert.deepEqual(await streamed(), { text: 'third', error: undefined })
  attempts = 0
  assert.equal((await client.chat.completions.create(body)).choices[0]?.message.content, 'third')
})

test('one that keeps dying is a 502 after three attempts, and a line of the log', async () => {
  const logger = createLogger('silent', 'test')
  const lines: object[] = []
  logger.warn = (line: object) => lines.push(line)
  await start({ logger })
  engine.answer((one) => one.request.socket.destroy())
  const error = await client.chat.completions.create(body).catch((e) => e)
  assert.ok(error instanceof OpenAI.InternalServerError)
  assert.equal(error.status, 502)
  assert.equal(error.code, 'engine_failed')
  assert.equal(engine.seen.length, 3)
  await settled()
  const said = (lines as Said[]).find(({ requestId }) => requestId !== undefined)
  assert.match(said?.reason ?? '', /^the connection broke off \(UND_ERR_SOCKET\)$/)
  // Many requests may fail there at once.
  assert.equal(said?.err, undefined)
})

test('an engine that dies in the middle of a stream ends it with an error event', async () => {
  await start()
  engine.answer((one) => {
    beginStream(one.response)
    const frames = chatFrames(one, ['one', 'two', 'three'])
    one.response.write(frames.slice(0, 3).join(''), () => one.request.socket.destroy())
  })
  const { text, error } = await streamed()
  assert.equal(text, 'onetwo')
  assert.ok(error instanceof OpenAI.APIError)
  assert.equal(error.code, 'engine_failed')
  assert.equal(engine.seen.length, 1, 'nothing is sent again after a byte')
  await settled()
  assert.deepEqual(
    [last()?.group, last()?.end, last()?.outputTokens, last()?.estimated],
    ['cut', 'engine_failed', 2, true],
  )
})

test('half an answer without streaming is a 502, never half a body', async () => {
  await start()
  engine.answer((one) => {
    one.response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    one.response.write('{"choices":[', () => one.request.socket.destroy())
  })
  const error = await client.chat.completions.create(body).catch((e) => e)
  assert.equal(error.status, 502)
  await settled()
})

test('statuses that pass are tried again, refusals of the request go to the client', async () => {
  await start()
  let attempts = 0
  engine.answer((one) => {
    if (++attempts === 1) sendJson(one.response, 503, { error: { message: 'loading' } })
    else answerChat(one, ['ready'])
  })
  assert.equal((await client.chat.completions.create(body)).choices[0]?.message.content, 'ready')
  engine.answer((one) =>
    sendJson(one.response, 400, {
      error: { message: 'bad schema', type: 'invalid_request_error', param: 'tools', code: 'x' },
    }),
  )
  for (const stream of [false, true] as const) {
    const error = await client.chat.completions.create({ ...body, stream }).catch((e) => e)
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.deepEqual([error.param, error.code], ['tools', 'x'])
    assert.match(error.message, /bad schema/)
    assert.equal((error.error as { request_id?: string }).request_id, error.requestID)
  }
  engine.answer((one) => sendJson(one.response, 401, { error: { message: 'key of the engine' } }))
  const error = await client.chat.completions.create(body).catch((e) => e)
  assert.deepEqual([error.status, error.code], [502, 'engine_rejected'])
  assert.doesNotMatch(error.message, /key of the engine/)
})

test('an answer bound of ours that does not fit is taken back, one of the client is not', async () => {
  await start()
  engine.answer((one) => {
    const isTooLong = one.body.max_tokens !== undefined
    const refusal = { error: { message: 'too long', code: 'context_length_exceeded' } }
    if (isTooLong) sendJson(one.response, 400, refusal)
    else answerChat(one, ['fits'])
  })
  assert.equal((await client.chat.completions.create(body)).choices[0]?.message.content, 'fits')
  assert.deepEqual(
    engine.seen.map((one) => typeof one.body.max_tokens),
    ['number', 'undefined'],
  )
  const asked = await client.chat.completions.create({ ...body, max_tokens: 9 }).catch((e) => e)
  assert.ok(asked instanceof OpenAI.BadRequestError)
  assert.equal(asked.code, 'context_length_exceeded')
})

test('an engine that refuses max_tokens is told the newer name, and from then on at once', async () => {
  await start()
  let refused = 0
  const message =
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
  engine.answer((one) => {
    const error = { message, type: 'invalid_request_error', code: 'unsupported_parameter' }
    if (one.body.max_tokens === undefined) return answerChat(one, ['newer'])
    refused++
    sendJson(one.response, 400, { error: { ...error, param: 'max_tokens' } })
  })
  const bounds = [{ max_completion_tokens: 9 }, { max_tokens: 9 }, {}]
  const asks = [...bounds, ...bounds].map((bound) =>
    client.chat.completions.create({ ...body, ...bound }),
  )
  for (const answer of await Promise.all(asks)) {
    assert.equal(answer.choices[0]?.message.content, 'newer')
  }
  assert.ok(refused <= 2, `${refused} of six, as no more than two run at once`)
  const told = engine.seen.slice(-3).map((one) => one.body.max_completion_tokens)
  assert.deepEqual(told, [9, 9, testLimits.outputTokensDefault])
})

test('a kept connection that was closed meanwhile costs nobody an error', async () => {
  await start()
  engine.answer((one) => {
    answerChat(one, ['x'])
    // Closes without saying so, as llama.cpp's server does.
    one.response.on('finish', () => setTimeout(() => one.request.socket.destroy(), 1))
  })
  for (let i = 0; i < 20; i++) assert.equal((await streamed()).error, undefined)
  assert.equal(mill.ledger.settlements.filter((s) => s.group !== 'finished').length, 0)
})

test('a client that leaves stops the engine and gives the slot back', async () => {
  await start()
  engine.answer((one) => {
    beginStream(one.response)
    one.response.write(chatFrames(one, ['one']).slice(0, 2).join(''))
  })
  const stream = await client.chat.completions.create({ ...body, stream: true })
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  stream.controller.abort()
  await engine.seen[0]?.gone
  await settled()
  assert.deepEqual([last()?.end, last()?.outputTokens], ['client_gone', 1])
})

test('a silent engine is given up, before and within its answer', async () => {
  await start({
    limits: { engineFirstByteMsMax: 1000, engineIdleMsMax: 300, engineAnswerMsMax: 300 },
  })
  engine.answer(() => {})
  assert.equal((await client.chat.completions.create(body).catch((e) => e)).code, 'engine_timeout')
  const before = await client.chat.completions.create({ ...body, stream: true }).catch((e) => e)
  assert.equal(before.status, 504)
  engine.answer((one) => {
    beginStream(one.response)
    one.response.write(chatFrames(one, ['one']).slice(0, 2).join(''))
  })
  const { text, error } = await streamed()
  assert.equal(text, 'one')
  assert.equal((error as InstanceType<typeof OpenAI.APIError>).code, 'engine_timeout')
  await settled()
})

test('an engine that goes down takes its requests to one that is up', async () => {
  await start()
  const other = await startTestEngine()
  extra.push(other)
  engine.answer((one) => {
    mill.setEngine(engine, { cap: 2 }, 'down')
    mill.setEngine(other, { cap: 2 })
    one.request.socket.destroy()
  })
  assert.equal(
    (await client.chat.completions.create(body)).choices[0]?.message.content,
    'Hello world',
  )
  assert.equal(other.seen.length, 1)
})

/** A client that sends a request for a stream and then does not read. */
async function deafClient() {
  const { hostname, port } = new URL(mill.url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  await once(socket, 'connect')
  const text = JSON.stringify({ ...body, stream: true })
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-anna\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  )
  socket.pause()
  return socket
}

test('a client that does not read costs bounded memory and is cut in the end', async () => {
  await start({ limits: { slowClientMsMax: 500 } })
  let written = 0
  let isStopped = false
  engine.answer((one) => {
    beginStream(one.response)
    const [, frame = ''] = chatFrames(one, ['x'.repeat(8000)])
    one.response.on('close', () => {
      isStopped = true
    })
    const pour = () => {
      while (!isStopped && one.response.write(frame)) written += frame.length
      if (!isStopped) one.response.once('drain', pour)
    }
    pour()
  })
  const before = process.memoryUsage().rss
  const socket = await deafClient()
  await until(() => isStopped)
  const mb = 1024 * 1024
  assert.ok(written < 32 * mb, `the engine was held back at ${Math.round(written / mb)} MiB`)
  assert.ok(process.memoryUsage().rss - before < 128 * mb)
  await settled()
  assert.equal(last()?.end, 'client_gone')
  socket.destroy()
})

test('a slow client still gets every byte', async () => {
  await start({ limits: { streamBufferBytesMax: 16 * 1024 } })
  const parts = Array.from({ length: 400 }, (_, i) => `${i}:${'ä'.repeat(4000)};`)
  engine.answer((one) => answerChat(one, parts))
  const response = await fetch(`${mill.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna' },
    body: JSON.stringify({ ...body, stream: true }),
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const text = await response.text()
  const content = text
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice(6)).choices[0]?.delta.content ?? '')
    .join('')
  assert.equal(content, parts.join(''))
  await settled()
  assert.equal(last()?.outputTokens, parts.length)
})
