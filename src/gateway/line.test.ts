/** Lines of batches: nobody waits for them, and what is stored decides what is charged. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import { answerChat, sendJson, startTestEngine, type TestEngine } from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import type { LineEnd, LineRequest } from './line.ts'
import { noLimits, startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine

beforeEach(async () => {
  engine = await startTestEngine()
  mill = await startTestGateway()
  mill.setEngine(engine, { cap: 1 })
})
afterEach(async () => {
  await mill.close()
  await engine.close()
})

const anna = testPrincipal('anna')
const body = { model: 'mill', messages: [{ role: 'user', content: 'Hi' }] }
let lines = 0

type Fields = Record<string, unknown>

/** Runs a line whose end is dealt with as the test says; resolves with it. */
function run(
  fate: 'stored' | 'dropped' | 'unknown',
  changes: Partial<LineRequest> = {},
): { end: Promise<LineEnd>; cut(): void; hurry(): void } {
  const end = Promise.withResolvers<LineEnd>()
  const raw = Buffer.from(JSON.stringify(body))
  const line = mill.gateway.runLine({
    ...mill.gateway.checkLine('/v1/chat/completions', raw, anna),
    requestId: `req_line_${++lines}`,
    batchId: 'batch_1',
    principal: anna,
    serviceClass: 'batch',
    waitMsMax: 60_000,
    urgent: false,
    ended: async (given) => {
      end.resolve(given)
      return fate
    },
    ...changes,
  })
  return { end: end.promise, cut: () => line.cut(), hurry: () => line.hurry() }
}

const settled = () =>
  mill.ledger.settlements.map(({ end, inputTokens, outputTokens }) => ({
    end,
    inputTokens,
    outputTokens,
  }))

test('an answer that is stored is charged with its usage, in the name of its batch', async () => {
  const { answer, usage } = await run('stored').end
  assert.equal(answer?.status, 200)
  const whole = JSON.parse(String(answer?.body)) as OpenAI.ChatCompletion
  assert.equal(whole.object, 'chat.completion')
  assert.equal(whole.service_tier, 'batch')
  await until(() => settled().length === 1)
  const { inputTokens, outputTokens } = usage
  assert.ok(outputTokens > 0)
  assert.deepEqual(settled(), [{ end: 'done', inputTokens, outputTokens }])
  assert.deepEqual(
    mill.ledger.intents.map(({ batchId, serviceClass }) => ({ batchId, serviceClass })),
    [{ batchId: 'batch_1', serviceClass: 'batch' }],
  )
})

test('lines of other wires are answered, and refused, in their own words', async () => {
  const lineOf = (door: '/v1/responses' | '/v1/messages', fields: object) =>
    mill.gateway.checkLine(door, Buffer.from(JSON.stringify({ model: 'mill', ...fields })), anna)
  const response = lineOf('/v1/responses', { input: 'Hi' })
  const message = lineOf('/v1/messages', { max_tokens: 9, messages: body.messages })
  const objectOf = ({ answer }: LineEnd) => JSON.parse(String(answer?.body)) as Fields
  const first = objectOf(await run('stored', response).end)
  assert.deepEqual([first.object, first.status], ['response', 'completed'])
  const second = objectOf(await run('stored', message).end)
  assert.deepEqual([second.type, second.stop_reason], ['message', 'end_turn'])
  engine.answer((one) => sendJson(one.response, 400, { error: { message: 'no such tool' } }))
  const refused = await run('stored', message).end
  assert.equal(refused.answer?.status, 400)
  assert.equal((objectOf(refused).error as Fields).type, 'invalid_request_error')
})

test('an answer that nobody could read is a failure of its engine, and charged to nobody', async () => {
  engine.answer(({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"object":"chat.completion","logprob":NaN,"usage":{"prompt_tokens":3}}')
  })
  const { answer, error } = await run('dropped').end
  assert.equal(answer, null)
  assert.equal(error?.code, 'engine_failed')
  await until(() => settled().length === 1)
  assert.deepEqual(settled(), [{ end: 'done', inputTokens: 0, outputTokens: 0 }])
})

test('an answer that is not stored is charged to nobody', async () => {
  await run('dropped').end
  await until(() => settled().length === 1)
  assert.deepEqual(settled(), [{ end: 'done', inputTokens: 0, outputTokens: 0 }])
})

test('while nobody can tell whether it is stored, it is left to recovery', async () => {
  await run('unknown').end
  await run('stored').end
  await until(() => settled().length === 1)
  assert.equal(mill.ledger.intents.length, 2)
  assert.equal(mill.ledger.settlements[0]?.requestId, `req_line_${lines}`)
})

test('its slot is free before its answer is stored', async () => {
  const stored = Promise.withResolvers<'stored'>()
  const reached = Promise.withResolvers<void>()
  run('stored', {
    ended: () => {
      reached.resolve()
      return stored.promise
    },
  })
  await reached.promise
  const client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  await client.chat.completions.create({ model: 'mill', messages: [{ role: 'user', content: '' }] })
  stored.resolve('stored')
  await until(() => settled().length === 2)
})

test("an engine's refusal is the line's answer, and costs nothing", async () => {
  engine.answer(({ response }) => sendJson(response, 400, { error: { message: 'not like this' } }))
  const { answer, error } = await run('stored').end
  assert.equal(error, null)
  assert.equal(answer?.status, 400)
  assert.match(String(answer?.body), /not like this/)
  await until(() => settled().length === 1)
  assert.deepEqual(settled(), [{ end: 'refused', inputTokens: 0, outputTokens: 0 }])
})

test('a line that is cut leaves the engine, and costs nothing', async () => {
  engine.answer(() => {})
  const line = run('dropped')
  await until(() => engine.seen.length === 1)
  line.cut()
  const { answer } = await line.end
  assert.equal(answer, null)
  await engine.seen[0]?.gone
  await until(() => settled().length === 1)
  assert.deepEqual(settled(), [{ end: 'client_gone', inputTokens: 0, outputTokens: 0 }])
})

test("lines do not fill their tenant's interactive queue", async () => {
  const limits = { ...noLimits, queueDepthMax: 1 }
  const small = testPrincipal('anna', { policy: { tenantLimits: limits, keyLimits: limits } })
  mill.principals.set('sk-anna', small)
  const waiting: (() => void)[] = []
  engine.answer((one) => waiting.push(() => answerChat(one, ['ok'])))
  const all = [1, 2, 3, 4].map(() => run('stored', { principal: small }))
  const client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  const asked = client.chat.completions.create({
    model: 'mill',
    messages: [{ role: 'user', content: 'Hi' }],
  })
  await until(() => waiting.length === 1)
  engine.answer((one) => answerChat(one, ['ok']))
  waiting[0]?.()
  assert.equal((await asked).object, 'chat.completion')
  await Promise.all(all.map(({ end }) => end))
})

test('flex that finds nothing free in time is told so as its SDKs expect', async () => {
  const free: (() => void)[] = []
  engine.answer((one) => free.push(() => answerChat(one, ['ok'])))
  const first = run('stored')
  await until(() => free.length === 1)
  const client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  const asked = client.chat.completions.create(
    { model: 'mill', messages: [{ role: 'user', content: 'Hi' }], service_tier: 'flex' },
    { headers: { 'x-gristmill-max-wait-ms': '200' } },
  )
  const error: unknown = await asked.catch((thrown: unknown) => thrown)
  assert.ok(error instanceof OpenAI.RateLimitError)
  assert.equal(error.code, 'resource_unavailable')
  free[0]?.()
  await first.end
})

test('a line whose window comes to be at risk overtakes the background work before it', async () => {
  const free = Promise.withResolvers<void>()
  let calls = 0
  engine.answer((one) => {
    if (++calls > 1) return answerChat(one, ['x'])
    void free.promise.then(() => answerChat(one, ['x']))
  })
  const order: string[] = []
  const named = (name: string, batchId: string) =>
    run('stored', {
      batchId,
      ended: async () => {
        order.push(name)
        return 'stored'
      },
    })
  named('running', 'batch_1')
  await until(() => calls === 1)
  named('first', 'batch_1')
  named('second', 'batch_1')
  named('third', 'batch_1').hurry()
  named('fourth', 'batch_1').hurry()
  free.resolve()
  await until(() => order.length === 5)
  assert.deepEqual(order, ['running', 'third', 'fourth', 'first', 'second'])
})

test('a line meets guards like any request, before and after', async () => {
  const words = { kind: 'pattern', patterns: ['Hi|world'] }
  const guarded = (...guards: object[]) =>
    mill.setRoutes([], readDocument({ routes: [], guards }).guards)
  guarded({ ...words, name: 'before', when: 'before' })
  assert.throws(() => run('stored'), { code: 'guard_refused' })
  const late = { name: 'far', kind: 'http', when: 'before', url: 'https://10.0.0.1/' }
  guarded({ ...late, onFailure: 'closed' })
  assert.equal((await run('stored').end).error?.code, 'guard_unavailable')
  assert.equal(mill.ledger.intents.length, 0)
  guarded({ ...late, onFailure: 'open' }, { ...words, name: 'after', when: 'after' })
  const { answer, usage } = await run('stored').end
  const whole = JSON.parse(String(answer?.body)) as OpenAI.ChatCompletion
  assert.equal(whole.choices[0]?.finish_reason, 'content_filter')
  await until(() => settled().length === 1)
  assert.equal(settled()[0]?.outputTokens, usage.outputTokens)
  const cut = run('stored')
  cut.cut()
  assert.deepEqual((await cut.end).answer, null)
})
