import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  type CapacityMinute,
  type EngineHealthState,
  queryChanges,
  queryErrors,
  querySteps,
  recordCapacity,
  recordChange,
} from './index.ts'

const FROM_MS = Date.UTC(2026, 0, 8)
const DAY_MS = 86_400_000

let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(() => database.reset())

const minute = (number: number, changes: Partial<CapacityMinute> = {}): CapacityMinute => ({
  engineId: 'eng_a',
  minuteAtMs: FROM_MS + number * 60_000,
  registeredS: 60,
  upS: 60,
  idleS: 0,
  degradedS: 0,
  drainingS: 0,
  freeS: 60,
  drainedS: 0,
  loadingS: 0,
  downS: 0,
  attempts: 10,
  failures: {},
  capacityUnitsPerS: null,
  slotS: 0,
  capSlotS: 0,
  tenants: [],
  ...changes,
})

describe('the history of an engine', () => {
  it('is its minutes in steps, with what failed there by cause', async () => {
    await recordCapacity(database, 'run_1', [
      minute(0, { degradedS: 20, failures: { broken: 2, status_503: 1 } }),
      minute(1, { upS: 10, drainingS: 30, failures: { broken: 1 } }),
      minute(20),
      minute(21, { engineId: 'eng_b', failures: { timeout: 9 } }),
    ])
    const steps = await querySteps(database.sql, 'eng_a', FROM_MS, 900)
    const first = { registeredS: 120, upS: 70, degradedS: 20, drainingS: 30 }
    const second = { registeredS: 60, upS: 60, degradedS: 0, drainingS: 0 }
    assert.deepEqual(
      steps.map((step) => ({ ...step })),
      [
        { atMs: FROM_MS, ...first, attempts: 20, failed: 4 },
        { atMs: FROM_MS + 900_000, ...second, attempts: 10, failed: 0 },
      ],
    )
    const { causes, ...sums } = await queryErrors(database.sql, 'eng_a', FROM_MS)
    assert.deepEqual(sums, { attempts: 30, failed: 4 })
    assert.deepEqual(
      causes.map((one) => [one.cause, one.count]),
      [
        ['broken', 3],
        ['status_503', 1],
      ],
    )
    const later = await queryErrors(database.sql, 'eng_a', FROM_MS + 60_000)
    assert.deepEqual([later.attempts, later.failed], [20, 1])
    const nothing = await queryErrors(database.sql, 'eng_c', FROM_MS)
    assert.deepEqual(nothing, { attempts: 0, failed: 0, causes: [] })
  })

  it('has the changes of a week, newest first', async () => {
    const change = (atMs: number, state: EngineHealthState) =>
      recordChange(database.sql, { engineId: 'eng_a', atMs, state, reason: `It is ${state}.` })
    await change(FROM_MS - 8 * DAY_MS, 'up')
    await change(FROM_MS - 6 * DAY_MS, 'down')
    await change(FROM_MS, 'draining')
    await change(FROM_MS, 'up')
    const changes = await queryChanges(database.sql, 'eng_a', 10)
    assert.deepEqual(
      changes.map(({ atMs, state, reason }) => [atMs, state, reason]),
      [
        [FROM_MS, 'up', 'It is up.'],
        [FROM_MS - 6 * DAY_MS, 'down', 'It is down.'],
      ],
    )
    assert.equal((await queryChanges(database.sql, 'eng_a', 1)).length, 1)
    assert.deepEqual(await queryChanges(database.sql, 'eng_b', 10), [])
  })
})
