/**
 * What is found out about engines of other makes, asked over HTTP. Most of the pages are built from
 * public documentation: `recordings/README.md` says which.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { afterEach, test } from 'node:test'
import { limitTable, systemClock, systemRandom } from '../../base/index.ts'
import { eventually } from '../../base/test-eventually.ts'
import { summaryOf } from '../engine-summary.ts'
import { OpenAiEngine } from '../openai-engine.ts'
import {
  type SeenRequest,
  sendJson,
  startTestEngine,
  type TestEngine,
  usage,
} from '../test-engine.ts'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const recorded = (name: string) =>
  readFileSync(new URL(`../recordings/${name}`, import.meta.url), 'utf8')
const pages = (name: string) => JSON.parse(recorded(name)) as Record<string, unknown>

async function connect(given: Record<string, unknown>, own?: TestEngine) {
  const server = own ?? (await startTestEngine())
  if (own === undefined) open.push(server)
  server.pages.clear()
  for (const [path, page] of Object.entries(given)) server.pages.set(path, page)
  const engine = new OpenAiEngine({
    id: 'eng_1',
    name: 'one',
    url: server.url,
    keys: [],
    service: null,
    capOverride: null,
    modelsFilter: null,
    clock: systemClock,
    random: systemRandom,
    limits: {
      engineFirstByteMsMax: limitTable.engineFirstByteMsMax.default,
      engineIdleMsMax: limitTable.engineIdleMsMax.default,
      engineAnswerMsMax: limitTable.engineAnswerMsMax.default,
      answerBytesMax: limitTable.answerBytesMax.default,
    },
  })
  open.push(engine)
  return { server, engine, profile: await engine.probe(AbortSignal.timeout(5000)) }
}

const loadOf = (engine: OpenAiEngine) => engine.load(AbortSignal.timeout(5000))
const list = (...ids: string[]) => ({ data: ids.map((id) => ({ id, owned_by: 'somebody' })) })

test('SGLang tells its arguments: room, ranks, salt, load of all its parts', async () => {
  const { engine, profile } = await connect({
    '/v1/models': pages('sglang-models.json'),
    '/server_info': pages('sglang-server-info.json'),
    '/metrics': recorded('sglang-metrics.txt'),
  })
  const { kind, version, cap, capMost, express, takesPriority, takesCacheSalt, advice } = profile
  assert.deepEqual([kind, version, cap, capMost, express], ['sglang', '0.5.19', 16, 256, 2])
  assert.deepEqual([takesPriority, takesCacheSalt, advice], [true, true, null])
  assert.deepEqual(profile.models, [{ name: 'qwen3-8b', contextTokens: 40_960, toy: false }])
  const load = { running: 13, waiting: 2, kvUsage: 0.81, preemptions: 5 }
  assert.deepEqual(await loadOf(engine), load)
  assert.equal(
    summaryOf(profile),
    'SGLang 0.5.19, qwen3-8b, 40,960 context, priority scheduling on, cache kept apart by tenant, tells its load',
  )
})

test('SGLang whose highest rank goes first, or whose salt gets lost, is not trusted with either', async () => {
  const info = {
    ...pages('sglang-server-info.json'),
    schedule_low_priority_values_first: false,
    max_running_requests: 4,
    dp_size: 1,
    version: '0.5.9',
  }
  const { profile } = await connect({
    '/v1/models': pages('sglang-models.json'),
    '/get_server_info': info,
  })
  const { cap, capMost, takesPriority, takesCacheSalt, tellsLoad } = profile
  assert.deepEqual([cap, capMost], [4, 4])
  assert.deepEqual([takesPriority, takesCacheSalt, tellsLoad], [false, false, false])
  assert.match(profile.advice ?? '', /--schedule-low-priority-values-first.*--enable-metrics/)
  assert.match(summaryOf(profile), /priority scheduling off, shared cache, tells nothing/)
})

test('Ollama runs one at a time and tells the context of what is loaded', async () => {
  const given = {
    '/v1/models': pages('ollama-models.json'),
    '/api/version': { version: '0.12.6' },
    '/api/ps': { models: [] as unknown[] },
  }
  const { server, engine, profile } = await connect(given)
  assert.deepEqual([profile.kind, profile.version, profile.cap], ['ollama', '0.12.6', 1])
  assert.match(profile.advice ?? '', /OLLAMA_NUM_PARALLEL/)
  const contexts = (models: readonly { contextTokens: number | null }[]) =>
    models.map(({ contextTokens }) => contextTokens)
  assert.deepEqual(contexts(profile.models), [null, null])
  assert.equal(await loadOf(engine), null)
  server.pages.set('/api/ps', pages('ollama-ps.json'))
  const later = await engine.probe(AbortSignal.timeout(5000))
  assert.deepEqual(contexts(later.models), [4096, null])
  assert.equal(
    summaryOf(later),
    'Ollama 0.12.6, gemma3:latest, qwen3:8b, shared cache, tells nothing of its load',
  )
})

const IDLE = 'llamacpp:requests_processing 0\nllamacpp:requests_deferred 0\n'

/** Answers completions as llama.cpp's server with two slots does, by what each has read last. */
function answerBySlot(server: TestEngine, keeps: 'apart' | 'everywhere' | 'not'): void {
  const read: string[] = []
  server.answer(({ body, response }) => {
    const { id_slot: slot, prompt } = body as { id_slot: number; prompt: string }
    const isKept = keeps === 'everywhere' ? read.includes(prompt) : read[slot] === prompt
    if (keeps === 'everywhere') read.push(prompt)
    else if (keeps === 'apart') read[slot] = prompt
    sendJson(response, 200, { choices: [], usage: usage(34, 1, isKept ? 33 : 0) })
  })
}

for (const [keeps, prompts, slots, words] of [
  ['apart', 5, 2, 'prompts kept apart by slot'],
  ['everywhere', 3, undefined, 'keeps no prompts'],
  ['not', 2, undefined, 'keeps no prompts'],
] as const) {
  test(`llama.cpp's server is tried out: it keeps prompts ${keeps}`, async () => {
    const server = await startTestEngine()
    open.push(server)
    answerBySlot(server, keeps)
    const pages = { '/v1/models': list('m'), '/props': { total_slots: 2 }, '/metrics': IDLE }
    const { engine, profile } = await connect(pages, server)
    assert.deepEqual([profile.kind, profile.promptSlots], ['llama.cpp', undefined])
    const found = await eventually('it tells what was found', async () => {
      const { promptSlots, advice, ...rest } = await engine.probe(AbortSignal.timeout(5000))
      const isOver = promptSlots !== undefined || advice !== null || keeps === 'not'
      return server.seen.length === prompts && isOver && { promptSlots, advice, ...rest }
    })
    assert.equal(found.promptSlots, slots)
    assert.equal(/--cache-ram 0/.test(found.advice ?? ''), keeps === 'everywhere')
    assert.match(summaryOf(found), new RegExp(words))
  })
}

test("llama.cpp's server that loads its model is waited for, and not another program", async () => {
  const server = await startTestEngine()
  open.push(server)
  const listed = { '/v1/models': { data: [{ id: 'm', owned_by: 'llamacpp', meta: null }] } }
  const loading = { ...listed, '/health': 503, '/props': 503 }
  await assert.rejects(connect(loading, server), /loads its model/)
  const ready = { ...listed, '/health': { status: 'ok' }, '/props': { total_slots: 9 } }
  const { engine, profile } = await connect(ready, server)
  assert.deepEqual([profile.kind, profile.cap, profile.takesCacheOff], ['llama.cpp', 8, true])
  server.pages.set('/health', 503)
  await assert.rejects(engine.probe(AbortSignal.timeout(5000)), /loads its model/)
  // Behind a proxy that knows no health.
  server.pages.delete('/health')
  assert.equal((await engine.probe(AbortSignal.timeout(5000))).kind, 'llama.cpp')
})

test('TGI tells its bounds and its queue', async () => {
  const { engine, profile } = await connect({
    '/v1/models': list('HuggingFaceTB/SmolLM2-135M-Instruct'),
    '/info': pages('tgi-info.json'),
    '/metrics': recorded('tgi-metrics.txt'),
  })
  const { kind, version, cap, capMost, express, tellsLoad } = profile
  assert.deepEqual([kind, version, cap, capMost, express], ['tgi', '3.3.5', 16, 126, 2])
  assert.deepEqual([tellsLoad, profile.models[0]?.contextTokens], [true, 8192])
  const load = { running: 7, waiting: 3, kvUsage: null, preemptions: null }
  assert.deepEqual(await loadOf(engine), load)
})

test('LM Studio tells contexts of models that are loaded', async () => {
  const { profile } = await connect({
    '/v1/models': list('qwen3-8b', 'gemma-3-4b'),
    '/api/v0/models': pages('lm-studio-models.json'),
  })
  assert.equal(profile.kind, 'lm-studio')
  const contexts = profile.models.map(({ contextTokens }) => contextTokens)
  assert.deepEqual(contexts, [8192, null])
})

test('other endpoints tell what their list of models tells', async () => {
  const context = async (fields: object) => {
    const data = [{ id: 'm', owned_by: 'somebody', ...fields }]
    const { profile } = await connect({ '/v1/models': { data } })
    assert.deepEqual([profile.kind, profile.cap], ['openai', 4])
    return profile.models[0]?.contextTokens
  }
  // Ray Serve; a service that lists others' models; another that lists its own.
  assert.equal(await context({ rayllm_metadata: { max_request_context_length: 4096 } }), 4096)
  assert.equal(await context({ context_length: 128_000 }), 128_000)
  assert.equal(await context({ max_context_length: 32_768 }), 32_768)
  assert.equal(await context({ max_model_len: 'long', meta: 7 }), null)
})

test('an engine that comes back as another program is found out anew', async () => {
  const { server, engine } = await connect({
    '/v1/models': pages('sglang-models.json'),
    '/server_info': pages('sglang-server-info.json'),
  })
  const kindNow = async () => (await engine.probe(AbortSignal.timeout(5000))).kind
  assert.equal(await kindNow(), 'sglang')
  server.pages.clear()
  await assert.rejects(kindNow(), /status 404/)
  server.pages.set('/v1/models', list('m'))
  assert.equal(await kindNow(), 'openai')
})

test('what is stopped stops at the engine, streamed or not', async () => {
  const { server, engine } = await connect({ '/v1/models': list('m') })
  for (const stream of [true, false]) {
    const begun = Promise.withResolvers<SeenRequest>()
    server.answer((seen) => {
      if (stream) seen.response.writeHead(200).write('data: {}\n\n')
      begun.resolve(seen)
    })
    const failed = Promise.withResolvers<Error>()
    const call = engine.dispatch(
      { requestId: 'req_1', path: '/v1/chat/completions', body: '{}', stream },
      {
        head: () => undefined,
        data: () => true,
        end: () => failed.reject(new Error('it ended')),
        fail: failed.resolve,
      },
    )
    const { gone } = await begun.promise
    call.abort()
    assert.match((await failed.promise).message, /stopped/)
    await gone
  }
})
