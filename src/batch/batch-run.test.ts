/** Batches in what rarely happens: hostile lines, long waits, another gateway in between. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type OpenAI from 'openai'
import { systemClock } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import type { LineRequest } from '../gateway/index.ts'
import { openTestDatabase, type Sql, type TestDatabase } from '../store/index.ts'
import { cancelBatch, findBatch } from './batch-store.ts'
import { batchObject } from './batch-wire.ts'
import { storedAnswers, triesOf } from './line-store.ts'
import {
  chatLine,
  creator,
  goodAnswer,
  type TestBatches,
  testBatches,
  usage,
} from './test-batches.ts'

const names = (count: number) => Array.from({ length: count }, (_, i) => `line-${i}`)
const lines = (count: number) => names(count).map((name) => chatLine(name))
const namesIn = (rows: string[]) =>
  rows.map((row) => (JSON.parse(row) as { custom_id: string }).custom_id).sort()

describe('a batch', () => {
  let database: TestDatabase
  let batches: TestBatches

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())
  afterEach(() => batches.close())

  it('keeps a bounded number of bytes in flight, of any line at least one', async () => {
    const content = 'x'.repeat(10_000)
    const body = { model: 'mill', messages: [{ role: 'user', content }] }
    const long = names(20).map((name) => chatLine(name, { body }))
    for (const [bytes, most] of [
      [5000, 1],
      [25_000, 3],
    ] as const) {
      const limits = { batchBytesInFlightMax: bytes }
      const answer = (line: LineRequest) => systemClock.sleep(5).then(() => goodAnswer(line))
      batches = testBatches(database, answer, { slots: 4, limits })
      batches.runner.start()
      assert.equal((await batches.ended((await batches.make(long)).id)).linesCompleted, 20)
      assert.equal(batches.inFlightMax(), most)
      await batches.close()
    }
  })

  it('reads its input a few times, however many models it names', async () => {
    let pieces = 0
    const sql = new Proxy(database.sql, {
      apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
        const query = Reflect.apply(target, self, args) as Promise<unknown[]>
        if (!args[0].some?.((part) => part.includes('from file_chunks'))) return query
        return query.then((rows) => {
          pieces += rows.length
          return rows
        })
      },
    }) as Sql
    const answer = { status: 200, body: Buffer.from('{}') }
    batches = testBatches({ ...database, sql }, () => ({ answer, error: null, usage }))
    const models = Array.from({ length: 10 }, (_, i) => `m${i}`)
    for (const model of models) batches.models.add(model)
    const content = 'x'.repeat(10_000)
    const all = names(500).map((name, i) =>
      chatLine(name, { body: { model: models[i % 10], messages: [{ role: 'user', content }] } }),
    )
    batches.runner.start()
    const batch = await batches.ended((await batches.make(all)).id)
    assert.deepEqual([batch.status, batch.linesCompleted], ['completed', 500])
    const once = Math.ceil((500 * content.length) / 2 ** 20)
    assert.ok(pieces <= 5 * once, `${pieces} pieces were read of ${once}`)
  })

  it('keeps its models apart also where an older row of it comes late', async () => {
    let onPlan = () => {}
    const sql = new Proxy(database.sql, {
      apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
        if (args[0].some?.((part) => part.includes('from batch_line_tries'))) onPlan()
        return Reflect.apply(target, self, args) as unknown
      },
    }) as Sql
    const answer = (line: LineRequest) =>
      line.request.model === 'rye' ? goodAnswer(line) : ('never' as const)
    batches = testBatches({ ...database, sql }, answer)
    const of = (model: string) => (name: string) =>
      chatLine(`${model}-${name}`, { body: { model, messages: [{ role: 'user', content: 'Hi' }] } })
    const made = await batches.make([...names(50).map(of('mill')), ...names(50).map(of('rye'))])
    onPlan = () => batches.runner.runOf(made.id)?.tick(made, creator, false)
    batches.runner.start()
    await until(async () => (await findBatch(database.sql, made.id))?.linesCompleted === 50)
    await cancelBatch(database.sql, made.id, new Date())
    assert.equal((await batches.ended(made.id)).linesCompleted, 50)
  })

  it('names also what cannot be stored as it stands in a line', async () => {
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    const models = ['nul\0', 'half\ud83c', 'x'.repeat(5000)]
    const { id } = await batches.make(
      models.map((model, i) => chatLine(`line-${i}`, { body: { model, messages: [] } })),
    )
    const { status, errors } = await batches.ended(id)
    assert.equal(status, 'failed')
    assert.deepEqual(
      errors.map(({ line, code }) => [line, code]),
      [1, 2, 3].map((line) => [line, 'model_not_found']),
    )
    assert.ok(errors.every(({ message }) => message.length <= 1000))
  })

  it('names a line that is nested deeper than can be written', async () => {
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    // Of no more parts than a body may have.
    const depth = 50_000
    const body = `{"model":"mill","x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const deep = chatLine('line-0', { body: 'BODY' }).replace('"BODY"', body)
    const { status, errors } = await batches.ended((await batches.make([deep])).id)
    assert.equal(status, 'failed')
    assert.deepEqual(
      errors.map(({ line, code }) => [line, code]),
      [[1, 'invalid_json_line']],
    )
  })

  it('has its input until it has ended, however long nobody ran it', async () => {
    batches = testBatches(database, () => 'never')
    const { id, inputFileId } = await batches.make(lines(3), { expiresAt: new Date() })
    await database.sql`update files set expires_at = now() - interval '1 day'`
    const destroy = () =>
      database.transaction((sql) => batches.files.destroyOld(sql, new Date(0), 10))
    assert.equal(await destroy(), 0)
    batches.runner.start()
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'expired')
    assert.deepEqual(namesIn(await batches.textOf(batch.errorFileId)), names(3))
    await assert.rejects(batches.files.get(batch, inputFileId), { code: 'not_found' })
    assert.equal(await destroy(), 1)
  })

  it('reports the rest also where another gateway had the right while it was closed', async () => {
    let isOurs = true
    let refused = 0
    const fence = async () => {
      if (!isOurs) refused++
      return isOurs
    }
    batches = testBatches(database, () => 'never', { fence })
    batches.runner.start()
    const { id } = await batches.make(lines(5))
    await until(() => batches.requests.length === 5)
    isOurs = false
    await cancelBatch(database.sql, id, new Date())
    batches.runner.wake()
    await until(() => refused > 0)
    await systemClock.sleep(200)
    isOurs = true
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'cancelled')
    assert.deepEqual(namesIn(await batches.textOf(batch.errorFileId)), names(5))
  })

  it('does not wait for older ones of its tenant whose engines are away', async () => {
    const answer = (line: LineRequest) =>
      line.request.model === 'rye' ? goodAnswer(line) : ('never' as const)
    batches = testBatches(database, answer, { millSlots: 0 })
    batches.runner.start()
    const waiting = await Promise.all(Array.from({ length: 16 }, () => batches.make(lines(1))))
    await until(() => batches.requests.length === waiting.length)
    const body = { model: 'rye', messages: [{ role: 'user', content: 'Hi' }] }
    const { id } = await batches.make([chatLine('line-0', { body })])
    assert.equal((await batches.ended(id)).status, 'completed')
    for (const one of waiting) await cancelBatch(database.sql, one.id, new Date())
    for (const one of waiting) await batches.ended(one.id)
  })

  it('knows of its tokens also those kinds that have prices of their own', async () => {
    const used = { ...usage, cacheWriteTokens: 1, reasoningTokens: 2 }
    batches = testBatches(database, (line) => ({ ...goodAnswer(line), usage: used }))
    batches.runner.start()
    const batch = await batches.ended((await batches.make(lines(3))).id)
    const view = batchObject(batch) as OpenAI.Batch
    assert.equal(view.usage?.output_tokens_details.reasoning_tokens, 6)
    const ids = batches.requests.map(({ line }) => line.requestId)
    const stored = await storedAnswers(database.sql, ids)
    assert.deepEqual(stored, new Map(ids.map((id) => [id, used])))
  })

  it('waits while the account behind its key may not, and then goes on', async () => {
    let answered = 0
    let isBack = false
    batches = testBatches(database, (line) =>
      answered++ === 0 || isBack ? goodAnswer(line) : 'never',
    )
    batches.runner.start()
    const { id } = await batches.make(lines(8))
    const row = () => findBatch(database.sql, id)
    await until(async () => (await row())?.linesCompleted === 1)
    await until(() => batches.requests.length === 8)
    batches.principal = null
    batches.runner.wake()
    await until(async () => (await row())?.reason?.includes('may not at present') === true)
    await until(() => batches.requests.every(({ fate }) => fate !== undefined))
    assert.equal((await row())?.status, 'in_progress')
    assert.deepEqual(await triesOf(database.sql, id), new Map())
    isBack = true
    batches.principal = creator
    batches.runner.wake()
    const batch = await batches.ended(id)
    assert.deepEqual([batch.status, batch.reason], ['completed', null])
    assert.deepEqual(namesIn(await batches.textOf(batch.outputFileId)), names(8))
  })

  it('can be cancelled while the account behind its key may not', async () => {
    batches = testBatches(database, () => 'never')
    batches.runner.start()
    const { id } = await batches.make(lines(2))
    await until(() => batches.requests.length === 2)
    batches.principal = null
    batches.runner.wake()
    await until(() => batches.requests.every(({ fate }) => fate !== undefined))
    await cancelBatch(database.sql, id, new Date())
    assert.equal((await batches.ended(id)).status, 'cancelled')
  })
})
