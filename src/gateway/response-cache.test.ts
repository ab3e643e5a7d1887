/** The response cache through the official clients: who is answered out of it, how it is booked. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { FakeClock } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { answerChat, sendJson, startTestEngine, type TestEngine, usage } from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI
let runs = 0

before(async () => {
  mill = await startTestGateway({ limits: { answerBytesMax: 20_000 } })
  engine = await startTestEngine()
  mill.setEngine(engine)
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  const cached = { policy: { responseCache: true } }
  mill.principals.set('sk-ben', testPrincipal('ben', cached))
  mill.principals.set('sk-ben-2', testPrincipal('ben', { keyId: 'key_ben_2', ...cached }))
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

let questions = 0
const newChat = () => ({
  model: 'mill',
  messages: [{ role: 'user' as const, content: `Question ${++questions}` }],
  temperature: 0,
})
const on = { headers: { 'x-gristmill-cache': 'on' } }
const cacheOf = (response: Response) => response.headers.get('x-gristmill-cache')
const ask = (body: object, options: object = on, by = client) =>
  by.chat.completions.create(body as OpenAI.ChatCompletionCreateParams, options).asResponse()
const clientOf = (apiKey: string) => new OpenAI({ baseURL: mill.baseUrl, apiKey, maxRetries: 0 })

test('requests with other tags may go elsewhere, so they are not the same', async () => {
  const chat = newChat()
  const tagged = (tags: string) => ({ headers: { ...on.headers, 'x-gristmill-tags': tags } })
  const states = []
  for (const options of [on, tagged('eu'), tagged('us'), tagged('eu')]) {
    states.push(cacheOf(await ask(chat, options)))
    await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  }
  assert.deepEqual(states, ['miss', 'miss', 'miss', 'hit'])
})

test('the same request again is a hit, whole or as a stream, booked as no work', async () => {
  for (const stream of [false, true]) {
    const chat = { ...newChat(), stream }
    const miss = await ask(chat)
    const text = await miss.text()
    await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
    const hit = await ask(chat)
    assert.deepEqual([cacheOf(miss), cacheOf(hit)], ['miss', 'hit'])
    assert.equal(await hit.text(), text)
    assert.equal(hit.headers.get('content-type'), miss.headers.get('content-type'))
    const id = hit.headers.get('x-request-id')
    assert.notEqual(id, miss.headers.get('x-request-id'))
    const booked = mill.ledger.settlements.find(({ requestId }) => requestId === id)
    assert.deepEqual(booked?.hit, { inputTokens: 7, outputTokens: 2 })
    assert.deepEqual([booked?.inputTokens, booked?.outputTokens, booked?.engineId], [0, 0, null])
    assert.deepEqual([booked?.group, booked?.end], ['finished', 'done'])
  }
  assert.equal(runs, 2)
})

test('embeddings and the wire of Messages hit as well', async () => {
  const anthropic = new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })
  const chat = { ...newChat(), max_tokens: 9 }
  const texts: string[] = []
  for (const state of ['miss', 'hit']) {
    const answer = await anthropic.messages.create(chat, on).asResponse()
    assert.equal(cacheOf(answer), state)
    assert.equal(answer.headers.get('request-id'), answer.headers.get('x-request-id'))
    texts.push(await answer.text())
  }
  assert.equal(texts[0], texts[1])
  engine.answer((one) => sendJson(one.response, 200, { data: [], usage: usage(3, 0) }))
  for (const state of ['miss', 'hit']) {
    const input = `Text ${questions}`
    const answer = await client.embeddings.create({ model: 'mill', input }, on).asResponse()
    assert.equal(cacheOf(answer), state)
  }
})

test('only a request that asks for one answer in particular is kept', async () => {
  const { temperature: _, ...free } = newChat()
  for (const body of [free, { ...free, temperature: 0.1 }]) {
    for (const _ of [1, 2]) assert.equal(cacheOf(await ask(body)), null)
  }
  for (const state of ['miss', 'hit']) assert.equal(cacheOf(await ask({ ...free, seed: 7 })), state)
  const { status, param } = await ask(free, { headers: { 'x-gristmill-cache': 'yes' } }).catch(
    (error) => error,
  )
  assert.deepEqual([status, param], [400, 'x-gristmill-cache'])
})

test('who asks, and how, tells requests apart', async () => {
  const chat = newChat()
  const ben = clientOf('sk-ben')
  assert.equal(cacheOf(await ask(chat)), 'miss')
  assert.equal(cacheOf(await ask(chat, {}, ben)), 'miss', 'another tenant')
  assert.equal(cacheOf(await ask(chat, {}, clientOf('sk-ben-2'))), 'hit', 'another key')
  assert.equal(cacheOf(await ask(chat, {})), null, 'a key that does not use it')
  assert.equal(cacheOf(await ask(chat, { headers: { 'x-gristmill-cache': 'off' } }, ben)), null)
  const flex = { headers: { ...on.headers, 'x-gristmill-class': 'flex' } }
  assert.equal(cacheOf(await ask(chat, flex)), 'miss', 'another class')
  assert.equal(cacheOf(await ask({ ...chat, user: 'u' })), 'miss', 'another body')
  const models = ['other']
  mill.principals.set('sk-ben', testPrincipal('ben', { policy: { models, responseCache: true } }))
  assert.equal((await ask(chat, {}, ben).catch((e) => e)).code, 'model_not_found')
})

test('a route that changes is asked anew', async () => {
  const chat = { ...newChat(), model: 'chosen' }
  const document = [{ name: 'chosen', targets: [{ model: 'mill' }] }]
  mill.setRoutes(readDocument({ routes: document }).routes)
  const answers = [await ask(chat), await ask(chat)]
  assert.deepEqual(answers.map(cacheOf), ['miss', 'hit'])
  assert.equal(answers[1]?.headers.get('x-gristmill-target'), 'mill')
  mill.setRoutes(readDocument({ routes: document }).routes)
  assert.equal(cacheOf(await ask(chat)), 'miss')
  mill.setRoutes([])
})

test('what is cut short or refused is not kept, and a client that leaves ends its request', async () => {
  const chat = newChat()
  engine.answer((one) => sendJson(one.response, 400, { error: { message: 'no' } }))
  await ask(chat).catch((error) => assert.equal(error.status, 400))
  let gone = false
  engine.answer((one) => void one.gone.then(() => (gone = true)))
  const leaves = new AbortController()
  const asked = ask(chat, { ...on, signal: leaves.signal }).catch(() => {})
  await until(() => mill.pool.running.size === 1)
  leaves.abort()
  await asked
  await until(() => gone && mill.gateway.liveCount === 0)
  engine.answer((one) => answerChat(one, ['good']))
  for (const state of ['miss', 'hit']) assert.equal(cacheOf(await ask(chat)), state)
})

test('a hit waits for the ledger, is refused without it, and repeats under its key', async () => {
  const chat = newChat()
  await ask(chat)
  mill.ledger.isAway = true
  const refused = await ask(chat).catch((error) => error)
  assert.deepEqual([refused.status, refused.code], [503, 'ledger_unavailable'])
  mill.ledger.isAway = false
  const keyed = { headers: { ...on.headers, 'Idempotency-Key': 'k' } }
  mill.ledger.hold()
  const both = Promise.all([ask(chat, keyed), ask(chat, keyed)])
  await until(() => mill.ledger.intents.length === 2 && mill.openCount() === 2)
  mill.ledger.letGo()
  const [hit, same] = await both
  const later = await ask(chat, keyed)
  assert.equal(runs, 1)
  assert.deepEqual([hit, same, later].map(cacheOf), ['hit', 'hit', 'hit'])
  assert.equal(hit.headers.get('x-gristmill-replayed'), null)
  for (const one of [same, later]) {
    assert.equal(one.headers.get('x-gristmill-replayed'), hit.headers.get('x-request-id'))
  }
  assert.equal(mill.ledger.settlements.filter((one) => one.hit).length, 1)
})

test('an answer stays for its time', async () => {
  const clock = new FakeClock()
  const other = await startTestGateway({ clock, limits: { responseCacheMsMax: 5000 } })
  other.setEngine(engine)
  const by = new OpenAI({ baseURL: other.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  const chat = newChat()
  const states: (string | null)[] = []
  for (const ms of [0, 4999, 1]) {
    clock.advance(ms)
    states.push(cacheOf(await ask(chat, on, by)))
  }
  assert.deepEqual(states, ['miss', 'hit', 'miss'])
  await other.close()
})

test('an answer that other guards have let pass is no hit', async () => {
  const chat = newChat()
  const guard = {
    name: 'words',
    kind: 'pattern',
    when: 'after',
    action: 'redact',
    patterns: ['run'],
  }
  await (await ask(chat)).text()
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  mill.setRoutes([], readDocument({ routes: [], guards: [guard] }).guards)
  const again = await ask(chat)
  assert.equal(cacheOf(again), 'miss')
  assert.match(await again.text(), /\[REDACTED\] 2/)
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  const hit = await ask(chat)
  assert.equal(cacheOf(hit), 'hit')
  assert.match(await hit.text(), /\[REDACTED\] 2/)
  mill.setRoutes([])
})
