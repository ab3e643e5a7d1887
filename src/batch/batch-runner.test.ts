import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { GristmillError } from '../base/index.ts'
import { eventually, until } from '../base/test-eventually.ts'
import type { LineRequest } from '../gateway/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { cancelBatch, findBatch } from './batch-store.ts'
import { noteTries, storedAnswers, triesOf } from './line-store.ts'
import { ATTEMPTS_MAX } from './line-verdict.ts'
import {
  type Answering,
  chatLine,
  goodAnswer,
  type TestBatches,
  testBatches,
  usage,
} from './test-batches.ts'

const nothing = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
const names = (count: number) => Array.from({ length: count }, (_, i) => `line-${i}`)
const lines = (count: number) => names(count).map((name) => chatLine(name))
const nameOf = ({ request }: LineRequest) =>
  (request.fields.messages as { content: string }[])[0]?.content ?? ''
const parsed = (rows: string[]) => rows.map((row) => JSON.parse(row) as Row)

interface Row {
  id: string
  custom_id: string
  response: { status_code: number; request_id: string; body: Record<string, unknown> } | null
  error: { code: string; message: string } | null
}

describe('batches', () => {
  let database: TestDatabase
  let batches: TestBatches

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())
  afterEach(() => batches.close())

  /** As if it had been made, and would end, at these times. */
  async function moveWindow(id: string, createdAt: Date, expiresAt: Date): Promise<void> {
    await database.sql`
      update batches set created_at = ${createdAt}, expires_at = ${expiresAt} where id = ${id}`
    batches.runner.wake()
  }

  it('answers every line once, in one file', async () => {
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    const { id } = await batches.make([...lines(300), '', '  '])
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'completed')
    assert.equal(batch.model, 'mill')
    const { linesTotal, linesCompleted, linesFailed, outputTokens } = batch
    assert.deepEqual(
      { linesTotal, linesCompleted, linesFailed, outputTokens },
      { linesTotal: 300, linesCompleted: 300, linesFailed: 0, outputTokens: 900 },
    )
    const rows = parsed(await batches.textOf(batch.outputFileId))
    assert.deepEqual(rows.map((row) => row.custom_id).sort(), names(300).sort())
    assert.equal(new Set(rows.map((row) => row.id)).size, 300)
    for (const row of rows) {
      assert.equal(row.error, null)
      assert.equal(row.response?.status_code, 200)
      assert.deepEqual(row.response?.body.object, 'chat.completion')
    }
    assert.equal(batch.errorFileId, null)
    assert.ok(batches.requests.every(({ fate }) => fate === 'stored'))
  })

  it('keeps a bounded number of lines in flight', async () => {
    batches = testBatches(database, goodAnswer, { slots: 4 })
    batches.runner.start()
    const { id } = await batches.make(lines(200))
    await batches.ended(id)
    assert.ok(batches.inFlightMax() <= 16, `${batches.inFlightMax()} in flight`)
  })

  it('names bad lines before anything runs', async () => {
    batches = testBatches(database, goodAnswer, { limits: { bodyPartsMax: 50 } })
    batches.runner.start()
    const { id } = await batches.make([
      chatLine('a'),
      'no json',
      chatLine('a'),
      chatLine('b', { url: '/v1/embeddings' }),
      chatLine('c', { method: 'GET' }),
      chatLine('d', { body: { model: 'none', messages: [] } }),
      chatLine('e', { body: { model: 'mill', stream: true } }),
      chatLine('', {}),
      chatLine('f', { body: { model: 'mill', messages: Array(50).fill({}) } }),
    ])
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'failed')
    assert.deepEqual(
      batch.errors.map(({ line, code, param }) => ({ line, code, param })),
      [
        { line: 2, code: 'invalid_json_line', param: null },
        { line: 3, code: 'duplicate_custom_id', param: 'custom_id' },
        { line: 4, code: 'invalid_value', param: 'url' },
        { line: 5, code: 'invalid_value', param: 'method' },
        { line: 6, code: 'model_not_found', param: 'body.model' },
        { line: 7, code: 'invalid_value', param: 'body.stream' },
        { line: 8, code: 'invalid_value', param: 'custom_id' },
        { line: 9, code: 'body_too_complex', param: null },
      ],
    )
    assert.deepEqual(batches.requests, [])
  })

  it('refuses an empty file and one with too many lines', async () => {
    batches = testBatches(database, goodAnswer, { limits: { batchLinesMax: 3 } })
    batches.runner.start()
    const empty = await batches.ended((await batches.make([''])).id)
    assert.deepEqual(
      empty.errors.map(({ code }) => code),
      ['empty_file'],
    )
    const long = await batches.ended((await batches.make(lines(4))).id)
    assert.deepEqual(
      long.errors.map(({ code }) => code),
      ['too_many_lines'],
    )
  })

  it('puts what an engine refuses into the error file, with the answer', async () => {
    batches = testBatches(database, (line) => {
      if (nameOf(line) !== 'line-1') return goodAnswer(line)
      const body = Buffer.from('{"error":{"message":"no"}}')
      return { answer: { status: 400, body }, error: null, usage: nothing }
    })
    batches.runner.start()
    const batch = await batches.ended((await batches.make(lines(3))).id)
    assert.equal(batch.status, 'completed')
    assert.deepEqual([batch.linesCompleted, batch.linesFailed], [2, 1])
    const [row, ...more] = parsed(await batches.textOf(batch.errorFileId))
    assert.equal(more.length, 0)
    assert.equal(row?.custom_id, 'line-1')
    assert.equal(row?.response?.status_code, 400)
    assert.deepEqual(row?.response?.body, { error: { message: 'no' } })
  })

  it('tries again where an engine failed, and charges only what it stores', async () => {
    const tries = new Map<string, number>()
    batches = testBatches(database, (line) => {
      const name = nameOf(line)
      tries.set(name, (tries.get(name) ?? 0) + 1)
      if (name !== 'line-0' || tries.get(name) !== 1) return goodAnswer(line)
      const error = new GristmillError('engine_failed', { reason: 'it fell over' })
      return { answer: null, error, usage: nothing }
    })
    batches.runner.start()
    const batch = await batches.ended((await batches.make(lines(2))).id)
    assert.equal(batch.linesCompleted, 2)
    assert.equal(tries.get('line-0'), 2)
    const fates = batches.requests.map(({ fate }) => String(fate)).sort()
    assert.deepEqual(fates, ['dropped', 'stored', 'stored'])
  })

  it('knows what a stored request is charged with, and nothing of others', async () => {
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    await batches.ended((await batches.make(lines(2))).id)
    const ids = batches.requests.map(({ line }) => line.requestId)
    const stored = await storedAnswers(database.sql, [...ids, 'req_other'])
    assert.deepEqual(stored, new Map(ids.map((id) => [id, usage])))
  })

  it('cancels: what is done stays, the rest is reported', async () => {
    batches = testBatches(database, (line) =>
      Number(nameOf(line).slice('line-'.length)) < 5 ? goodAnswer(line) : 'never',
    )
    batches.runner.start()
    const { id } = await batches.make(lines(50))
    while ((await findBatch(database.sql, id))?.linesCompleted !== 5) await tick()
    assert.equal(await cancelBatch(database.sql, id, new Date()), true)
    batches.runner.wake()
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'cancelled')
    assert.deepEqual([batch.linesCompleted, batch.linesFailed], [5, 0])
    const rows = parsed(await batches.textOf(batch.errorFileId))
    assert.deepEqual(new Set(rows.map((row) => row.error?.code)), new Set(['batch_cancelled']))
    const done = parsed(await batches.textOf(batch.outputFileId))
    const all = [...rows, ...done].map((row) => row.custom_id)
    assert.deepEqual(all.sort(), names(50).sort())
    assert.equal(await cancelBatch(database.sql, id, new Date()), false)
  })

  it('expires at the end of its window, with what is done', async () => {
    batches = testBatches(database, (line) =>
      nameOf(line) === 'line-0' ? goodAnswer(line) : 'never',
    )
    batches.runner.start()
    const { id, createdAt } = await batches.make(lines(30))
    await eventually('a line is done', async () => {
      return (await findBatch(database.sql, id))?.linesCompleted === 1
    })
    await moveWindow(id, createdAt, new Date())
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'expired')
    assert.deepEqual([batch.linesCompleted, batch.linesFailed], [1, 0])
    const [row] = parsed(await batches.textOf(batch.errorFileId))
    assert.equal(row?.error?.code, 'batch_expired')
    assert.equal(row?.response, null)
  })

  it('gives a line up after so many failures of engines, restarts in between included', async () => {
    const failing: Answering = () => ({
      answer: null,
      error: new GristmillError('engine_failed', { reason: 'it fell over' }),
      usage: nothing,
    })
    const first = testBatches(database, failing)
    first.runner.start()
    const { id } = await first.make(lines(1))
    while ((await triesOf(database.sql, id)).get(1) !== 2) await tick()
    await first.close()
    const before = first.requests.length
    batches = testBatches(database, failing)
    // Its pauses grow to half a minute; the last tries are put down as if they had been.
    await noteTries(database.sql, id, 1, ATTEMPTS_MAX - 1)
    batches.runner.start()
    const batch = await batches.ended(id)
    assert.deepEqual([batch.linesCompleted, batch.linesFailed], [0, 1])
    assert.deepEqual([before, batches.requests.length], [2, 1])
  })

  it('raises what it has queued when its window comes to be at risk', async () => {
    batches = testBatches(database, () => 'never', { slots: 4 })
    batches.runner.start()
    const { id } = await batches.make(lines(5))
    await until(() => batches.requests.length === 5)
    assert.ok(batches.requests.every(({ line, isHurried }) => !line.urgent && !isHurried))
    // A batch without pace is late once a tenth of its window is left.
    const nowMs = Date.now()
    await moveWindow(id, new Date(nowMs - 3_600_000), new Date(nowMs + 300_000))
    await until(() => batches.requests.every(({ isHurried }) => isHurried))
    await moveWindow(id, new Date(nowMs - 3_600_000), new Date())
    await batches.ended(id)
  })

  it('stores nothing once another gateway has taken over', async () => {
    let isOurs = false
    batches = testBatches(database, goodAnswer, { fence: async () => isOurs })
    batches.runner.start()
    const { id } = await batches.make(lines(3))
    while (batches.requests.filter(({ fate }) => fate === 'dropped').length < 3) await tick()
    const meanwhile = await findBatch(database.sql, id)
    assert.deepEqual([meanwhile?.linesCompleted, meanwhile?.endedAt], [0, null])
    isOurs = true
    const batch = await batches.ended(id)
    assert.deepEqual([batch.status, batch.linesCompleted], ['completed', 3])
    assert.equal((await batches.textOf(batch.outputFileId)).length, 3)
  })

  it('tells what became of an answer, however long the database is away meanwhile', async () => {
    let isOurs = true
    let asked = 0
    let reach: () => boolean = () => {
      throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    }
    const fence = async () => {
      asked++
      return reach()
    }
    const limits = { shutdownMsMax: 1 }
    batches = testBatches(database, goodAnswer, { isOurs: () => isOurs, fence, limits })
    batches.runner.start()
    await batches.make(lines(1))
    await until(() => asked > 0)
    isOurs = false
    batches.runner.wake()
    const before = asked
    await until(() => asked > before + 2)
    assert.equal(batches.requests[0]?.fate, undefined)
    reach = () => false
    await until(() => batches.requests[0]?.fate === 'dropped')
  })

  it('ends with a reason when its key ends', async () => {
    batches = testBatches(database, (line) =>
      nameOf(line) === 'line-0' ? goodAnswer(line) : 'never',
    )
    batches.runner.start()
    const { id } = await batches.make(lines(20))
    while ((await findBatch(database.sql, id))?.linesCompleted !== 1) await tick()
    batches.principal = undefined
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'failed')
    assert.equal(batch.errors[0]?.code, 'key_revoked')
    assert.match(batch.reason ?? '', /key/)
    assert.equal((await batches.textOf(batch.outputFileId)).length, 1)
    assert.equal((await batches.textOf(batch.errorFileId)).length, 19)
  })

  it('ends with a reason when its input file is deleted', async () => {
    batches = testBatches(database, goodAnswer)
    const { id, inputFileId } = await batches.make(lines(3))
    await batches.files.delete({ tenantId: 'ten_1', projectId: 'prj_1' }, inputFileId)
    batches.runner.start()
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'failed')
    assert.equal(batch.errors[0]?.code, 'input_file_missing')
  })

  it('goes on after a stop where it was, and answers no line twice', async () => {
    let answered = 0
    const first = testBatches(database, (line) => (answered++ < 20 ? goodAnswer(line) : 'never'))
    first.runner.start()
    const { id } = await first.make(lines(60))
    while ((await findBatch(database.sql, id))?.linesCompleted !== 20) await tick()
    first.runner.stop()
    batches = testBatches(database, goodAnswer)
    batches.runner.start()
    const batch = await batches.ended(id)
    assert.equal(batch.status, 'completed')
    const rows = parsed(await batches.textOf(batch.outputFileId))
    assert.deepEqual(rows.map((row) => row.custom_id).sort(), names(60).sort())
    assert.equal(batches.requests.length, 40)
  })

  it('can be looked up for so many days after its end, and then goes', async () => {
    batches = testBatches(database, goodAnswer, { limits: { batchDays: 1 } })
    const [old, young, unended] = await Promise.all([1, 2, 3].map(() => batches.make(lines(2))))
    const { sql } = database
    const end = (id = '', hours = 0) => sql`
      update batches set status = 'completed', ended_at = now() - make_interval(hours => ${hours})
      where id = ${id}`
    await end(old?.id, 25)
    await end(young?.id, 23)
    batches.runner.start()
    await batches.ended(unended?.id ?? '')
    await eventually('the old one is gone', async () => {
      const rows = await sql<{ id: string }[]>`select id from batches`
      return !rows.some(({ id }) => id === old?.id)
    })
    const rows = await sql<{ id: string }[]>`select id from batches`
    const ids = rows.map(({ id }) => id)
    assert.deepEqual(new Set(ids), new Set([young?.id, unended?.id]))
  })

  it('shares a tenant between its batches', async () => {
    batches = testBatches(database, goodAnswer)
    const made = await Promise.all(Array.from({ length: 3 }, () => batches.make(lines(40))))
    batches.runner.start()
    for (const { id } of made) assert.equal((await batches.ended(id)).status, 'completed')
    const firstHalf = batches.requests.slice(0, 60).map(({ line }) => line.batchId)
    assert.equal(new Set(firstHalf).size, 3)
  })
})

const tick = () => new Promise((resolve) => setTimeout(resolve, 10))
