/** Engines behind one name: they come, drain and go as its addresses do. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  type Clock,
  createLogger,
  type Limits,
  limitTable,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase } from '../store/index.ts'
import { EngineRegistry } from './engine-registry.ts'
import { resolveHost } from './replica-set.ts'
import { startTestEngine } from './test-engine.ts'
import type { EngineSink } from './types.ts'

const limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits
const PERIOD_MS = 10_000

test('the system finds the addresses of a name', async () => {
  assert.ok((await resolveHost('localhost')).includes('127.0.0.1'))
  await assert.rejects(resolveHost('nowhere.invalid'))
})

test('each address of a name is an engine, comes, drains and goes with it', async () => {
  const database = await openTestDatabase()
  const one = await startTestEngine()
  const port = Number(new URL(one.url).port)
  const two = await startTestEngine({ port, host: '127.0.0.2' })
  // Looks come when the test says so; engines are asked as always.
  const due: (() => void)[] = []
  const clock: Clock = Object.assign(Object.create(systemClock), {
    after: (ms: number, run: () => void) => {
      if (ms !== PERIOD_MS) return systemClock.after(ms, run)
      due.push(run)
      return { cancel: () => {} }
    },
  })
  let addresses: string[] | Error = ['127.0.0.2', '127.0.0.1']
  let looks = 0
  const resolve = async () => {
    looks++
    if (addresses instanceof Error) throw addresses
    return addresses
  }
  const logger = createLogger('silent', 'test')
  const secretKey = Buffer.alloc(32, 1)
  const options = { database, clock, random: systemRandom, logger, limits, secretKey, resolve }
  let registry = new EngineRegistry(options)
  after(async () => {
    await registry.close()
    await Promise.all([one.close(), two.close(), database.close()])
  })
  const states = new Map<string, string>()
  const engines = new Map<string, Parameters<Parameters<typeof registry.listen>[0]['changed']>[0]>()
  const listener: Parameters<typeof registry.listen>[0] = {
    changed: (engine, _, state) => {
      engines.set(engine.name, engine)
      states.set(engine.name, state)
    },
    removed: (id) => {
      for (const [name, engine] of engines) if (engine.id === id) states.delete(name)
    },
  }
  registry.listen(listener)
  const look = async () => {
    const before = looks
    for (const run of due.splice(0)) run()
    await until(() => looks > before && due.length > 0)
  }
  const seen = () => Object.fromEntries(states)

  const url = `http://localhost:${port}`
  const id = await registry.add({ url, name: 'gpu', replicas: true, apiKey: 'sk-both' })
  assert.deepEqual(seen(), { 'gpu-1': 'up', 'gpu-2': 'up' })
  const entry = registry.entryOf(id) ?? assert.fail('it is a replica')
  assert.equal(entry.name, 'gpu')
  assert.deepEqual([engines.get('gpu-1')?.url, engines.get('gpu-2')?.url], [one.url, two.url])
  await assert.rejects(registry.add({ url: 'http://127.0.0.1:1', name: 'GPU' }), {
    code: 'conflict',
  })
  await assert.rejects(registry.remove(id), { code: 'conflict' })

  addresses = new Error('SERVFAIL')
  await look()
  addresses = []
  await look()
  assert.deepEqual(seen(), { 'gpu-1': 'up', 'gpu-2': 'up' }, 'no answer changes nothing')

  // What runs there goes on while its address is gone already.
  let finish = () => {}
  two.answer((request) => {
    finish = () => request.response.end('{}')
  })
  const ends: string[] = []
  const sink: EngineSink = {
    head: () => {},
    data: () => true,
    end: () => void ends.push('end'),
    fail: () => void ends.push('fail'),
  }
  const body = Buffer.from('{}')
  const request = { requestId: 'r', path: '/v1/chat/completions', body, stream: false }
  engines.get('gpu-2')?.dispatch(request as never, sink)
  await until(() => two.seen.length === 1)
  assert.equal(two.seen[0]?.request.headers.authorization, 'Bearer sk-both')
  addresses = ['127.0.0.1']
  for (let times = 0; times < 3; times++) await look()
  assert.deepEqual(seen(), { 'gpu-1': 'up', 'gpu-2': 'draining' })
  const leaving = engines.get('gpu-2')?.id ?? assert.fail('it is there')
  for (const draining of [true, false]) await registry.drain(leaving, draining)
  assert.equal(seen()['gpu-2'], 'draining', 'it leaves, whatever is asked of it')
  addresses = ['127.0.0.1', '127.0.0.2']
  await look()
  assert.deepEqual(seen(), { 'gpu-1': 'up', 'gpu-2': 'up' }, 'it came back')
  addresses = ['127.0.0.1']
  await look()
  finish()
  await until(() => ends.length === 1)
  await look()
  assert.deepEqual([seen(), ends], [{ 'gpu-1': 'up' }, ['end']])

  await registry.drain(entry.id)
  addresses = ['127.0.0.1', '127.0.0.2']
  await look()
  await until(() => states.get('gpu-2') === 'draining')
  assert.equal(states.get('gpu-1'), 'draining')
  await registry.close()
  states.clear()
  addresses = new Error('SERVFAIL')
  registry = new EngineRegistry(options)
  registry.listen(listener)
  await registry.start()
  assert.deepEqual(seen(), { 'gpu-0': 'draining' }, 'the name itself, until it has addresses')
  addresses = ['127.0.0.2']
  await look()
  await until(() => states.get('gpu-1') === 'draining')
  assert.deepEqual(seen(), { 'gpu-1': 'draining' })
  await registry.remove(entry.id)
  assert.deepEqual(seen(), {})
  assert.equal((await database.sql`select 1 from engines`).length, 0)
})
