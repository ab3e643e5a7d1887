/** What lines of a batch wait for, and what they do not: budgets, models, other lines. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type OpenAI from 'openai'
import { GristmillError } from '../base/index.ts'
import { eventually, until } from '../base/test-eventually.ts'
import type { LineRequest } from '../gateway/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { cancelBatch, findBatch } from './batch-store.ts'
import { batchObject } from './batch-wire.ts'
import { chatLine, goodAnswer, type TestBatches, testBatches } from './test-batches.ts'

const usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
const lineOf = (model: string, name: string, content = 'Hi') =>
  chatLine(name, { body: { model, messages: [{ role: 'user', content }] } })
const linesOf = (model: string, count: number) =>
  Array.from({ length: count }, (_, i) => lineOf(model, `${model}-${i}`))

const spent = (retryAfterMs?: number) => {
  const details = { budget: 'trial', left: '0 tokens', renewsAt: 'soon', needed: '9 tokens' }
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  const error = new GristmillError('budget_exceeded', details, options)
  return { answer: null, error, usage }
}

describe('lines of a batch', () => {
  let database: TestDatabase
  let batches: TestBatches

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())
  afterEach(() => batches.close())

  const rowOf = async (id: string) => {
    const row = await findBatch(database.sql, id)
    assert.ok(row)
    return row
  }
  const told = (id: string) =>
    eventually('the batch says what it waits for', async () => {
      const row = await rowOf(id)
      return row.reason !== null && row
    })
  const errorsOf = async (fileId: string | null) =>
    (await batches.textOf(fileId)).map((text) => {
      const {
        custom_id: name,
        response,
        error,
      } = JSON.parse(text) as {
        custom_id: string
        response: { body: { error: { code: string } } } | null
        error: { code: string } | null
      }
      return [name, error?.code ?? response?.body.error.code]
    })

  it('wait until there is a budget again, and the batch says that they do', async () => {
    let isSpent = true
    batches = testBatches(database, (line) => (isSpent ? spent(300) : goodAnswer(line)))
    batches.runner.start()
    const { id } = await batches.make(linesOf('mill', 20))
    const waiting = await told(id)
    assert.equal(waiting.status, 'in_progress')
    assert.match(waiting.reason ?? '', /^The budget trial has 0 tokens left/)
    const view = batchObject(waiting) as OpenAI.Batch & { gristmill?: { reason: string } }
    assert.equal(view.gristmill?.reason, waiting.reason)
    isSpent = false
    const batch = await batches.ended(id)
    const { status, linesCompleted, linesFailed, reason } = batch
    assert.deepEqual([status, linesCompleted, linesFailed, reason], ['completed', 20, 0, null])
  })

  it('go on at once when a budget of their tenant has changed', async () => {
    let isSpent = true
    batches = testBatches(database, (line) => (isSpent ? spent() : goodAnswer(line)))
    batches.runner.start()
    const { id } = await batches.make(linesOf('mill', 60))
    await told(id)
    batches.runner.askAgain(new Set(['ten_2']))
    isSpent = false
    const asked = batches.requests.length
    batches.runner.askAgain(new Set(['ten_1']))
    assert.ok(batches.requests.length > asked)
    assert.equal((await batches.ended(id)).linesCompleted, 60)
    const inFlightMax = 2 * 4 + 8
    assert.ok(batches.inFlightMax() <= inFlightMax, `${batches.inFlightMax()} in flight`)
  })

  it('that do not fit a budget do not hold up shorter ones behind them', async () => {
    const isLong = ({ request }: LineRequest) => request.raw.includes('long')
    batches = testBatches(database, (line) => (isLong(line) ? spent() : goodAnswer(line)))
    batches.runner.start()
    const long = Array.from({ length: 40 }, (_, i) => lineOf('mill', `${i}`, 'long'))
    const { id } = await batches.make([...long, ...linesOf('mill', 40)])
    await until(async () => (await rowOf(id)).linesCompleted === 40)
    assert.match((await told(id)).reason ?? '', /^The budget trial has 0 tokens left/)
  })

  it('that waited and run do not wait any more', async () => {
    let isSpent = true
    batches = testBatches(database, () => (isSpent ? spent() : 'never'))
    batches.runner.start()
    const { id } = await batches.make(linesOf('mill', 3))
    await told(id)
    isSpent = false
    batches.runner.askAgain(new Set(['ten_1']))
    await until(async () => (await rowOf(id)).reason === null)
    await cancelBatch(database.sql, id, new Date())
    assert.equal((await batches.ended(id)).status, 'cancelled')
  })

  it('that waited to the end of the window are told so', async () => {
    batches = testBatches(database, () => spent())
    batches.runner.start()
    const { id } = await batches.make(linesOf('mill', 3))
    await told(id)
    await database.sql`update batches set expires_at = now() where id = ${id}`
    batches.runner.wake()
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'expired')
    assert.match(batch.reason ?? '', /ended while lines waited: The budget trial/)
    const errors = await errorsOf(batch.errorFileId)
    assert.deepEqual(new Set(errors.map(([, code]) => code)), new Set(['batch_expired']))
  })

  it('wait for a model that comes back', async () => {
    batches = testBatches(database, goodAnswer)
    const { id } = await batches.make(linesOf('mill', 5))
    await begun(id, 5, 'mill')
    batches.models.delete('mill')
    batches.runner.start()
    assert.match((await told(id)).reason ?? '', /^The model mill does not exist/)
    batches.models.add('mill')
    assert.equal((await batches.ended(id)).linesCompleted, 5)
  })

  it('do not wait for ever for a model that does not come back', async () => {
    batches = testBatches(database, goodAnswer, { limits: { batchModelWaitMsMax: 1000 } })
    const { id } = await batches.make([...linesOf('mill', 20), ...linesOf('rye', 20)])
    await begun(id, 40, null)
    batches.models.delete('rye')
    batches.runner.start()
    const batch = await batches.ended(id)
    assert.deepEqual([batch.linesCompleted, batch.linesFailed], [20, 20])
    const errors = await errorsOf(batch.errorFileId)
    assert.deepEqual(new Set(errors.map(([, code]) => code)), new Set(['model_not_found']))
  })

  it('wait also where it was away already when the batch was made', async () => {
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    batches.models.delete('mill')
    await answered('ten_1', 'mill', 6)
    await answered('ten_1', 'rye', 8)
    await answered('ten_2', 'oat', 1)
    const { id } = await batches.make([...linesOf('mill', 2), 'no json'])
    const failed = await batches.ended(id)
    assert.deepEqual(
      failed.errors.map(({ line, code }) => [line, code]),
      [[3, 'invalid_json_line']],
    )
    const waiting = await batches.make(linesOf('mill', 2))
    assert.match((await told(waiting.id)).reason ?? '', /^The model mill does not exist/)
    batches.models.add('mill')
    assert.equal((await batches.ended(waiting.id)).linesCompleted, 2)
    batches.models.clear()
    for (const model of ['rye', 'oat']) {
      const unknown = await batches.ended((await batches.make(linesOf(model, 1))).id)
      assert.deepEqual([unknown.status, unknown.errors[0]?.code], ['failed', 'model_not_found'])
    }
  })

  it('end with an error that a lower limit of today lets in no more', async () => {
    batches = testBatches(database, goodAnswer)
    const long = lineOf('mill', 'long', 'x'.repeat(5000))
    const all = [lineOf('mill', 'short'), long, lineOf('mill', 'last')]
    const { id } = await batches.make(all)
    const { id: lateId } = await batches.make(all, { expiresAt: new Date() })
    for (const one of [id, lateId]) await begun(one, 3, 'mill')
    batches.limits.bodyBytesMax = 2000
    batches.runner.start()
    const { status, errorFileId } = await batches.ended(id)
    assert.equal(status, 'completed')
    assert.deepEqual(await errorsOf(errorFileId), [['long', 'body_too_large']])
    const late = await batches.ended(lateId)
    assert.equal(late.status, 'expired')
    const names = (await errorsOf(late.errorFileId)).map(([name]) => name)
    assert.deepEqual(new Set(names), new Set(['short', 'long', 'last']))
  })

  it('do not wait for those of another model', async () => {
    const answer = (line: LineRequest) =>
      line.request.model === 'rye' ? goodAnswer(line) : ('never' as const)
    batches = testBatches(database, answer)
    batches.runner.start()
    const { id } = await batches.make([...linesOf('mill', 100), ...linesOf('rye', 100)])
    await until(async () => (await rowOf(id)).linesCompleted === 100)
    await until(() => batches.runner.runOf(id)?.forecast.remaining === 100)
    assert.match(batches.runner.runOf(id)?.forecast.basis ?? '', /^No line has ended/)
    await cancelBatch(database.sql, id, new Date())
    batches.runner.wake()
    const batch = await batches.ended(id)
    assert.equal(batch.linesCompleted, 100)
    assert.equal((await errorsOf(batch.errorFileId)).length, 100)
  })

  it('are all answered, however many models they name', async () => {
    batches = testBatches(database, goodAnswer)
    const models = Array.from({ length: 20 }, (_, i) => `m${i}`)
    for (const model of models) batches.models.add(model)
    batches.runner.start()
    const mixed = Array.from({ length: 30 }, (_, i) => models.map((m) => lineOf(m, `${m}-${i}`)))
    const { id } = await batches.make(['', ...mixed.flat(), ''])
    const batch = await batches.ended(id)
    assert.deepEqual([batch.status, batch.linesCompleted], ['completed', 600])
    assert.equal((await batches.textOf(batch.outputFileId)).length, 600)
    assert.ok(batches.inFlightMax() <= batches.limits.batchLinesInFlightMax)
  })

  it('that wait for a budget do not hold up other batches', async () => {
    const answer = (line: LineRequest) =>
      line.request.model === 'rye' ? goodAnswer(line) : spent()
    batches = testBatches(database, answer)
    batches.runner.start()
    const made = Array.from({ length: 16 }, () => batches.make(linesOf('mill', 1)))
    const waiting = await Promise.all(made)
    await until(() => batches.requests.length === waiting.length)
    const { id } = await batches.make(linesOf('rye', 1))
    assert.equal((await batches.ended(id)).status, 'completed')
  })

  /** As if a tenant had had an answer of a model some days ago. */
  async function answered(tenantId: string, model: string, daysAgo: number): Promise<void> {
    const sums = ['cut', 'recovered', 'input_tokens', 'cached_tokens', 'output_tokens', 'engine_ms']
    const more = ['queue_ms', 'spend_nanos', 'charge_nanos', 'unpriced', 'hits']
    const none = [...sums, ...more, 'hit_input_tokens', 'hit_output_tokens'].map(
      (sum) => [sum, 0] as const,
    )
    const key = { tenant_id: tenantId, project_id: 'prj_1', key_id: 'key_1', model }
    const hour = new Date(Date.now() - daysAgo * 86_400_000)
    const counts = { served_class: 'batch', requests: 1, finished: 1, ...Object.fromEntries(none) }
    await database.sql`insert into usage_hours ${database.sql({ ...key, hour, ...counts })}`
  }

  /** As if it had been looked through before. */
  async function begun(id: string, linesTotal: number, model: string | null): Promise<void> {
    await database.sql`
      update batches set status = 'in_progress', lines_total = ${linesTotal}, model = ${model},
        in_progress_at = now()
      where id = ${id}`
  }
})
