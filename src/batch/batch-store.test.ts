import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { batchesInTurn, cancelBatch } from './batch-store.ts'
import { chatLine, goodAnswer, type TestBatches, testBatches } from './test-batches.ts'

describe('the batches in turn', () => {
  let database: TestDatabase
  let batches: TestBatches

  before(async () => {
    database = await openTestDatabase()
    batches = testBatches(database, goodAnswer)
  })
  after(async () => {
    await batches.close()
    await database.close()
  })

  it('are the oldest of each tenant, what runs and what ends, and no others', async () => {
    const make = async (tenantId: string) => (await batches.make([chatLine('a')], { tenantId })).id
    const mine: string[] = []
    for (let i = 0; i < 6; i++) mine.push(await make('ten_1'))
    const theirs = await make('ten_2')
    const at = new Date()
    const inTurn = async (running: string[] = [], now = at, stuck: string[] = []) => {
      const options = { perTenantMax: 2, running, stuck, at: now }
      const rows = await batchesInTurn(database.sql, options)
      return rows.map(({ id }) => id)
    }
    const first = [...mine.slice(0, 2), theirs]
    assert.deepEqual(await inTurn(), first)
    assert.deepEqual(await inTurn([mine[4] ?? '']), [...mine.slice(0, 2), mine[4], theirs])
    assert.deepEqual(await inTurn([], at, mine.slice(0, 1)), [...mine.slice(0, 3), theirs])
    await cancelBatch(database.sql, mine[5] ?? '', at)
    assert.deepEqual(await inTurn(), [...mine.slice(0, 2), mine[5], theirs])
    const afterAll = new Date(at.getTime() + 10 * 86_400_000)
    assert.deepEqual(await inTurn([], afterAll), [...mine, theirs])
  })
})
