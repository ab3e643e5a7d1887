/** Batches in what rarely happens: hostile lines, long waits, another gateway in between. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { systemClock } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { cancelBatch } from './batch-store.ts'
import { type TestBatches, testBatches } from './test-batches.ts'

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
})
