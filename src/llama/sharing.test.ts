import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../base/index.ts'
import { startToyEngine, type ToyEngine, textOf, user } from './toy-engine.fixture.ts'

const CHAT = '/v1/chat/completions'
let engine: ToyEngine
before(async () => {
  // Random weights: what an answer says depends on every token before it.
  engine = await startToyEngine('random')
})
after(() => engine.stop())

const story = (topic: string) => user(`${topic} `.repeat(60))
const cachedOf = (body: { usage: { prompt_tokens_details: { cached_tokens: number } } }) =>
  body.usage.prompt_tokens_details.cached_tokens

test('a repeated prompt is reused within its cache salt and never across', async () => {
  const body = { ...story('river'), max_tokens: 4 }
  const first = await engine.post(CHAT, { ...body, cache_salt: 'a' })
  assert.equal(cachedOf(first.body), 0)
  const again = await engine.post(CHAT, { ...body, cache_salt: 'a' })
  assert.equal(cachedOf(again.body), again.body.usage.prompt_tokens - 1)
  const other = await engine.post(CHAT, { ...body, cache_salt: 'b' })
  assert.equal(cachedOf(other.body), 0)
  const none = await engine.post(CHAT, body)
  assert.equal(cachedOf(none.body), 0)
})

test('reuse does not change the answer', async () => {
  const body = { ...story('wheel'), temperature: 0, max_tokens: 24, ignore_eos: true }
  const fresh = await engine.post(CHAT, { ...body, cache_salt: 'fresh' })
  const reused = await engine.post(CHAT, { ...body, cache_salt: 'fresh' })
  assert.ok(cachedOf(reused.body) > 0)
  const { content } = fresh.body.choices[0].message
  assert.equal(reused.body.choices[0].message.content, content)
})

test('a client that goes frees its slot, and the next answer there is right', async () => {
  const body = { ...user('count'), temperature: 0, max_tokens: 16, ignore_eos: true }
  const expected = textOf(await engine.stream(CHAT, body))
  for (let round = 0; round < 8; round++) {
    const gone = Array.from({ length: 4 }, async (_, i) => {
      const client = new AbortController()
      let events = 0
      const onEvent = () => ++events === 2 + i + round && client.abort()
      const long = { ...story(`noise ${i}`), max_tokens: 900, ignore_eos: true }
      await assert.rejects(engine.stream(CHAT, long, { signal: client.signal, onEvent }))
    })
    await Promise.all(gone)
    assert.equal(textOf(await engine.stream(CHAT, body)), expected)
  }
  assert.match((await engine.get('/metrics')).body, /num_requests_running 0\n/)
})

test('the counts of an aborted request can be asked by its id, and cover what was received', async () => {
  const client = new AbortController()
  let received = 0
  const onEvent = () => ++received === 10 && client.abort()
  const headers = { 'x-request-id': 'gone-1' }
  const body = { ...user('x'), max_tokens: 1500, ignore_eos: true }
  await assert.rejects(engine.stream(CHAT, body, { signal: client.signal, onEvent, headers }))
  for (;;) {
    const { body: counts } = await engine.get('/v1/requests/gone-1')
    if (counts.state === 'running') continue
    assert.equal(counts.end, 'aborted')
    assert.ok(counts.completion_tokens >= 9 && counts.completion_tokens < 1500)
    assert.ok(counts.prompt_tokens > 0)
    break
  }
  assert.equal((await engine.get('/v1/requests/never')).status, 404)
})

test('a running request shows its counts and can be cancelled; its stream ends with an error', async () => {
  const headers = { 'x-request-id': 'cancel-me' }
  let cancelled: Promise<unknown> | undefined
  let running: { state: string; completion_tokens: number } | undefined
  const cancel = async () => {
    running = (await engine.get('/v1/requests/cancel-me')).body
    await engine.post('/v1/requests/cancel-me/cancel', {})
  }
  const onEvent = () => {
    cancelled ??= cancel()
  }
  const body = { ...user('x'), max_tokens: 1900, ignore_eos: true }
  const events = await engine.stream(CHAT, body, { headers, onEvent })
  await cancelled
  assert.equal(running?.state, 'running')
  assert.equal(events.at(-1).error.code, 'engine_failed')
})

test('when all slots are taken the best rank goes first, then the order of arrival', async () => {
  const done: string[] = []
  const ask = async (name: string, priority: number) => {
    await engine.post(CHAT, { ...user(name), max_tokens: 60, ignore_eos: true, priority })
    done.push(name)
  }
  const blockers = [1, 2, 3, 4].map(() =>
    engine.post(CHAT, { ...user('block'), max_tokens: 1200, ignore_eos: true, priority: 0 }),
  )
  await running(4)
  const rest = []
  for (const [i, [name, priority]] of (
    [
      ['late', 5],
      ['later', 9],
      ['early', 1],
    ] as const
  ).entries()) {
    rest.push(ask(name, priority))
    await waiting(i + 1)
  }
  await Promise.all([...blockers, ...rest])
  assert.equal(done[0], 'early')
  assert.equal(done.at(-1), 'later')
})

test('usage, metrics and model list agree on what was done', async () => {
  const count = async (name: string) => {
    const { body } = await engine.get('/metrics')
    return Number(new RegExp(`gristmill:${name} (\\d+)`).exec(body)?.[1])
  }
  const before = [await count('prompt_tokens_total'), await count('generation_tokens_total')]
  const { body } = await engine.post(CHAT, { ...user('x'), max_tokens: 7, ignore_eos: true })
  assert.equal((await count('prompt_tokens_total')) - (before[0] ?? 0), body.usage.prompt_tokens)
  assert.equal((await count('generation_tokens_total')) - (before[1] ?? 0), 7)
  assert.equal(await count('slots'), 4)
  const models = await engine.get('/v1/models')
  assert.equal(models.body.data[0].max_model_len, 2048)
  assert.equal(models.body.data[0].meta.slots, 4)
  assert.deepEqual((await engine.get('/health')).body, { status: 'ok' })
})

test('metrics tell what was read and how many sequences shared the steps that wrote', async () => {
  const count = async (name: string) => {
    const { body } = await engine.get('/metrics')
    const line = (body as string).split('\n').find((one) => one.startsWith(`gristmill:${name} `))
    return Number(line?.split(' ')[1] ?? 0)
  }
  const names = ['read_tokens_total', 'read_pieces_total', 'passes_total{sequences="1"}']
  const before = await Promise.all(names.map(count))
  const { body } = await engine.post(CHAT, { ...user('a word'), max_tokens: 7, ignore_eos: true })
  const after = await Promise.all(names.map(count))
  const [tokens = 0, pieces = 0, passes] = after.map((value, i) => value - (before[i] ?? 0))
  const { prompt_tokens: prompt, prompt_tokens_details: details } = body.usage
  assert.equal(tokens, prompt - details.cached_tokens)
  assert.ok(pieces >= 1 && pieces <= tokens, `${pieces}`)
  // The first token comes with the prompt.
  assert.equal(passes, 6)
  assert.ok((await count('read_seconds_total')) > 0)
  assert.ok((await count('pass_seconds_total{sequences="1"}')) > 0)
  assert.ok((await count('enough_streams')) >= 1)
})

async function counts(name: string): Promise<number> {
  const { body } = await engine.get('/metrics')
  return Number(new RegExp(`gristmill:num_requests_${name} (\\d+)`).exec(body)?.[1])
}

async function running(number: number): Promise<void> {
  while ((await counts('running')) < number) await systemClock.sleep(2)
}

async function waiting(number: number): Promise<void> {
  while ((await counts('waiting')) < number) await systemClock.sleep(2)
}
