import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { type CapacityMinute, recordCapacity } from './index.ts'

const FROM_MS = Date.UTC(2026, 0, 1)

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

const written = async () => {
  const rows = await database.sql<{ minute: number; engine: string; run: string; upS: number }[]>`
    select (extract(epoch from minute_at) / 60)::int - ${FROM_MS / 60_000} as minute,
      engine_id as engine, recorder as run, up_s as "upS"
    from engine_minutes order by 1, 2, 3`
  return rows.map(({ minute: at, engine, run, upS }) => [at, engine, run, upS])
}
const writtenOfTenants = async () => {
  const rows = await database.sql<{ run: string; tenantId: string; units: number }[]>`
    select recorder as run, tenant_id as "tenantId", interactive_units as units
    from engine_minute_tenants order by minute_at, engine_id, 1, 2`
  return rows.map(({ run, tenantId, units }) => [run, tenantId, units])
}

describe('engine minutes', () => {
  it('are written with what each tenant got', async () => {
    await recordCapacity(database, 'run_1', [minute(0), minute(7, { engineId: 'eng_b' })])
    assert.deepEqual(await written(), [
      [0, 'eng_a', 'run_1', 50],
      [7, 'eng_b', 'run_1', 50],
    ])
    const [row] = await database.sql`
      select engine_s, background_units, entitled_units, waste from engine_minute_tenants limit 1`
    assert.deepEqual(row, {
      engine_s: 12.5,
      background_units: 10,
      entitled_units: 700,
      waste: { client_gone: 12, engine_failed: 3 },
    })
    assert.equal((await writtenOfTenants()).length, 4)
  })

  it('written again replace what the same run wrote before', async () => {
    await recordCapacity(database, 'run_1', [minute(0)])
    const less = minute(0, { upS: 30, tenants: [share('ten_a', 5)] })
    await recordCapacity(database, 'run_1', [less])
    assert.deepEqual(await written(), [[0, 'eng_a', 'run_1', 30]])
    assert.deepEqual(await writtenOfTenants(), [['run_1', 'ten_a', 5]])
  })

  it('of a minute that two runs shared stay beside each other', async () => {
    await recordCapacity(database, 'run_1', [minute(0, { registeredS: 20, upS: 20 })])
    await recordCapacity(database, 'run_2', [minute(0, { registeredS: 35, upS: 30 })])
    assert.deepEqual(await written(), [
      [0, 'eng_a', 'run_1', 20],
      [0, 'eng_a', 'run_2', 30],
    ])
  })

  it('need not have tenants, and none at all is nothing to do', async () => {
    await recordCapacity(database, 'run_1', [])
    await recordCapacity(database, 'run_1', [minute(0, { tenants: [] })])
    assert.equal((await written()).length, 1)
    assert.deepEqual(await writtenOfTenants(), [])
  })
})
