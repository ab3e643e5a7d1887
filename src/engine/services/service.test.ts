/**
 * Rented services over HTTP: what goes to them and what comes back. The server stands in for them
 * and answers as their public documents say.
 */
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { limitTable, systemClock, systemRandom } from '../../base/index.ts'
import { OpenAiEngine } from '../openai-engine.ts'
import { sendJson, startTestEngine, type TestEngine } from '../test-engine.ts'
import type { RateNews } from '../types.ts'
import type { ServiceName } from './presets.ts'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

interface Rig {
  server: TestEngine
  engine: OpenAiEngine
  news: RateNews[]
}

async function rent(
  name: ServiceName,
  { keys = ['sk-one'], models = ['m'], apiVersion = null as string | null } = {},
): Promise<Rig> {
  const server = await startTestEngine()
  const news: RateNews[] = []
  const engine = new OpenAiEngine({
    id: 'eng_1',
    name: 'rented',
    url: server.url,
    keys: keys.map((secret) => ({ id: `of ${secret}`, secret })),
    service: { name, apiVersion },
    capOverride: null,
    modelsFilter: models,
    clock: systemClock,
    random: systemRandom,
    limits: {
      engineFirstByteMsMax: limitTable.engineFirstByteMsMax.default,
      engineIdleMsMax: limitTable.engineIdleMsMax.default,
      engineAnswerMsMax: limitTable.engineAnswerMsMax.default,
      answerBytesMax: limitTable.answerBytesMax.default,
    },
    onRates: (one) => news.push(one),
  })
  open.push(server, engine)
  return { server, engine, news }
}

interface Answered {
  status: number
  text: string
  error: Error | undefined
}

function ask(
  engine: OpenAiEngine,
  fields: object,
  { path = '/v1/chat/completions', stream = false } = {},
): Promise<Answered> {
  const body = JSON.stringify({ model: 'm', ...fields })
  return new Promise((resolve) => {
    const seen: Answered = { status: 0, text: '', error: undefined }
    engine.dispatch(
      { requestId: 'req_1', path, body, stream },
      {
        head: (status) => {
          seen.status = status
        },
        data: (bytes) => {
          seen.text += Buffer.from(bytes).toString()
          return true
        },
        end: () => resolve(seen),
        fail: (error) => resolve({ ...seen, error }),
      },
    )
  })
}

const messages = [{ role: 'user', content: 'Hello' }]
const listOf = (...ids: string[]) => ({ object: 'list', data: ids.map((id) => ({ id })) })

test('every service has its address, its way to take a key, and its words for fields', async () => {
  const fields = { messages, max_tokens: 7, seed: 3, top_k: 5, service_tier: 'flex', user: 'u' }
  const rest = { model: 'm', messages, user: 'u', seed: 3 }
  const expected: Record<Exclude<ServiceName, 'anthropic'>, [string, string, object]> = {
    openai: [
      '/v1/chat/completions',
      'authorization: Bearer sk-one',
      { ...rest, max_completion_tokens: 7 },
    ],
    azure: [
      '/openai/v1/chat/completions',
      'api-key: sk-one',
      { ...rest, max_completion_tokens: 7 },
    ],
    bedrock: [
      '/openai/v1/chat/completions',
      'authorization: Bearer sk-one',
      { ...rest, max_tokens: 7 },
    ],
    gemini: [
      '/v1beta/openai/chat/completions',
      'authorization: Bearer sk-one',
      { model: 'm', messages, seed: 3, max_tokens: 7 },
    ],
    mistral: [
      '/v1/chat/completions',
      'authorization: Bearer sk-one',
      { model: 'm', messages, random_seed: 3, max_tokens: 7 },
    ],
    openrouter: [
      '/api/v1/chat/completions',
      'authorization: Bearer sk-one',
      { ...rest, max_tokens: 7, top_k: 5 },
    ],
  }
  for (const [name, [path, header, body]] of Object.entries(expected)) {
    const { server, engine } = await rent(name as ServiceName)
    assert.equal((await ask(engine, fields)).status, 200, name)
    const [seen] = server.seen
    const [key = '', value] = header.split(': ')
    assert.equal(seen?.path, path, name)
    assert.equal(seen?.request.headers[key], value, name)
    assert.deepEqual(seen?.body, body, name)
  }
})

test("Azure's addresses by deployment, with their version", async () => {
  const { server, engine } = await rent('azure', { apiVersion: '2024-10-21' })
  await ask(engine, { messages })
  await ask(engine, { input: 'x' }, { path: '/v1/embeddings' })
  assert.deepEqual(
    server.seen.map(({ path }) => path),
    [
      '/openai/deployments/m/chat/completions?api-version=2024-10-21',
      '/openai/deployments/m/embeddings?api-version=2024-10-21',
    ],
  )
  server.pages.set('/openai/models?api-version=2024-10-21', listOf('gpt-base'))
  const profile = await engine.probe(AbortSignal.timeout(5000))
  assert.deepEqual(
    profile.models.map(({ name }) => name),
    ['m'],
  )
})

test('what a model has thought stays with the engine that told it', async () => {
  const { server, engine } = await rent('openai')
  const thought = { role: 'assistant', content: 'Yes', reasoning_content: 'Hm' }
  await ask(engine, { messages: [...messages, thought] })
  assert.deepEqual(server.seen[0]?.body.messages, [
    ...messages,
    { role: 'assistant', content: 'Yes' },
  ])
})

test('a service is known by its list of models, and must have those that are wanted', async () => {
  const { server, engine } = await rent('openrouter', { models: ['a/b'] })
  const list = { data: [{ id: 'a/b', context_length: 128_000 }, { id: 'c/d' }] }
  server.pages.set('/api/v1/models', list)
  const profile = await engine.probe(AbortSignal.timeout(5000))
  const { kind, service, takesPriority, takesCacheSalt } = profile
  assert.deepEqual(
    [kind, service, takesPriority, takesCacheSalt],
    ['service', 'openrouter', false, false],
  )
  assert.deepEqual(profile.models, [{ name: 'a/b', contextTokens: 128_000, toy: false }])
  server.pages.set('/api/v1/models', listOf('c/d'))
  await assert.rejects(engine.probe(AbortSignal.timeout(5000)), /it has no a\/b; it has c\/d/)
})

test("Gemini's list has a folder before its names, which is left out", async () => {
  const { server, engine } = await rent('gemini', { models: ['gemini-x'] })
  server.pages.set('/v1beta/openai/models', listOf('models/gemini-x'))
  const profile = await engine.probe(AbortSignal.timeout(5000))
  assert.equal(profile.models[0]?.name, 'gemini-x')
})

test('keys go in turn; one that is refused rests, and the caller tries again', async () => {
  const { server, engine, news } = await rent('openai', { keys: ['sk-one', 'sk-two'] })
  server.answer(({ request, response }) => {
    const isOld = request.headers.authorization === 'Bearer sk-one'
    response.setHeader('x-ratelimit-limit-requests', '60')
    response.setHeader('x-ratelimit-remaining-requests', '40')
    sendJson(response, isOld ? 401 : 200, isOld ? { error: { message: 'no' } } : { ok: true })
  })
  const first = await ask(engine, { messages })
  assert.match(first.error?.message ?? '', /refused a key/)
  assert.deepEqual([first.status, engine.restOf('of sk-one')], [0, 'refused'])
  for (let i = 0; i < 3; i++) assert.equal((await ask(engine, { messages })).status, 200)
  assert.deepEqual(
    news.map(({ keyId }) => keyId),
    ['of sk-one', 'of sk-two', 'of sk-two', 'of sk-two'],
  )
  assert.equal(news[1]?.report?.requests?.remaining, 40)
  assert.deepEqual(news[1]?.keyIds, ['of sk-one', 'of sk-two'])
})

test('new keys count from the next request on, while an older one is still answered', async () => {
  const { server, engine } = await rent('openai')
  const held: (() => void)[] = []
  server.answer(({ response }) => held.push(() => sendJson(response, 200, { ok: true })))
  const before = ask(engine, { messages })
  while (held.length < 1) await systemClock.sleep(5)
  engine.setKeys([{ id: 'k2', secret: 'sk-two' }])
  const after = ask(engine, { messages })
  while (held.length < 2) await systemClock.sleep(5)
  for (const go of held) go()
  assert.deepEqual([(await before).status, (await after).status], [200, 200])
  assert.deepEqual(
    server.seen.map(({ request }) => request.headers.authorization),
    ['Bearer sk-one', 'Bearer sk-two'],
  )
})

test('an engine of the Messages wire is asked in it and answers in ours', async () => {
  const { server, engine } = await rent('anthropic')
  const message = {
    type: 'message',
    id: 'msg_1',
    model: 'm',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 1 },
  }
  server.answer(({ response }) => sendJson(response, 200, message))
  const { text } = await ask(engine, { messages, max_tokens: 9 })
  const answer = JSON.parse(text) as { choices: { message: object }[]; usage: object }
  assert.deepEqual(answer.choices[0]?.message, { role: 'assistant', content: 'Hi' })
  const [seen] = server.seen
  assert.equal(seen?.path, '/v1/messages')
  assert.equal(seen?.request.headers['x-api-key'], 'sk-one')
  assert.equal(seen?.request.headers['anthropic-version'], '2023-06-01')
  assert.deepEqual(seen?.body, {
    model: 'm',
    max_tokens: 9,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
  })
  const refused = await ask(engine, { messages, n: 2 })
  assert.equal(refused.status, 400)
  assert.match(refused.text, /n is not supported here: the service gives one answer/)
  assert.equal((await ask(engine, { input: 'x' }, { path: '/v1/embeddings' })).status, 400)
  assert.equal(server.seen.length, 1, 'what it cannot do is not asked')
})

test('a prompt is counted by the service itself where it counts', async () => {
  const { server, engine } = await rent('anthropic')
  server.answer(({ response }) => sendJson(response, 200, { input_tokens: 14 }))
  const chat = { model: 'm', messages, stream: true }
  assert.equal(await engine.countTokens(chat, AbortSignal.timeout(5000)), 14)
  assert.equal(server.seen[0]?.path, '/v1/messages/count_tokens')
  assert.deepEqual(Object.keys(server.seen[0]?.body ?? {}), ['model', 'messages'])
  const other = await rent('openai')
  assert.equal(await other.engine.countTokens(chat, AbortSignal.timeout(5000)), null)
})
