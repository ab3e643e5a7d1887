/** Responses at rest: sealed, bounded, each project's own, and destroyed in time. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { createLogger, FakeClock, GristmillError, limitTable, seededRandom } from '../base/index.ts'
import type { NewResponse } from '../gateway/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import type { Principal, UseLimits } from '../tenancy/index.ts'
import { storedResponses, unendedResponses } from './background-store.ts'
import { ResponseStore } from './response-store.ts'
import { ResponseSweep } from './response-sweep.ts'

const DAY_MS = 86_400_000
const SECRET = 'a secret about the old mill'

let database: TestDatabase
let clock: FakeClock
before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(async () => {
  await database.reset()
  clock = new FakeClock()
})

const none: UseLimits = {
  queueDepthMax: null,
  concurrencyMax: null,
  tokensPerMinute: null,
  waitMsMax: null,
}
const owner = (tenant: string, project = 'one', responseDays = 30): Principal => ({
  keyId: 'key',
  keyName: 'key',
  tenantId: tenant,
  tenantName: tenant,
  projectId: `${tenant}-${project}`,
  projectName: project,
  scopes: new Set(['inference']),
  policy: {
    tenantWeight: 1,
    projectWeight: 1,
    classes: ['standard'],
    defaultClass: 'standard',
    models: null,
    tenantLimits: none,
    keyLimits: none,
    responseCache: false,
    tags: [],
    pricePlan: null,
    responseDays,
  },
})

const storeWith = (limits: { tenantFileBytesMax?: number; bodyBytesMax?: number } = {}) =>
  new ResponseStore({
    database,
    clock,
    random: seededRandom(1),
    masterKey: seededRandom(2).bytes(32),
    limits: {
      tenantFileBytesMax: limits.tenantFileBytesMax ?? limitTable.tenantFileBytesMax.default,
      bodyBytesMax: limits.bodyBytesMax ?? limitTable.bodyBytesMax.default,
      backgroundMax: 2,
    },
  })

const message = (text: string) => ({ type: 'message', role: 'user', content: text })
const response = (id: string, previousId: string | null, said: string): NewResponse => ({
  id,
  previousId,
  createdAtMs: clock.nowMs(),
  request: Buffer.from(JSON.stringify({ model: 'mill', input: [message(said)] })),
  answer: { id, status: 'completed', output: [{ id: `msg_${id}_0`, ...message(`no ${said}`) }] },
})
const codeOf = (code: string) => (error: unknown) =>
  error instanceof GristmillError && error.code === code
const count = async (table: string) => {
  const [row] = await database.sql<{ n: number }[]>`
    select count(*)::int as n from ${database.sql(table)}`
  return row?.n
}

test('they are sealed, in pieces of at most a mebibyte, and come back as they were', async () => {
  const store = storeWith()
  const anna = owner('anna')
  const long = SECRET.repeat(60_000)
  await store.keep(anna, response('resp_1', null, long))
  const chunks = await database.sql<{ content: Buffer }[]>`select content from response_chunks`
  assert.equal(chunks.length, 4)
  for (const { content } of chunks) {
    assert.ok(content.length <= 1024 * 1024)
    assert.equal(content.includes('secret'), false)
  }
  const rows = JSON.stringify(await database.sql`select * from responses`)
  assert.doesNotMatch(rows, /secret/)
  const [given, gave] = await store.history(anna, 'resp_1')
  assert.equal(given?.content, long)
  assert.equal(gave?.content, `no ${long}`)
})

test('a conversation is its own project’s, and no longer than it may be', async () => {
  const store = storeWith({ bodyBytesMax: 500 })
  const anna = owner('anna')
  await store.keep(anna, response('resp_1', null, 'one'))
  await store.keep(anna, response('resp_2', 'resp_1', 'two'))
  const said = await store.history(anna, 'resp_2')
  assert.deepEqual(
    said.map(({ content }) => content),
    ['one', 'no one', 'two', 'no two'],
  )
  for (const other of [owner('anna', 'other'), owner('ben'), owner('anna', 'one', 0)]) {
    await assert.rejects(store.history(other, 'resp_2'), codeOf('previous_response_not_found'))
    await assert.rejects(store.get(other, 'resp_1'), codeOf('not_found'))
    await assert.rejects(store.delete(other, 'resp_1'), codeOf('not_found'))
    await assert.rejects(store.items(other, ['resp_1']), codeOf('not_found'))
  }
  await store.keep(anna, response('resp_3', 'resp_2', 'three'.repeat(20)))
  await assert.rejects(store.history(anna, 'resp_3'), codeOf('invalid_value'))
  assert.equal((await store.items(anna, ['resp_1', 'resp_2'])).length, 4)
  await assert.rejects(store.items(anna, ['resp_1', 'resp_2', 'resp_3']), codeOf('invalid_value'))
  await assert.rejects(store.items(anna, ['resp_1', 'resp_0']), codeOf('not_found'))
  const many = Array.from({ length: 1001 }, (_, i) => `resp_${i}`)
  await assert.rejects(store.items(anna, many), codeOf('invalid_value'))
  await store.delete(anna, 'resp_1')
  await assert.rejects(store.history(anna, 'resp_2'), codeOf('previous_response_not_found'))
  assert.equal((await store.get(anna, 'resp_2')).status, 'completed')
})

test('they count towards the quota until they are deleted, and the key goes with the last', async () => {
  const store = storeWith({ tenantFileBytesMax: 400 })
  const anna = owner('anna')
  await store.keep(anna, response('resp_1', null, 'one'))
  const much = response('resp_2', null, 'x'.repeat(400))
  await assert.rejects(store.keep(anna, much), codeOf('file_quota_exceeded'))
  assert.equal(await count('responses'), 1)
  await store.delete(anna, 'resp_1')
  for (const table of ['responses', 'response_chunks', 'content_keys']) {
    assert.equal(await count(table), 0, table)
  }
})

test('one in the background ends once, for whoever has the right, and nobody else', async () => {
  const store = storeWith()
  const anna = owner('anna')
  const queue = (id: string) =>
    store.enqueue(anna, {
      ...response(id, null, SECRET),
      serviceClass: 'standard',
      asker: { endUser: null, sessionId: null, tags: ['eu'] },
    })
  await queue('resp_1')
  await queue('resp_2')
  await assert.rejects(queue('resp_3'), codeOf('too_many_responses'))
  const [first, second] = await unendedResponses(database.sql)
  assert.ok(first && second)
  assert.deepEqual(first.tags, ['eu'])
  const before = await store.queued(first)
  assert.ok(before)
  const kinds = { cacheWriteTokens: 1, reasoningTokens: 2 }
  const usage = { inputTokens: 5, cachedTokens: 2, outputTokens: 3, ...kinds }
  const end = (requestId: string) => ({
    status: 'completed' as const,
    answer: { id: 'resp_1', output: [message(SECRET)] },
    requestId,
    usage,
  })
  const ours = async () => true
  const notOurs = async () => false
  await assert.rejects(store.end(first, before, end('req_1'), notOurs), codeOf('scheduler_held'))
  assert.equal(await store.end(first, before, end('req_1'), ours), true)
  assert.equal(await store.end(first, before, end('req_1'), ours), true, 'the same once more')
  assert.equal(await store.end(first, before, end('req_2'), ours), false)
  const charged = await storedResponses(database.sql, ['req_1', 'req_2'])
  assert.deepEqual([...charged], [['req_1', usage]])
  assert.deepEqual((await store.get(anna, 'resp_1')).output, [message(SECRET)])

  await store.cancel(anna, 'resp_2')
  const late = await store.end(second, before, end('req_3'), ours)
  assert.deepEqual([late, (await store.get(anna, 'resp_2')).status], [false, 'cancelled'])
  assert.equal(await store.queued(second), undefined)
  for (const id of ['resp_1', 'resp_2']) await store.delete(anna, id)
  assert.equal(await count('content_keys'), 0, 'what was counted is what was there')
})

test('they are destroyed when they are older than their tenant keeps them', async () => {
  const store = storeWith()
  const days = new Map([
    ['anna', 30],
    ['ben', 1],
  ])
  const sweep = new ResponseSweep({
    database,
    responses: store,
    clock,
    logger: createLogger('silent', 'test'),
    keptDays: async () => days,
  })
  // By hand only, so that it is counted.
  await sweep.close()
  await store.keep(owner('anna'), response('resp_1', null, 'one'))
  await store.keep(owner('ben'), response('resp_2', null, 'two'))
  await store.keep(owner('gone'), response('resp_3', null, 'three'))
  assert.equal(await sweep.sweep(), 1, 'of the tenant that keeps none')
  clock.advance(DAY_MS)
  assert.equal(await sweep.sweep(), 1)
  await assert.rejects(store.get(owner('ben', 'one', 1), 'resp_2'), codeOf('not_found'))
  days.set('anna', 1)
  assert.equal(await sweep.sweep(), 1, 'shortened, it holds for what is there')
  assert.equal(await count('response_chunks'), 0)
})
