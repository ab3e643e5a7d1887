/** Engines that operators add: detection, health, drain, secrets, over a real database. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import {
  createLogger,
  type Limits,
  type Logger,
  limitTable,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { EngineRegistry } from './engine-registry.ts'
import type { EngineRegistryOptions } from './engine-registry-types.ts'
import { gristmillModels, sendJson, startTestEngine, type TestEngine } from './test-engine.ts'

const limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits

let database: TestDatabase
const open: { close(): Promise<unknown> }[] = []

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await database.reset()
})

function newRegistry(
  secretKey: Uint8Array = Buffer.alloc(32, 1),
  more: Partial<EngineRegistryOptions> = {},
): EngineRegistry {
  const registry = new EngineRegistry({
    database,
    clock: systemClock,
    random: systemRandom,
    logger: createLogger('silent', 'test'),
    limits,
    secretKey,
    ...more,
  })
  open.push(registry)
  return registry
}

async function newEngine(port?: number): Promise<TestEngine> {
  const engine = await startTestEngine(port === undefined ? {} : { port })
  open.push(engine)
  return engine
}

function statesOf(registry: EngineRegistry): string[] {
  const states: string[] = []
  registry.listen({
    changed: (_engine, _profile, state) => states.push(state),
    removed: () => states.push('removed'),
  })
  return states
}

test('an engine is added by its address alone and known again after a restart', async () => {
  const engine = await newEngine()
  engine.pages.set('/v1/models', gristmillModels('mill', 8, 2))
  const first = newRegistry()
  const id = await first.add({ url: `${engine.url}/`, name: 'one', apiKey: 'sk-secret' })
  assert.equal(first.find('mill')?.contextTokens, 2048)
  await first.close()

  const [row] = await database.sql`select sealed from engine_keys`
  assert.equal(Buffer.from(row?.sealed as Uint8Array).includes('sk-secret'), false)

  const second = newRegistry()
  const seen: string[] = []
  second.listen({
    changed: ({ id: one }, { kind, cap, express }, state) =>
      seen.push(`${one === id} ${kind} ${cap} ${express} ${state}`),
    removed: () => {},
  })
  await second.start()
  assert.equal(seen.at(-1), 'true gristmill 8 2 up')
})

test('the stored API key goes to the engine, and opens only with the secret of its home', async () => {
  const engine = await newEngine()
  await newRegistry().add({ url: engine.url, apiKey: 'sk-secret' })
  await assert.rejects(newRegistry(Buffer.alloc(32, 2)).start(), { code: 'invalid_config' })
})

test('what does not answer, or is known already, is refused with the reason', async () => {
  const engine = await newEngine()
  const registry = newRegistry()
  await registry.add({ url: engine.url, name: 'one' })
  await assert.rejects(registry.add({ url: engine.url, name: 'two' }), { code: 'conflict' })
  const port = new URL(engine.url).port
  await assert.rejects(registry.add({ url: `http://localhost:${port}`, name: 'ONE' }), {
    code: 'conflict',
  })
  await assert.rejects(registry.add({ url: 'http://127.0.0.1:1' }), { code: 'engine_unreachable' })
  await assert.rejects(registry.add({ url: 'ftp://example.org' }), { code: 'invalid_value' })
  await assert.rejects(registry.add({ url: 'http://a:b@example.org' }), { code: 'invalid_value' })
})

test('an engine that goes is taken out, its models stay known, and it comes back by itself', async () => {
  const engine = await newEngine()
  const registry = newRegistry()
  await registry.add({ url: engine.url })
  const states = statesOf(registry)
  await engine.close()
  await until(() => states.at(-1) === 'down')
  assert.equal(registry.find('mill')?.name, 'mill')
  await newEngine(Number(new URL(engine.url).port))
  await until(() => states.at(-1) === 'up')
})

test('draining survives a restart, and removing forgets', async () => {
  const engine = await newEngine()
  const registry = newRegistry()
  const id = await registry.add({ url: engine.url })
  await registry.drain(id)
  await registry.close()
  const next = newRegistry()
  await next.start()
  const states = statesOf(next)
  assert.deepEqual(states, ['draining'])
  await next.drain(id, false)
  assert.equal(states.at(-1), 'up')
  const forgotten: string[] = []
  const forget = (entryId: string) => forgotten.push(entryId)
  next.listen({ changed: () => undefined, removed: () => undefined, forgotten: forget })
  await next.remove(id)
  assert.equal(states.at(-1), 'removed')
  assert.deepEqual(forgotten, [id])
  assert.deepEqual(next.list(), [])
  await assert.rejects(next.remove(id), { code: 'not_found' })
})

test('the embedded engine is not stored and cannot be removed', async () => {
  const engine = await newEngine()
  const registry = newRegistry()
  const id = await registry.setEmbedded(engine.url)
  const states = statesOf(registry)
  assert.deepEqual(states, ['up'])
  await registry.setEmbedded(engine.url)
  assert.deepEqual(states, ['up'])
  await assert.rejects(registry.remove(id), { code: 'conflict' })
  const rows = await database.sql`select 1 from engines`
  assert.equal(rows.length, 0)
})

test('vLLM, llama.cpp and plain endpoints are told apart by what they answer', async () => {
  const profileOf = async (prepare: (engine: TestEngine) => void) => {
    const engine = await newEngine()
    engine.pages.set('/v1/models', { data: [{ id: 'm', owned_by: 'somebody' }] })
    prepare(engine)
    const registry = newRegistry()
    await registry.setEmbedded(engine.url)
    let found = ''
    registry.listen({
      changed: (_engine, { kind, cap, express, takesPriority, takesCacheSalt, models }) => {
        const context = models[0]?.contextTokens
        const slots = `${cap}+${express}`
        found = `${kind} ${slots} priority ${takesPriority} salt ${takesCacheSalt} ${context}`
      },
      removed: () => {},
    })
    return found
  }
  const vllm = (status: number) => (engine: TestEngine) => {
    const data = [{ id: 'm', owned_by: 'vllm', max_model_len: 4096 }]
    engine.pages.set('/v1/models', { data })
    engine.pages.set('/version', { version: '0.32.0' })
    engine.answer(({ response }) => sendJson(response, status, {}))
  }
  assert.equal(await profileOf(vllm(200)), 'vllm 16+2 priority true salt true 4096')
  assert.equal(await profileOf(vllm(400)), 'vllm 16+2 priority false salt true 4096')
  const llama = await profileOf((engine) =>
    engine.pages.set('/props', {
      total_slots: 8,
      build_info: 'b1',
      default_generation_settings: { n_ctx: 512 },
    }),
  )
  assert.equal(llama, 'llama.cpp 7+1 priority false salt false 512')
  assert.equal(await profileOf(() => {}), 'openai 4+0 priority false salt false null')
})

test('places for newcomers come out of the slots of an engine that has nothing else', async () => {
  const slotsOf = async (prepare: (engine: TestEngine) => void, cap?: number) => {
    const engine = await newEngine()
    engine.pages.set('/v1/models', { data: [{ id: 'm', owned_by: 'vllm', max_model_len: 4096 }] })
    prepare(engine)
    const registry = newRegistry()
    await registry.add({ url: engine.url, cap })
    let found: number[] = []
    registry.listen({
      changed: (_engine, { cap, capMost, express }) => {
        found = [cap, capMost, express]
      },
      removed: () => {},
    })
    return found
  }
  const llama = (slots: number) => (engine: TestEngine) =>
    engine.pages.set('/props', { total_slots: slots })
  assert.deepEqual(await slotsOf(llama(18)), [16, 16, 2])
  assert.deepEqual(await slotsOf(llama(4)), [3, 3, 1])
  assert.deepEqual(await slotsOf(llama(1)), [1, 1, 0])
  assert.deepEqual(await slotsOf(llama(4), 4), [4, 4, 0])
  assert.deepEqual(await slotsOf(llama(4), 2), [2, 2, 1])
  const vllm = (engine: TestEngine) => engine.pages.set('/version', { version: '0.32.0' })
  assert.deepEqual(await slotsOf(vllm, 32), [32, 32, 4])
})

const [FIRST, SECOND] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const serving = (engine: TestEngine, ...names: string[]) =>
  engine.pages.set('/v1/models', { data: names.map((id) => ({ id })) })
const stored = async () => {
  const rows = await database.sql`select sealed, sealed_by as "sealedBy" from engine_keys`
  return rows.map(({ sealed, sealedBy }) => ({
    text: Buffer.from(sealed as Uint8Array).toString('latin1'),
    sealedBy: sealedBy as string | null,
  }))
}

test('a service is rented by its models, and takes several keys without a restart', async () => {
  const engine = await newEngine()
  serving(engine, 'one', 'two')
  const registry = newRegistry()
  const given = { service: 'openai' as const, url: engine.url, apiKey: 'sk-first' }
  await assert.rejects(registry.add(given), { code: 'invalid_value' })
  const missing = registry.add({ ...given, models: ['three'] })
  await assert.rejects(missing, /it has no three; it has one, two/)
  const id = await registry.add({ ...given, models: ['two'] })
  assert.deepEqual(
    registry.list().map(({ name }) => name),
    ['two'],
  )
  await registry.setKey(id, 'sk-second', 'beside')
  const [first, second] = registry.keys(id)
  assert.notEqual(first?.fingerprint, second?.fingerprint)
  assert.equal(await registry.removeKey(first?.id ?? ''), id)
  await registry.setKey(id, 'sk-third', 'instead')
  assert.equal(registry.keys(id).length, 1)
  assert.equal((await stored()).length, 1)
  await registry.close()
  const next = newRegistry()
  await next.start()
  assert.equal(next.keys(id).length, 1)
  await next.remove(id)
  assert.deepEqual(await stored(), [])
  await assert.rejects(next.removeKey('ekey_none'), { code: 'not_found' })
})

test('an engine says what it is without being added, a service all its models', async () => {
  const engine = await newEngine()
  const registry = newRegistry()
  const { kind, models } = await registry.detect({ url: engine.url })
  assert.deepEqual([kind, models[0]?.name], ['gristmill', 'mill'])
  serving(engine, 'one', 'two')
  const rented = await registry.detect({ service: 'openai', url: engine.url, apiKey: 'sk-one' })
  assert.deepEqual([rented.service, rented.models.length], ['openai', 2])
  await assert.rejects(registry.detect({ url: 'http://127.0.0.1:1' }), {
    code: 'engine_unreachable',
  })
  assert.deepEqual([registry.list(), await stored()], [[], []])
})

test('a key that the engine refuses changes nothing', async () => {
  const engine = await newEngine()
  serving(engine, 'one')
  const registry = newRegistry()
  const id = await registry.add({
    service: 'openai',
    url: engine.url,
    apiKey: 'sk-first',
    models: ['one'],
  })
  const before = registry.keys(id)
  engine.pages.clear()
  await assert.rejects(registry.setKey(id, 'sk-bad', 'instead'), { code: 'engine_unreachable' })
  assert.deepEqual(registry.keys(id), before)
})

test('the master key can be changed while everything runs, and in the environment', async () => {
  const engine = await newEngine()
  let commits = 0
  const renewSecretKey = () => ({ secret: SECOND, commit: () => commits++ })
  const registry = newRegistry(FIRST, { renewSecretKey })
  const id = await registry.add({ url: engine.url, apiKey: 'sk-secret' })
  const [before] = await stored()
  await registry.rotateSecretKey()
  const [after] = await stored()
  assert.notEqual(after?.sealedBy, before?.sealedBy)
  assert.equal(commits, 1)
  await registry.setKey(id, 'sk-newer', 'instead')
  assert.equal((await stored())[0]?.sealedBy, after?.sealedBy, 'the new one seals from now on')
  await registry.close()
  await assert.rejects(newRegistry(FIRST).start(), { code: 'invalid_config' })
  const third = Buffer.alloc(32, 3)
  const moved = newRegistry(third, { earlierSecretKeys: [FIRST, SECOND] })
  await moved.start()
  await moved.close()
  await newRegistry(third).start()
  await assert.rejects(newRegistry(third).rotateSecretKey(), { code: 'conflict' })
})

test('a gateway that does not have the new master key yet goes on with the keys that it knows', async () => {
  const engine = await newEngine()
  const running = newRegistry(FIRST)
  const id = await running.add({ url: engine.url, apiKey: 'sk-secret' })
  const keys = running.keys(id)
  await newRegistry(SECOND, { earlierSecretKeys: [FIRST] }).start()
  await assert.rejects(running.start(), { code: 'invalid_config' })
  assert.deepEqual(running.keys(id), keys)
})

test('a change of the master key that is cut off at any moment loses nothing', async () => {
  const engine = await newEngine()
  const dies = () => {
    throw new Error('the power is gone')
  }
  const renewSecretKey = () => ({ secret: SECOND, commit: dies })
  const registry = newRegistry(FIRST, { renewSecretKey })
  await registry.add({ url: engine.url, apiKey: 'sk-secret' })
  await assert.rejects(registry.rotateSecretKey(), /the power is gone/)
  await registry.close()
  // Sealed anew, but the next start finds the old one in its place, and the new one beside it.
  await newRegistry(FIRST, { earlierSecretKeys: [SECOND] }).start()
  await newRegistry(FIRST).start()
})

test('keys from before fingerprints open, and get one', async () => {
  const engine = await newEngine()
  const registry = newRegistry(FIRST)
  await registry.add({ url: engine.url, apiKey: 'sk-secret' })
  await registry.close()
  await database.sql`update engine_keys set sealed_by = null`
  await newRegistry(FIRST).start()
  assert.match((await stored())[0]?.sealedBy ?? '', /^[0-9a-f]{16}$/)
})

test('no key is in the database as it is, in a view, in a log or in an error', async () => {
  const engine = await newEngine()
  serving(engine, 'one')
  const lines: string[] = []
  const write = (...parts: unknown[]) => lines.push(JSON.stringify(parts, withErrors))
  const logger = { debug: write, info: write, warn: write, error: write } as unknown as Logger
  const registry = newRegistry(FIRST, { logger })
  const secret = 'sk-very-secret'
  const input = { service: 'openai' as const, url: engine.url, apiKey: secret, models: ['one'] }
  const id = await registry.add(input)
  await registry.setKey(id, `${secret}-2`, 'beside')
  const errors = await Promise.all([
    registry.add({ ...input, name: 'other' }).catch((error: Error) => error),
    registry.setKey(id, `${secret}\n`, 'instead').catch((error: Error) => error),
  ])
  engine.pages.clear()
  errors.push(await registry.setKey(id, `${secret}-3`, 'beside').catch((error: Error) => error))
  await registry.rotateSecretKey().catch((error: Error) => errors.push(error))
  const told = [
    ...lines,
    ...(await stored()).map(({ text }) => text),
    ...errors.map((error) => JSON.stringify(error, withErrors)),
    JSON.stringify(registry.keys(id)),
  ]
  assert.ok(lines.length > 0)
  assert.equal(errors.length, 4)
  assert.deepEqual(
    told.filter((text) => text.includes('very-secret')),
    [],
  )
})

/** Errors with all that they hold. */
function withErrors(_: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { name, message, stack, cause } = value
  return { ...Object.fromEntries(Object.entries(value)), name, message, stack, cause }
}
