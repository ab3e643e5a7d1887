/** Guards through the official clients: what they stop, what they change, and what is booked. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  sendJson,
  startTestEngine,
  type TestEngine,
  usage,
} from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let engine: TestEngine
let client: OpenAI
let claude: Anthropic
let service: Server
/** What the service that guards ask says; null: nothing at all. */
let verdict: ((question: { texts: string[] }) => object) | null
const asked: { guard: string; when: string; tenant: string; texts: string[] }[] = []

before(async () => {
  mill = await startTestGateway({ addresses: ['127.0.0.1'], limits: { answerBytesMax: 20_000 } })
  engine = await startTestEngine()
  mill.setEngine(engine)
  mill.principals.set('sk-ben', testPrincipal('ben'))
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  claude = new Anthropic({ baseURL: mill.url, apiKey: 'sk-anna', maxRetries: 0 })
  service = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      const question = JSON.parse(body)
      asked.push(question)
      if (verdict !== null) response.end(JSON.stringify(verdict(question)))
    })
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
})
after(async () => {
  service.closeAllConnections()
  service.close()
  await mill.close()
  await engine.close()
})
afterEach(async () => {
  await settled()
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  const ids = mill.ledger.settlements.map(({ requestId }) => requestId)
  assert.equal(new Set(ids).size, ids.length, 'nothing is settled twice')
  mill.ledger.intents.length = mill.ledger.settlements.length = 0
  engine.seen.length = asked.length = 0
})

const settled = () => until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
const last = () => mill.ledger.settlements.at(-1)
const guard = (...guards: object[]) =>
  mill.setRoutes([], readDocument({ routes: [], guards }).guards)
const pattern = (changes: object) => {
  return {
    name: 'words',
    kind: 'pattern',
    when: 'before',
    patterns: ['(?i)secret-\\d+'],
    ...changes,
  }
}
const urlOf = () => `http://127.0.0.1:${(service.address() as AddressInfo).port}/`
const http = (changes: object) => {
  return {
    name: 'asks',
    kind: 'http',
    when: 'before',
    url: urlOf(),
    onFailure: 'closed',
    ...changes,
  }
}
const says = (...pieces: string[]) => engine.answer((one) => answerChat(one, pieces))
const ask = (content: string, by = client) =>
  by.chat.completions.create({ model: 'mill', messages: [{ role: 'user', content }] })
const stream = async (content = 'Hello') => {
  const events = await client.chat.completions.create({
    model: 'mill',
    messages: [{ role: 'user', content }],
    stream: true,
  })
  const texts: string[] = []
  let reason: string | null = null
  for await (const { choices } of events) {
    texts.push(choices[0]?.delta.content ?? '')
    reason = choices[0]?.finish_reason ?? reason
  }
  return { texts: texts.filter((text) => text !== ''), reason }
}
const codeOf = async (attempt: PromiseLike<unknown>) => {
  const error: unknown = await Promise.resolve(attempt).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof OpenAI.APIError, String(error))
  return [error.status, error.code]
}
const shown = () => engine.seen.map(({ body }) => body.messages)

test('what is refused before is not booked, and told without what was found', async () => {
  guard(pattern({ tenants: ['anna'] }))
  const error = await ask('my Secret-77').then(
    () => assert.fail('it passed'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof OpenAI.BadRequestError)
  assert.equal(error.code, 'guard_refused')
  assert.match(error.message, /words/)
  assert.doesNotMatch(JSON.stringify(error.error), /77/)
  const message = {
    model: 'mill',
    max_tokens: 9,
    messages: [{ role: 'user' as const, content: [] }],
  }
  const blocks = [{ type: 'text' as const, text: 'and secret-1' }]
  await assert.rejects(
    Promise.resolve(
      claude.messages.create({ ...message, messages: [{ role: 'user', content: blocks }] }),
    ),
    (thrown) => thrown instanceof Anthropic.BadRequestError && /guard words/.test(thrown.message),
  )
  assert.deepEqual(await codeOf(client.responses.create({ model: 'mill', input: 'secret-1' })), [
    400,
    'guard_refused',
  ])
  const embedding = client.embeddings.create({ model: 'mill', input: ['a', 'secret-1'] })
  assert.deepEqual(await codeOf(embedding), [400, 'guard_refused'])
  const tokens = client.embeddings.create({ model: 'mill', input: [1, 2] })
  assert.deepEqual(await codeOf(tokens), [400, 'invalid_value'])
  assert.equal(mill.ledger.intents.length, 0)
  says('fine')
  const ben = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-ben', maxRetries: 0 })
  assert.equal((await ask('my secret-77', ben)).choices[0]?.message.content, 'fine')
  await settled()
  assert.equal(last()?.guards, undefined)
})

test('what is redacted before goes to the engine without it, from every door', async () => {
  guard({ name: 'no-pii', kind: 'pii', when: 'before', action: 'redact' })
  says('fine')
  const call = { name: 'mail', arguments: '{"to":"a@b.de","card":4111111111111111,"n":1}' }
  await client.chat.completions.create({
    model: 'mill',
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'I am bob@example.org' }] },
      { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function', function: call }] },
      { role: 'tool', tool_call_id: 'c1', content: 'sent' },
    ],
  })
  await claude.messages.create({
    model: 'mill',
    max_tokens: 9,
    system: 'Write to bob@example.org',
    messages: [{ role: 'user', content: 'Now' }],
  })
  await settled()
  const [chat, message] = shown() as { content: unknown; tool_calls?: { function: unknown }[] }[][]
  assert.deepEqual(chat?.[0]?.content, [{ type: 'text', text: 'I am [EMAIL]' }])
  assert.deepEqual(chat?.[1]?.tool_calls?.[0]?.function, {
    name: 'mail',
    arguments: '{"to":"[EMAIL]","card":"[CARD]","n":1}',
  })
  assert.equal(message?.[0]?.content, 'Write to [EMAIL]')
  assert.deepEqual(last()?.guards, [{ name: 'no-pii', outcome: 'redacted' }])
})

test('an answer is redacted as it streams, and whole the same', async () => {
  guard({ name: 'no-pii', kind: 'pii', when: 'after', action: 'redact' })
  says('Write ', 'to bob@', 'example', '.org, ', 'please')
  assert.equal((await ask('Whom?')).choices[0]?.message.content, 'Write to [EMAIL], please')
  const { texts, reason } = await stream()
  assert.equal(texts.join(''), 'Write to [EMAIL], please')
  assert.ok(texts.length > 2, 'it is not held to its end')
  assert.equal(reason, 'stop')
  const events = claude.messages.stream({
    model: 'mill',
    max_tokens: 9,
    messages: [{ role: 'user', content: 'Whom?' }],
  })
  assert.equal(await events.finalText(), 'Write to [EMAIL], please')
  await settled()
  assert.deepEqual(last()?.guards, [{ name: 'no-pii', outcome: 'redacted' }])
  assert.equal(last()?.end, 'done')
})

test('embeddings have no texts that a guard could look at in their answer', async () => {
  guard({ name: 'no-pii', kind: 'pii', when: 'after', action: 'redact' }, http({ when: 'after' }))
  engine.answer((one) =>
    sendJson(one.response, 200, { data: [{ index: 0, embedding: [0.5] }], usage: usage(3, 0) }),
  )
  const { data } = await client.embeddings.create({
    model: 'mill',
    input: 'a@b.de',
    encoding_format: 'float',
  })
  assert.deepEqual(data[0]?.embedding, [0.5])
  await settled()
  assert.deepEqual([last()?.end, last()?.inputTokens, last()?.guards], ['done', 3, []])
})

test('what was thought goes out before the answer begins, though a match was awaited', async () => {
  guard({ name: 'no-pii', kind: 'pii', when: 'after', action: 'redact' })
  engine.answer((one) => {
    beginStream(one.response)
    const delta = (said: object, finish_reason: string | null = null) =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: said, finish_reason }] })}\n\n`
    const thought = [{ reasoning_content: 'mail bob@' }, { reasoning_content: 'example.org' }]
    const said = [{ content: 'Ask ' }, { content: 'bob@example.org' }]
    const pieces = [...thought, ...said].map((one) => delta(one))
    one.response.end(`${pieces.join('')}${delta({}, 'stop')}data: [DONE]\n\n`)
  })
  const message = await claude.messages
    .stream({ model: 'mill', max_tokens: 9, messages: [{ role: 'user', content: 'Whom?' }] })
    .finalMessage()
  assert.deepEqual(
    message.content.map((one) =>
      one.type === 'text' ? one.text : one.type === 'thinking' && one.thinking,
    ),
    ['mail [EMAIL]', 'Ask [EMAIL]'],
  )
})

test('a refused answer ends as the wire has it, and the engine need not go on', async () => {
  guard(pattern({ when: 'after' }))
  let isCut = false
  engine.answer((one) => {
    beginStream(one.response)
    one.response.on('close', () => (isCut = true))
    one.response.write(chatFrames(one, ['It is ', 'secret', '-12 ']).slice(0, -2).join(''))
  })
  const { texts, reason } = await stream()
  assert.deepEqual([texts.join(''), reason], ['It is ', 'content_filter'])
  await until(() => isCut)
  const message = await claude.messages
    .stream({ model: 'mill', max_tokens: 9, messages: [{ role: 'user', content: 'Tell' }] })
    .finalMessage()
  assert.equal(message.stop_reason, 'refusal')
  const response = await client.responses.stream({ model: 'mill', input: 'Tell' }).finalResponse()
  assert.equal(response.incomplete_details?.reason, 'content_filter')
  await settled()
  for (const row of mill.ledger.settlements) {
    assert.deepEqual([row.end, row.group, row.outputTokens > 0], ['refused', 'cut', true])
    assert.deepEqual(row.guards, [{ name: 'words', outcome: 'refused' }])
  }
  says('It is ', 'secret-12')
  const { choices, usage } = await ask('Tell')
  assert.deepEqual([choices[0]?.message.content, choices[0]?.finish_reason], ['', 'content_filter'])
  await settled()
  assert.deepEqual([last()?.end, last()?.outputTokens], ['done', usage?.completion_tokens])
})

test('a schema is checked on the whole answer, before a word of it goes out', async () => {
  guard({ name: 'form', kind: 'schema', schema: { type: 'object', required: ['n'] } })
  says('{"n"', ':1}')
  assert.deepEqual(await stream(), { texts: ['{"n":1}'], reason: 'stop' })
  says('{"m"', ':1}')
  assert.deepEqual(await stream(), { texts: [], reason: 'content_filter' })
  assert.equal((await ask('Now')).choices[0]?.finish_reason, 'content_filter')
  says(...Array.from({ length: 200 }, () => 'a'))
  await assert.rejects(stream(), /more than 20000 bytes/)
})

test('a service is asked before and after, and its word holds', async () => {
  guard(http({}), http({ name: 'asks-after', when: 'after' }))
  says('An ', 'answer')
  verdict = ({ texts }) =>
    texts.includes('An answer')
      ? { verdict: 'redact', texts: texts.map((text) => text.toUpperCase()) }
      : { verdict: texts.includes('bad') ? 'refuse' : 'pass' }
  assert.equal((await ask('good')).choices[0]?.message.content, 'AN ANSWER')
  assert.deepEqual(await stream('good'), { texts: ['AN ANSWER'], reason: 'stop' })
  assert.deepEqual(
    asked.map((one) => [one.guard, one.when, one.tenant, one.texts.join()]).slice(0, 2),
    [
      ['asks', 'before', 'anna', 'good'],
      ['asks-after', 'after', 'anna', 'An answer'],
    ],
  )
  assert.deepEqual(await codeOf(ask('bad')), [400, 'guard_refused'])
  await settled()
  assert.equal(mill.ledger.intents.length, 2)
  assert.equal(
    last()
      ?.guards?.map(({ outcome }) => outcome)
      .join(),
    'passed,redacted',
  )
})

test('a service that does not answer lets pass or stops, as its guard says', async () => {
  says('fine')
  verdict = null
  guard(http({ timeoutMs: 30 }))
  assert.deepEqual(await codeOf(ask('good')), [503, 'guard_unavailable'])
  guard(http({ timeoutMs: 30, onFailure: 'open' }))
  assert.equal((await ask('good')).choices[0]?.message.content, 'fine')
  await settled()
  assert.deepEqual(last()?.guards, [{ name: 'asks', outcome: 'failed_open' }])
  verdict = () => ({ verdict: 'perhaps' })
  guard(http({ when: 'after' }))
  assert.deepEqual(await codeOf(ask('good')), [503, 'guard_unavailable'])
  await settled()
  assert.deepEqual(
    [last()?.end, last()?.outputTokens, last()?.guards?.[0]?.outcome],
    ['refused', 1, 'failed_closed'],
  )
})

test('an answer that is whole is paid for, though its client leaves while it is looked at', async () => {
  guard(http({ when: 'after', timeoutMs: 30_000 }))
  says('An ', 'answer')
  verdict = null
  for (const stream of [false, true]) {
    const leaving = new AbortController()
    const asking = client.chat.completions
      .create(
        { model: 'mill', messages: [{ role: 'user', content: 'Hi' }], stream },
        { signal: leaving.signal },
      )
      .then(() => leaving.signal)
      .catch((error) => error)
    await until(() => asked.length === 1)
    leaving.abort()
    await asking
    await until(() => mill.ledger.settlements.length === 1)
    const { end, outputTokens, estimated } = last() ?? {}
    assert.deepEqual([end, outputTokens, estimated], ['client_gone', 2, false], `stream ${stream}`)
    mill.ledger.intents.length = mill.ledger.settlements.length = asked.length = 0
  }
})

test('no guard asks an address inside, nor without HTTPS', async () => {
  for (const url of ['https://10.0.0.1/', 'https://[::1]/', 'http://93.184.216.34/']) {
    guard(http({ url }))
    assert.deepEqual(await codeOf(ask('good')), [503, 'guard_unavailable'], url)
  }
  assert.equal(mill.ledger.intents.length, 0)
})
