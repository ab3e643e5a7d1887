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
