/** Requests that waited for room in a budget, and are refused as soon as they have it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { answerChat, startTestEngine } from '../engine/index.ts'
import { Hold } from '../meter/budgets/hold.ts'
import type { LeaseKeeper } from '../meter/budgets/lease-keeper.ts'
import { startTestGateway } from './test-gateway.ts'

const NOTHING = {
  keeper: {} as LeaseKeeper,
  applied: [],
  taken: [],
  outputTokens: 100,
  isClamped: false,
  engineMsMax: null,
}
const hold = async () => new Hold(NOTHING)
const chat = { model: 'mill', messages: [{ role: 'user' as const, content: 'Hi' }], seed: 1 }

test('one whose key is revoked while it waits is not begun', async () => {
  const waiting = Promise.withResolvers<Hold>()
  const asked = Promise.withResolvers<void>()
  const held = new Hold(NOTHING)
  const later = () => {
    asked.resolve()
    return waiting.promise
  }
  const mill = await startTestGateway({ budgets: { isEmpty: false, hold: later } })
  const engine = await startTestEngine()
  mill.setEngine(engine)
  try {
    const client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
    const answer = client.chat.completions.create(chat).catch((error) => error)
    await asked.promise
    mill.gateway.revoke('key_anna')
    waiting.resolve(held)
    assert.equal((await answer).code, 'key_revoked')
    assert.deepEqual([engine.seen.length, mill.ledger.intents.length], [0, 0])
    assert.equal((await client.chat.completions.create(chat)).model, 'mill')
  } finally {
    await mill.close()
    await engine.close()
  }
})

test('one that waits at a shutdown is told so', async () => {
  const asked = Promise.withResolvers<void>()
  const never = () => {
    asked.resolve()
    return new Promise<Hold>(() => {})
  }
  const mill = await startTestGateway({ budgets: { isEmpty: false, hold: never } })
  try {
    const options = { baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0, timeout: 5000 }
    const answer = new OpenAI(options).chat.completions.create(chat).catch((error) => error)
    await asked.promise
    await mill.gateway.drain(0)
    const { status, code } = await answer
    assert.deepEqual([status, code], [503, 'shutting_down'])
  } finally {
    await mill.close()
  }
})

for (const name of ['Idempotency-Key', 'x-gristmill-cache'] as const) {
  test(`one with ${name} is told so, and one that comes after it is a new one`, async () => {
    const mill = await startTestGateway({ budgets: { isEmpty: false, hold } })
    const engine = await startTestEngine()
    try {
      const client = new OpenAI({
        baseURL: mill.baseUrl,
        apiKey: 'sk-anna',
        maxRetries: 0,
        timeout: 5000,
      })
      const headers = { [name]: 'on' }
      // Nobody serves the model yet.
      const refused = await client.chat.completions.create(chat, { headers }).catch((e) => e)
      assert.equal(refused.code, 'no_healthy_engine')
      engine.answer((one) => answerChat(one, ['good']))
      mill.setEngine(engine)
      const answer = await client.chat.completions.create(chat, { headers })
      assert.equal(answer.choices[0]?.message.content, 'good')
    } finally {
      await mill.close()
      await engine.close()
    }
  })
}
