import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { CapacityWriter } from './capacity-writer.ts'
import type { CapacityMinute } from './types.ts'

const minute = (number: number, registeredS = 60): CapacityMinute => ({
  engineId: 'eng_a',
  minuteAtMs: number * 60_000,
  registeredS,
  ...{ upS: 60, idleS: 0, degradedS: 0, drainingS: 0, slotS: 0, capSlotS: 0 },
  ...{ freeS: 60, drainedS: 0, loadingS: 0, downS: 0 },
  ...{ attempts: 0, failures: {}, capacityUnitsPerS: null, tenants: [] },
})

describe('engine minutes', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => database.reset())

  /** Its transactions fail with these codes, one after the other, and then do not; '' is none. */
  function open(...codes: string[]): CapacityWriter {
    const transaction: TestDatabase['transaction'] = (work) => {
      const code = codes.shift()
      if (!code) return database.transaction(work)
      return Promise.reject(Object.assign(new Error('away'), { code }))
    }
    return new CapacityWriter({ transaction }, 'run', createLogger('silent', 'test'))
  }
  const written = async () => {
    const rows = await database.sql<{ minute: number }[]>`
      select (extract(epoch from minute_at) / 60)::int as minute from engine_minutes order by 1`
    return rows.map((row) => row.minute)
  }

  it('wait while the database is away', async () => {
    const writer = open('CONNECTION_CLOSED', 'CONNECTION_CLOSED')
    for (const number of [1, 2, 3]) {
      writer.add([minute(number)])
      await writer.close()
    }
    assert.deepEqual(await written(), [1, 2, 3])
  })

  it('wait while it is slow, full, or the replica that another was replaced by', async () => {
    const writer = open('57014', '53100', '25006')
    for (const number of [1, 2, 3, 4]) {
      writer.add([minute(number)])
      await writer.close()
    }
    assert.deepEqual(await written(), [1, 2, 3, 4])
  })

  it('that waited for long are written piece by piece, and what is written stays so', async () => {
    const writer = open('', 'CONNECTION_CLOSED')
    writer.add(Array.from({ length: 250 }, (_, at) => ({ ...minute(1), engineId: `eng_${at}` })))
    await writer.close()
    const first = (await written()).length
    assert.ok(first > 0 && first < 250, `${first}`)
    writer.add([minute(2)])
    await writer.close()
    assert.equal((await written()).length, 251)
  })

  it('that the clock goes through again are kept beside what they were', async () => {
    const writer = open()
    for (const number of [1, 2, 1, 2]) writer.add([minute(number, 30)])
    await writer.close()
    assert.deepEqual(await written(), [1, 1, 2, 2])
  })

  it('in which an engine was removed and came again have both its parts', async () => {
    const writer = open('CONNECTION_CLOSED', 'CONNECTION_CLOSED')
    for (const registeredS of [20, 30, 0]) {
      writer.add(registeredS > 0 ? [minute(1, registeredS)] : [])
      await writer.close()
    }
    assert.deepEqual(await written(), [1, 1])
  })

  it('that the database refuses do not hold up those that follow', async () => {
    const writer = open()
    writer.add([minute(1, -1), { ...minute(1), engineId: 'eng_b' }])
    writer.add([minute(2)])
    await writer.close()
    writer.add([minute(3)])
    await writer.close()
    assert.deepEqual(await written(), [1, 2, 3], 'that of the other engine')
  })
})
