/** Requests for routes: where they go, what they carry, and what clients are told of it. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import { answerChat, sendJson, startTestEngine, type TestEngine } from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let own: TestEngine
let other: TestEngine
let client: OpenAI

const serves = (name: string) => ({ models: [{ name, contextTokens: 2048, toy: false }], cap: 2 })

beforeEach(async () => {
  own = await startTestEngine()
  other = await startTestEngine()
  mill = await startTestGateway()
  mill.setEngine(own, serves('mill'))
  mill.setEngine(other, serves('big'))
  mill.models.push({ name: 'big', contextTokens: 4096, createdAtMs: 1, toy: false })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
})
afterEach(async () => {
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  const ids = mill.ledger.settlements.map((one) => one.requestId)
  assert.equal(ids.length, mill.ledger.intents.length, 'every intent is settled')
  await mill.close()
  await own.close()
  await other.close()
})

const routes = (...given: unknown[]) => mill.setRoutes(readDocument({ routes: given }).routes)
const settled = () => until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
const messages = [{ role: 'user' as const, content: 'Hi' }]
const ask = (model: string, more: object = {}, options: object = {}) =>
  client.chat.completions.create({ model, messages, ...more }, options).withResponse()

describe('a request for a route', () => {
  it('goes to its target under the name that the target knows, by name and by alias', async () => {
    routes({ name: 'chat', aliases: ['gpt-4o'], targets: [{ model: 'big' }] })
    for (const name of ['chat', 'gpt-4o']) {
      const { data, response } = await ask(name, { temperature: 0.5, odd_field: [1, { a: 2 }] })
      assert.equal(data.choices[0]?.message.content, 'Hello world')
      assert.equal(response.headers.get('x-gristmill-target'), 'big')
    }
    const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true })
    for await (const chunk of stream) assert.ok(chunk.id)
    assert.equal(own.seen.length, 0)
    for (const { body } of other.seen) assert.equal(body.model, 'big')
    assert.deepEqual(other.seen[0]?.body.odd_field, [1, { a: 2 }], 'what we do not know passes')
    await settled()
    assert.deepEqual(
      new Set(mill.ledger.intents.map(({ model }) => model)),
      new Set(['chat', 'gpt-4o']),
    )
  })

  it('goes where its key is tagged for, whatever it says itself, and chooses among that', async () => {
    routes({
      name: 'chat',
      targets: [
        { model: 'big', when: { keyTags: ['trusted'] } },
        { model: 'mill', preference: 2 },
        { model: 'big', preference: 3, when: { requestTags: ['never-first'] } },
      ],
    })
    const policy = { tags: ['eu', 'trusted'] }
    mill.principals.set('sk-tagged', testPrincipal('tagged', { policy }))
    const targetFor = async (apiKey: string, tags?: string) => {
      const headers = tags === undefined ? {} : { 'x-gristmill-tags': tags }
      const { response } = await ask(
        'chat',
        {},
        { headers: { ...headers, authorization: `Bearer ${apiKey}` } },
      )
      return response.headers.get('x-gristmill-target')
    }
    assert.equal(await targetFor('sk-anna'), 'mill')
    assert.equal(await targetFor('sk-anna', 'trusted, eu'), 'mill', 'a header opens nothing')
    assert.equal(await targetFor('sk-tagged'), 'big')
    assert.equal(await targetFor('sk-tagged', 'eu'), 'big', 'a header closes nothing')
    const wished = { model: 'big', when: { requestTags: ['careful'] } }
    routes({ name: 'chat', targets: [wished, { model: 'mill', preference: 2 }] })
    assert.equal(await targetFor('sk-tagged'), 'mill', 'what its key carries is no wish')
    assert.equal(await targetFor('sk-anna', 'quick,careful'), 'big')
    await assert.rejects(targetFor('sk-anna', 'Careful'), /x-gristmill-tags: it must be up to 16/)
    await settled()
  })

  it('finds a model of the same name behind it, unchanged', async () => {
    routes({ name: 'mill', targets: [{ model: 'mill' }] })
    await ask('mill')
    assert.equal(own.seen.length, 1)
    await settled()
  })

  it('goes where its tenant, class and length are taken', async () => {
    mill.principals.set('sk-bert', testPrincipal('bert'))
    routes({
      name: 'chat',
      targets: [
        { model: 'big', when: { tenants: ['Bert'] } },
        { model: 'big', when: { classes: ['batch'] } },
        { model: 'big', when: { inputTokensMin: 100 } },
        { model: 'mill', preference: 2, when: { classes: ['standard', 'batch'] } },
      ],
    })
    const target = async (more: object, key = 'sk-anna') => {
      const { response } = await client
        .withOptions({ apiKey: key })
        .chat.completions.create({ model: 'chat', messages, ...more })
        .withResponse()
      return response.headers.get('x-gristmill-target')
    }
    assert.equal(await target({}), 'mill')
    assert.equal(await target({}, 'sk-bert'), 'big')
    assert.equal(await target({ service_tier: 'batch' }), 'big')
    const long = [{ role: 'user', content: 'word '.repeat(400) }]
    assert.equal(await target({ messages: long }), 'big')
    const error = await ask('chat', { service_tier: 'flex' }).catch((thrown) => thrown)
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.equal(error.code, 'no_target')
    await settled()
  })

  it('has the defaults of its route where it says nothing itself', async () => {
    const defaults = { temperature: 0.2, max_tokens: 7, stop: ['END'] }
    routes({ name: 'chat', targets: [{ model: 'mill' }], defaults })
    await ask('chat')
    await ask('chat', { temperature: 1, max_completion_tokens: 9 })
    const [first, second] = own.seen.map(({ body }) => body)
    assert.deepEqual([first?.temperature, first?.max_tokens, first?.stop], [0.2, 7, ['END']])
    assert.deepEqual(
      [second?.temperature, second?.max_tokens, second?.max_completion_tokens],
      [1, 9, 9],
    )
    await settled()
    assert.deepEqual(
      mill.ledger.intents.map(({ outputTokensMax }) => outputTokensMax),
      [7, 9],
    )
  })

  it('keeps a bound of its own in the place of the default, whatever its wire calls it', async () => {
    const defaults = { max_tokens: 700 }
    routes({ name: 'chat', targets: [{ model: 'mill' }], defaults })
    const headers = { authorization: 'Bearer sk-anna' }
    const post = async (path: string, body: object) => {
      const given = { method: 'POST', headers, body: JSON.stringify({ model: 'chat', ...body }) }
      assert.equal((await fetch(mill.baseUrl + path, given)).status, 200)
      return own.seen.at(-1)?.body.max_tokens
    }
    assert.equal(await post('/messages', { messages, max_tokens: 5 }), 5)
    assert.equal(await post('/responses', { input: 'Hi', max_output_tokens: 5 }), 5)
    assert.equal(await post('/responses', { input: 'Hi' }), 700)
    // Above the operator's limit it is lowered to that, and to what the context leaves.
    const lowered = await post('/chat/completions', { messages, max_tokens: 100_000 })
    assert.ok(Number(lowered) > 700)
    await settled()
    const [first] = mill.ledger.intents
    assert.equal(first?.outputTokensMax, 5)
  })

  it('reaches its target byte by byte but for the name and the defaults', async () => {
    routes({ name: 'chat', targets: [{ model: 'mill' }], defaults: { min_p: 0.1 } })
    const said = JSON.stringify(messages)
    const asked = (model: string) =>
      `{ "model":"${model}", "seed":12345678901234567890,"messages":${said},"max_tokens":9.0`
    const answer = await fetch(`${mill.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-anna' },
      body: `${asked('chat')} }`,
    })
    assert.equal(answer.status, 200)
    const sent = own.seen[0]?.text ?? ''
    assert.ok(sent.startsWith(`${asked('mill')} ,"min_p":0.1`), sent)
    await settled()
  })

  it('is told the day on which the name ends, and from then on what to ask for instead', async () => {
    const ending = { date: '2999-01-01', successor: 'mill' }
    routes({ name: 'old', targets: [{ model: 'mill' }], deprecation: ending })
    const { response } = await ask('old')
    assert.equal(response.headers.get('sunset'), 'Tue, 01 Jan 2999 00:00:00 GMT')
    assert.equal(response.headers.get('x-gristmill-successor'), 'mill')
    routes({
      name: 'old',
      targets: [{ model: 'mill' }],
      deprecation: { date: '2020-01-01', successor: 'mill' },
    })
    const error = await ask('old').catch((thrown) => thrown)
    assert.ok(error instanceof OpenAI.NotFoundError)
    assert.equal(error.code, 'model_retired')
    assert.match(error.message, /ask for mill instead/)
    await settled()
  })

  it('works at every door', async () => {
    routes({ name: 'chat', targets: [{ model: 'mill' }] })
    const headers = { authorization: 'Bearer sk-anna', 'anthropic-version': '2023-06-01' }
    const post = async (path: string, body: object) => {
      const given = { method: 'POST', headers, body: JSON.stringify({ model: 'chat', ...body }) }
      return (await fetch(mill.baseUrl + path, given)).status
    }
    assert.equal(await post('/messages', { messages, max_tokens: 5 }), 200)
    assert.equal(await post('/messages/count_tokens', { messages }), 200)
    assert.equal(await post('/responses', { input: 'Hi' }), 200)
    assert.deepEqual(new Set(own.seen.map(({ body }) => body.model)), new Set(['mill']))
    await settled()
  })
})

describe('a route whose first target cannot answer', () => {
  const both = { name: 'chat', targets: [{ model: 'mill' }, { model: 'big', preference: 2 }] }

  it('has its requests answered by the next, once, before a byte has come', async () => {
    routes(both)
    for (const fail of ['socket', 'status', 'reject'] as const) {
      own.seen.length = 0
      own.answer((one) => {
        if (fail === 'socket') one.request.socket.destroy()
        else sendJson(one.response, fail === 'status' ? 503 : 401, { error: { message: 'no' } })
      })
      const { data, response } = await ask('chat')
      assert.equal(data.choices[0]?.message.content, 'Hello world')
      assert.equal(response.headers.get('x-gristmill-target'), 'big')
      assert.equal(own.seen.length, 1, fail)
    }
    await settled()
  })

  it('is passed over while no engine serves it', async () => {
    routes(both)
    mill.setEngine(own, serves('mill'), 'down')
    const { response } = await ask('chat')
    assert.equal(response.headers.get('x-gristmill-target'), 'big')
    assert.equal(own.seen.length, 0)
    await settled()
  })

  it('does not hide what is wrong with the request itself', async () => {
    routes(both)
    own.answer((one) => sendJson(one.response, 400, { error: { message: 'bad schema' } }))
    const error = await ask('chat').catch((thrown) => thrown)
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.equal(other.seen.length, 0)
    await settled()
  })

  it('is asked again where it alone takes the request', async () => {
    routes({ name: 'chat', targets: [{ model: 'mill' }] })
    let attempts = 0
    own.answer((one) => {
      if (++attempts === 1) sendJson(one.response, 503, { error: { message: 'loading' } })
      else answerChat(one, ['ready'])
    })
    const { data } = await ask('chat')
    assert.equal(data.choices[0]?.message.content, 'ready')
    await settled()
  })
})

describe('the list of models', () => {
  it('has the routes that a key may use, by their names, before the models', async () => {
    routes({
      name: 'chat',
      aliases: ['gpt-4o'],
      targets: [{ model: 'mill' }, { model: 'big' }],
      deprecation: { date: '2999-01-01' },
    })
    const names = async (key: string) =>
      (await client.withOptions({ apiKey: key }).models.list()).data.map(({ id }) => id)
    assert.deepEqual(await names('sk-anna'), ['chat', 'mill', 'big'])
    mill.principals.set('sk-bert', testPrincipal('bert', { policy: { models: ['chat'] } }))
    assert.deepEqual(await names('sk-bert'), ['chat'])
    const bert = client.withOptions({ apiKey: 'sk-bert' })
    const entry = await bert.models.retrieve('gpt-4o')
    assert.equal((entry as { max_model_len?: number }).max_model_len, 4096)
    await bert.chat.completions.create({ model: 'gpt-4o', messages })
    const refused = await bert.chat.completions
      .create({ model: 'mill', messages })
      .catch((thrown) => thrown)
    assert.equal(refused.code, 'model_not_found', 'what stands behind a route is not thereby open')
    await settled()
  })

  it('has a route that nothing stands behind at the moment, in both wires', async () => {
    routes({ name: 'later', targets: [{ model: 'not-yet' }] })
    for (const version of [{}, { 'anthropic-version': '2023-06-01' }]) {
      const headers = { authorization: 'Bearer sk-anna', ...version }
      const answer = await fetch(`${mill.baseUrl}/models/later`, { headers })
      assert.equal(answer.status, 200)
      const entry = (await answer.json()) as { id: string; created?: number; created_at?: string }
      assert.equal(entry.id, 'later')
      assert.equal(new Date(entry.created_at ?? (entry.created ?? 1) * 1000).getTime(), 0)
    }
  })
})
