/** Two engines of one model, one of which is not well: what clients notice, and what it costs. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  sendJson,
  startTestEngine,
  type TestEngine,
} from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

let mill: TestGateway
let well: TestEngine
let sick: TestEngine
let client: OpenAI

beforeEach(async () => {
  well = await startTestEngine()
  sick = await startTestEngine()
  mill = await startTestGateway()
  mill.setEngine(well, { cap: 4 })
  mill.setEngine(sick, { cap: 4 })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
})
afterEach(async () => {
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  await mill.close()
  await well.close()
  await sick.close()
})

const messages = [{ role: 'user' as const, content: 'Hi' }]

/** Asks so often, four at a time; what was answered, and the errors. */
async function askMany(count: number, stream: boolean) {
  const texts: string[] = []
  const errors: unknown[] = []
  let asked = 0
  const worker = async () => {
    while (asked++ < count) {
      try {
        texts.push(await (stream ? streamed() : whole()))
      } catch (error) {
        errors.push(error)
      }
    }
  }
  await Promise.all([1, 2, 3, 4].map(worker))
  return { texts, errors, attempts: well.seen.length + sick.seen.length }
}

async function whole(): Promise<string> {
  const answer = await client.chat.completions.create({ model: 'mill', messages })
  return answer.choices[0]?.message.content ?? ''
}

async function streamed(): Promise<string> {
  let text = ''
  const stream = await client.chat.completions.create({ model: 'mill', messages, stream: true })
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  return text
}

describe('an engine that is not well beside one that is', () => {
  for (const stream of [false, true]) {
    it(`costs nobody an answer where it fails always, ${stream ? 'streamed' : 'whole'}`, async () => {
      sick.answer((one) => sendJson(one.response, 500, { error: { message: 'no' } }))
      const { texts, errors, attempts } = await askMany(200, stream)
      assert.deepEqual(errors, [])
      assert.deepEqual(new Set(texts), new Set(['Hello world']))
      assert.ok(sick.seen.length < 20, `it was asked ${sick.seen.length} times`)
      assert.ok(attempts <= 220, `${attempts} attempts`)
      mill.pool.close()
      // There is a row for every minute in which it ran.
      const failures = (url: string) =>
        mill.minutes.filter(({ engineId }) => engineId === url).map((one) => one.failures)
      assert.ok(failures(well.url).every((one) => Object.keys(one).length === 0))
      const failed = failures(sick.url).reduce((sum, one) => sum + (one.status_500 ?? 0), 0)
      assert.ok(failed >= 3, 'the sick one failed requests')
    })

    it(`costs little where it fails half the time, ${stream ? 'streamed' : 'whole'}`, async () => {
      let turn = 0
      sick.answer((one) => {
        if (turn++ % 2 === 0) sendJson(one.response, 500, { error: { message: 'no' } })
        else answerChat(one, ['Hello', ' world'])
      })
      const { texts, errors, attempts } = await askMany(400, stream)
      assert.deepEqual(errors, [])
      assert.equal(texts.length, 400)
      assert.ok(attempts <= 1.2 * 400, `${attempts} attempts for 400 requests`)
    })
  }

  it('has its requests taken from it when it falls silent, each answered once', async () => {
    sick.answer(() => {})
    const { texts, errors } = await askMany(60, true)
    assert.deepEqual(errors, [])
    assert.deepEqual(new Set(texts), new Set(['Hello world']))
    assert.ok(sick.seen.length < 12, `it was asked ${sick.seen.length} times`)
    const ids = mill.ledger.settlements.map(({ requestId }) => requestId)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('keeps the streams that have begun, which nobody could continue', async () => {
    let frames: string[] = []
    let finish: (() => void) | undefined
    sick.answer((one) => {
      beginStream(one.response)
      frames = chatFrames(one, ['one', 'two'])
      one.response.write(frames.slice(0, 2).join(''))
      finish = () => one.response.end(frames.slice(2).join(''))
    })
    well.answer((one) => sendJson(one.response, 404, { error: { message: 'not here' } }))
    mill.setEngine(well, { cap: 4 }, 'down')
    const text = streamed()
    await until(() => finish !== undefined)
    mill.setEngine(well, { cap: 4 })
    await until(() => mill.pool.health.of(sick.url).state === 'open')
    finish?.()
    assert.equal(await text, 'onetwo')
    assert.equal(well.seen.length, 0)
  })

  it('is asked without our bound where its context is small, and the next one with it', async () => {
    sick.answer((one) => {
      const refusal = { error: { message: 'no', code: 'context_length_exceeded' } }
      sendJson(one.response, one.body.max_tokens === undefined ? 503 : 400, refusal)
    })
    const { errors } = await askMany(8, false)
    assert.deepEqual(errors, [])
    assert.ok(sick.seen.some(({ body }) => body.max_tokens === undefined))
    assert.ok(well.seen.every(({ body }) => body.max_tokens !== undefined))
  })

  it('is asked again in the end, and gets its share when it answers', async () => {
    sick.answer((one) => sendJson(one.response, 500, { error: { message: 'no' } }))
    await askMany(30, false)
    const state = () => mill.pool.health.of(sick.url).state
    assert.notEqual(state(), 'closed')
    sick.answer((one) => answerChat(one, ['back']))
    await until(() => state() === 'half-open')
    // How many of them it is tried with follows the time that each takes.
    for (let round = 0; round < 10 && state() !== 'closed'; round++) await askMany(20, false)
    assert.equal(state(), 'closed')
    const before = sick.seen.length
    await askMany(40, false)
    assert.ok(sick.seen.length > before + 5)
  })
})

describe('a model all of whose engines fail', () => {
  it('is not asked much more often than its clients ask', async () => {
    for (const engine of [well, sick]) {
      engine.answer((one) => sendJson(one.response, 503, { error: { message: 'no' } }))
    }
    const { errors, attempts } = await askMany(100, false)
    assert.equal(errors.length, 100)
    // A tenth of them, and twice the eight places.
    assert.ok(attempts <= 100 + 0.1 * attempts + 17, `${attempts} attempts`)
  })

  it('leaves its routes to their next target, also before a request has failed there', async () => {
    mill.setEngine(sick, { models: [{ name: 'other', contextTokens: 2048, toy: false }] })
    mill.models.push({ name: 'other', contextTokens: 2048, createdAtMs: 1, toy: false })
    const targets = [{ model: 'mill' }, { model: 'other', preference: 2 }]
    mill.setRoutes(readDocument({ routes: [{ name: 'mill', targets }] }).routes)
    well.answer((one) => sendJson(one.response, 503, { error: { message: 'no' } }))
    const { texts, errors } = await askMany(40, false)
    assert.deepEqual([texts.length, errors], [40, []])
    assert.ok(well.seen.length < 12, `it was asked ${well.seen.length} times`)
  })
})

describe('an engine that a route asks for by its name', () => {
  const route = (engine: string) =>
    mill.setRoutes(
      readDocument({ routes: [{ name: 'house', targets: [{ model: 'mill', engine }] }] }).routes,
    )
  const ask = (maxWaitMs: number) =>
    client.chat.completions.create(
      { model: 'house', messages },
      { headers: { 'x-gristmill-max-wait-ms': String(maxWaitMs) } },
    )

  it('is waited for while it is spared, and no longer than the request may wait', async () => {
    route(sick.url)
    sick.answer((one) => sendJson(one.response, 500, { error: { message: 'no' } }))
    await askMany(30, false)
    await until(() => mill.pool.health.of(sick.url).state === 'open')
    sick.answer((one) => answerChat(one, ['back']))
    const asked = well.seen.length
    const [waits, gives] = await Promise.all([
      ask(60_000),
      ask(100).catch((error: unknown) => error),
    ])
    assert.equal(waits.choices[0]?.message.content, 'back')
    assert.ok(gives instanceof OpenAI.APIError)
    assert.deepEqual([gives.status, gives.code], [503, 'no_healthy_engine'])
    assert.match(gives.message, /serves house at the moment/)
    assert.equal(well.seen.length, asked, 'nobody else is asked')
  })
})
