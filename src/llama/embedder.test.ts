import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLogger } from '../base/index.ts'
import { Embedder } from './embedder.ts'
import { loadModel, openSequences } from './loaded-model.ts'
import type { Runner } from './runner.ts'
import { startToyEngine, user } from './toy-engine.fixture.ts'
import { writeToyModel } from './toy-model.ts'

const text = 'the miller writes every sack in a book '.repeat(20)

test('an input computed in pieces has the vector that it has as a whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedder-'))
  const path = join(folder, 'toy.gguf')
  await writeToyModel(path, { kind: 'random', seed: 1, contextTokens: 2048 })
  const logger = createLogger('error', 'engine')
  const { model } = await loadModel(path, { name: 'toy', gpu: 'off', logger })
  const tokens = model.tokenize(text)
  const vectors = []
  for (const pieceTokens of [16, 1024]) {
    const embedder = new Embedder(model, { contextTokens: 1024, threads: 1, pieceTokens })
    assert.ok(embedder.worksInPieces)
    vectors.push(await embedder.embed([...tokens]))
    await embedder.close()
  }
  const [pieces, whole] = vectors as [Float32Array, Float32Array]
  const cosine = pieces.reduce((sum, value, i) => sum + value * (whole[i] ?? 0), 0)
  assert.ok(cosine > 0.9999, `${cosine}`)
  await model.dispose()
  await rm(folder, { recursive: true })
})

test('beside streams an input is computed by as many threads as alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedder-'))
  const path = join(folder, 'toy.gguf')
  await writeToyModel(path, { kind: 'random', seed: 1, contextTokens: 2048 })
  const logger = createLogger('error', 'engine')
  const loaded = await loadModel(path, { name: 'toy', gpu: 'off', logger })
  const { model, llama } = loaded
  const threads = llama.maxThreads
  const sizes = { sequences: 1, contextTokens: 1024, batchTokens: 256 }
  const { runners, close } = await openSequences(loaded, {
    ...sizes,
    threads: { few: threads, all: threads },
    onSampler: () => {},
    logger,
  })
  const read = async (runner: Runner) => {
    for (let times = 0; times < 3; times++) await runner.read([...tokens])
  }
  const used: number[] = []
  const create = model.createContext.bind(model)
  model.createContext = async (options) => {
    const context = await create(options)
    const { _ctx: native } = context as unknown as { _ctx: { setThreads(count: number): void } }
    const set = native.setThreads.bind(native)
    const value = (count: number) => {
      used.push(count)
      set(count)
    }
    Object.defineProperty(native, 'setThreads', { value })
    return context
  }
  const embedder = new Embedder(model, { contextTokens: 1024, threads })
  // More threads than this machine may have wait for each other: a few tokens have to do.
  const tokens = model.tokenize(text).slice(0, 70)
  await embedder.embed(tokens.slice(0, 1))
  used.length = 0
  await Promise.all([embedder.embed([...tokens]), ...runners.map(read)])
  assert.ok(used.length > 1)
  assert.deepEqual(new Set(used), new Set([threads]))
  await embedder.close()
  await close()
  await model.dispose()
  await rm(folder, { recursive: true })
})

test('a context for which there was no memory is made when it is asked for again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedder-'))
  const path = join(folder, 'toy.gguf')
  await writeToyModel(path, { kind: 'random', seed: 1, contextTokens: 2048 })
  const logger = createLogger('error', 'engine')
  const { model } = await loadModel(path, { name: 'toy', gpu: 'off', logger })
  const create = model.createEmbeddingContext.bind(model)
  model.createEmbeddingContext = () => Promise.reject(new Error('no memory'))
  const embedder = new Embedder(model, { contextTokens: 1024, threads: 1 })
  const tokens = model.tokenize(text)
  await assert.rejects(embedder.embed([...tokens]), /no memory/)
  model.createEmbeddingContext = create
  assert.ok((await embedder.embed([...tokens])).length > 0)
  await embedder.close()
  await model.dispose()
  await rm(folder, { recursive: true })
})

test('a running stream takes its steps while long inputs are embedded', async () => {
  const engine = await startToyEngine('random')
  let events = 0
  let atStart = 0
  let atEnd = 0
  let embedded: Promise<void> | undefined
  const embed = async () => {
    atStart = events
    const input = Array.from({ length: 4 }, (_, i) => `${i} ${text.repeat(3)}`)
    assert.equal((await engine.post('/v1/embeddings', { input })).status, 200)
    atEnd = events
  }
  const onEvent = () => {
    if (++events === 5) embedded = embed()
  }
  const body = { ...user('x'), max_tokens: 1500, ignore_eos: true }
  try {
    await engine.stream('/v1/chat/completions', body, { onEvent })
    await embedded
  } finally {
    await engine.stop()
  }
  // Computed whole they would leave a step or two between one input and the next.
  assert.ok(atEnd - atStart > 12, `${atEnd - atStart} events`)
})

test('a request whose inputs are embedded is one that runs', async () => {
  const engine = await startToyEngine('random')
  const running = async () => {
    const { body } = await engine.get('/metrics')
    return Number(/gristmill:num_requests_running (\d+)/.exec(body)?.[1])
  }
  try {
    const input = Array.from({ length: 16 }, (_, i) => `${i} ${text.repeat(3)}`)
    let isDone = false
    const embedded = engine.post('/v1/embeddings', { input }).finally(() => {
      isDone = true
    })
    let most = 0
    while (!isDone) most = Math.max(most, await running())
    assert.equal((await embedded).status, 200)
    assert.equal(most, 1)
    assert.equal(await running(), 0)
  } finally {
    await engine.stop()
  }
})
