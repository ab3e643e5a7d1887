import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { type CapacityMinute, queryCapacity, queryTenantCapacity, recordCapacity } from './index.ts'

const FROM_MS = Date.UTC(2026, 0, 1)
const day = { fromMs: FROM_MS, toMs: FROM_MS + 86_400_000, stepS: 300 }

let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(() => database.reset())

function minute(number: number, changes: Partial<CapacityMinute> = {}): CapacityMinute {
  return {
    engineId: 'eng_a',
    minuteAtMs: FROM_MS + number * 60_000,
    registeredS: 60,
    upS: 50,
    idleS: 20,
    degradedS: 5,
    drainingS: 0,
    freeS: 25,
    drainedS: 0,
    loadingS: 4,
    downS: 6,
    attempts: 4,
    failures: { broken: 1 },
    capacityUnitsPerS: 100,
    slotS: 120,
    capSlotS: 480,
    tenants: [share('ten_a', 1000), share('ten_b', 500)],
    ...changes,
  }
}

function share(tenantId: string, interactiveUnits: number) {
  const waste = { client_gone: 12, engine_failed: 3 }
  return {
    tenantId,
    engineS: 12.5,
    interactiveUnits,
    backgroundUnits: 10,
    entitledUnits: 700,
    waste,
  }
}

describe('engine minutes', () => {
  it('are summed up per step', async () => {
    const minutes = [
      minute(0),
      minute(1),
      minute(7, { engineId: 'eng_b', capacityUnitsPerS: null }),
    ]
    await recordCapacity(database, 'run_1', minutes)
    const step = { registeredS: 60, upS: 50, idleS: 20, slotS: 120, capSlotS: 480 }
    const double = { registeredS: 120, upS: 100, idleS: 40, slotS: 240, capSlotS: 960 }
    assert.deepEqual(
      (await queryCapacity(database.sql, day)).map((point) => ({ ...point })),
      [
        { atMs: FROM_MS, ...double, capacityUnits: 12_000 },
        { atMs: FROM_MS + 300_000, ...step, capacityUnits: 0 },
      ],
    )
    assert.equal((await queryCapacity(database.sql, { ...day, engineId: 'eng_b' })).length, 1)
    const tenants = await queryTenantCapacity(database.sql, { ...day, tenantId: 'ten_a' })
    const first = { interactiveUnits: 2000, backgroundUnits: 20, entitledUnits: 1400 }
    assert.deepEqual(
      { ...tenants[0] },
      {
        atMs: FROM_MS,
        tenantId: 'ten_a',
        ...first,
        wasteUnits: 30,
      },
    )
    assert.equal((await queryTenantCapacity(database.sql, day)).length, 4)
  })

  it('written again replace what the same run wrote before', async () => {
    await recordCapacity(database, 'run_1', [minute(0)])
    const less = minute(0, { upS: 30, tenants: [share('ten_a', 5)] })
    await recordCapacity(database, 'run_1', [less])
    const [point] = await queryCapacity(database.sql, day)
    assert.equal(point?.upS, 30)
    const tenants = await queryTenantCapacity(database.sql, day)
    assert.deepEqual(
      tenants.map((one) => [one.tenantId, one.interactiveUnits]),
      [['ten_a', 5]],
    )
  })

  it('of a minute that two runs shared add up', async () => {
    await recordCapacity(database, 'run_1', [minute(0, { registeredS: 20, upS: 20 })])
    await recordCapacity(database, 'run_2', [minute(0, { registeredS: 35, upS: 30 })])
    const [point] = await queryCapacity(database.sql, day)
    assert.deepEqual([point?.registeredS, point?.upS], [55, 50])
  })

  it('need not have tenants, and none at all is nothing to do', async () => {
    await recordCapacity(database, 'run_1', [])
    await recordCapacity(database, 'run_1', [minute(0, { tenants: [] })])
    assert.equal((await queryCapacity(database.sql, day)).length, 1)
    assert.deepEqual(await queryTenantCapacity(database.sql, day), [])
  })
})
