/** What an application sees through the official client, against a scripted engine. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import OpenAI from 'openai'
import { answerChat, startTestEngine, type TestEngine } from '../engine/index.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'
import type { Telemetry } from './types.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI
/** The tenant that somebody follows. */
let followed = ''
const told: Parameters<Telemetry['ended']>[] = []

before(async () => {
  const telemetry: Telemetry = {
    follows: (tenantId) => tenantId === followed,
    ended: (...one) => void told.push(one),
  }
  mill = await startTestGateway({ telemetry })
  engine = await startTestEngine()
  mill.setEngine(engine)
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
})

after(async () => {
  await mill.close()
  await engine.close()
})

beforeEach(() => {
  engine.seen.length = 0
  mill.ledger.intents.length = 0
  mill.ledger.settlements.length = 0
  engine.answer((one) => answerChat(one, ['Hello', ' world']))
})

const messages = [{ role: 'user' as const, content: 'Greet the world.' }]

test('a chat answer comes whole, with usage and the tier that served it', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'mill', messages })
    .withResponse()
  assert.equal(data.choices[0]?.message.content, 'Hello world')
  assert.equal(data.usage?.prompt_tokens, 7)
  assert.equal(data.service_tier, 'default')
  assert.equal(response.headers.get('x-gristmill-class'), 'standard')
  assert.equal(response.headers.get('x-gristmill-cached'), '3')
  const [settlement] = mill.ledger.settlements
  assert.equal(mill.ledger.settlements.length, 1)
  assert.equal(settlement?.requestId, response.headers.get('x-request-id'))
  assert.equal(settlement?.group, 'finished')
  assert.deepEqual(
    [settlement?.inputTokens, settlement?.cachedTokens, settlement?.outputTokens],
    [7, 3, 2],
  )
})

test('who follows a tenant hears of its requests, and of those of no other', async () => {
  for (followed of ['ten_berta', 'ten_anna']) {
    await client.chat.completions.create({ model: 'mill', messages })
  }
  followed = ''
  const [[request, fields] = [], ...others] = told
  assert.deepEqual(others, [])
  assert.equal(request?.requestId, mill.ledger.settlements[1]?.requestId)
  assert.deepEqual([request?.tenantId, request?.outputTokens], ['ten_anna', 2])
  assert.deepEqual(fields?.messages, messages)
})

test('a chat stream passes through; the usage event is only for who asked for it', async () => {
  for (const isAsked of [false, true]) {
    const options = isAsked ? { stream_options: { include_usage: true } } : {}
    const stream = await client.chat.completions.create({
      model: 'mill',
      messages,
      stream: true,
      ...options,
    })
    let text = ''
    let usages = 0
    let finish: string | null = null
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      finish = chunk.choices[0]?.finish_reason ?? finish
      if (chunk.usage) usages++
    }
    assert.equal(text, 'Hello world')
    assert.equal(finish, 'stop')
    assert.equal(usages, isAsked ? 1 : 0)
    assert.equal(engine.seen.at(-1)?.text.includes('"include_usage":true'), true)
  }
  assert.deepEqual(
    mill.ledger.settlements.map((s) => [s.group, s.inputTokens, s.outputTokens, s.estimated]),
    [
      ['finished', 7, 2, false],
      ['finished', 7, 2, false],
    ],
  )
})
