/** Requests whose budget sets a bound to the time that they may take of an engine. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import { beginStream, chatFrames, startTestEngine, type TestEngine } from '../engine/index.ts'
import { Hold } from '../meter/budgets/hold.ts'
import type { LeaseKeeper } from '../meter/budgets/lease-keeper.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

const ENGINE_MS_MAX = 500

let mill: TestGateway
let engine: TestEngine
let client: OpenAI

/** Sets aside only the time. */
const hold = (): Hold =>
  new Hold({
    keeper: {} as LeaseKeeper,
    applied: [],
    taken: [],
    outputTokens: 100,
    isClamped: false,
    engineMsMax: ENGINE_MS_MAX,
  })

beforeEach(async () => {
  engine = await startTestEngine()
  mill = await startTestGateway({ budgets: { isEmpty: false, hold } })
  mill.setEngine(engine, { cap: 2 })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  // It begins, and never ends by itself.
  engine.answer((one) => {
    if (one.body.stream !== true) return
    beginStream(one.response)
    one.response.write(chatFrames(one, ['as far ', 'as it goes', '']).slice(0, 2).join(''))
  })
})
afterEach(async () => {
  await mill.close()
  await engine.close()
})

const body = { model: 'mill', messages: [{ role: 'user' as const, content: 'Hi' }] }

async function settled() {
  await until(() => mill.ledger.settlements.length === 1)
  const [settlement] = mill.ledger.settlements
  assert.equal(settlement?.end, 'budget')
  assert.equal(settlement.group, 'cut')
  assert.ok(settlement.engineMs > 0 && settlement.engineMs <= ENGINE_MS_MAX)
  assert.equal(mill.pool.running.size, 0, 'its slot is free')
}

test('a stream ends with what there is, as too long, and says why', async () => {
  let text = ''
  let end: OpenAI.ChatCompletionChunk | undefined
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? ''
    end = chunk
  }
  assert.match(text, /as far/)
  assert.equal(end?.choices[0]?.finish_reason, 'length')
  assert.deepEqual((end as object as { gristmill: object }).gristmill, { ended_because: 'budget' })
  await settled()
})

test('so it does in the words of other doors', async () => {
  const anthropic = new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })
  const { stop_reason } = await anthropic.messages
    .stream({ ...body, max_tokens: 50 })
    .finalMessage()
  assert.equal(stop_reason, 'max_tokens')
  await settled()
})

test('an answer that is not streamed cannot end early, and is refused', async () => {
  const error = await client.chat.completions.create(body).catch((reason: unknown) => reason)
  assert.ok(error instanceof OpenAI.APIError)
  assert.deepEqual([error.status, error.code], [402, 'engine_time_used_up'])
  await settled()
})
