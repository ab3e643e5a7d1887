import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { FakeClock } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { recordCapacity } from '../capacity.ts'
import { foldUsage } from '../usage-hours.ts'
import { byClass, engineKey, readClassShares, rentedKey, UNSETTLED } from './class-shares.ts'
import { type CostDay, costDays } from './cost-days.ts'
import { foldCosts } from './cost-folding.ts'
import { costForecast, costMonths } from './cost-trend.ts'
import { addEngineCost } from './engine-costs.ts'
import { periodCosts } from './period.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const UNIT = 1_000_000_000n
const at = (text: string) => Date.parse(`${text}T00:00:00Z`)

const day = (atMs: number, used: number): CostDay => {
  return { atMs, used: BigInt(used) * UNIT, idle: 0n, rented: 0n }
}
const days = (from: string, count: number, used: (n: number) => number = () => 10) =>
  Array.from({ length: count }, (_, n) => day(at(from) + n * DAY_MS, used(n)))

describe('the trend of costs', () => {
  it('has a month for each in which anything cost', () => {
    const months = costMonths(days('2026-09-25', 50))
    assert.deepEqual(
      months.map(({ fromMs, used }) => [new Date(fromMs).toISOString().slice(0, 7), used / UNIT]),
      [
        ['2026-09', 60n],
        ['2026-10', 310n],
        ['2026-11', 130n],
      ],
    )
  })
})

describe('the forecast of a month', () => {
  const nowMs = at('2026-11-20') + 12 * HOUR_MS
  const inUnits = (nanos: number) => Math.round(nanos / 1e9)

  it('is what it cost so far and what days like those before will', () => {
    const past = [...days('2026-10-01', 50), day(at('2026-11-20'), 5)]
    const { month, soFar, days: counted } = costForecast(past, nowMs)
    assert.equal(soFar, 195n * UNIT)
    assert.equal(counted, 49, 'the first day may be a part of one')
    assert.deepEqual(
      [month?.low, month?.expected, month?.high].map((n) => inUnits(n ?? 0)),
      [300, 300, 300],
    )
  })

  it('has an interval where days differ', () => {
    const past = days('2026-10-01', 50, (n) => 5 + (n % 11))
    const { month } = costForecast(past, nowMs)
    assert.ok(month !== null && month.low < month.expected && month.expected < month.high)
  })

  it('says so where there are fewer than seven whole days', () => {
    const { month, days: counted } = costForecast(days('2026-11-13', 7), nowMs)
    assert.deepEqual([month, counted], [null, 6])
    assert.equal(costForecast([], nowMs).month, null)
  })

  it('counts days on which nothing ran', () => {
    const past = days('2026-10-01', 50).filter((_, n) => n < 43)
    const { month } = costForecast(past, nowMs)
    assert.ok(inUnits(month?.expected ?? 0) < 230, `${month?.expected}`)
  })
})

it('days of engines are those of UTC, though the clocks of the server change', async () => {
  const database = await openTestDatabase({ settings: { timezone: 'Europe/Berlin' } })
  try {
    const dates = ['2026-10-24', '2026-10-25', '2026-10-26', '2026-10-27']
    for (const date of dates) {
      await database.sql`
        insert into engine_minutes (engine_id, minute_at, recorder, registered_s, up_s, idle_s,
          slot_s, cap_slot_s)
        values ('eng_1', ${`${date}T00:30:00Z`}, 'run_1', 60, 60, 0, 0, 0)`
    }
    await foldCosts(database, new FakeClock(at('2026-10-28')))
    const found = await database.sql<{ ms: number }[]>`
      select (extract(epoch from from_at) * 1000)::float8 as ms from cost_sums order by from_at`
    assert.deepEqual(
      found.map(({ ms }) => ms),
      dates.map(at),
    )
  } finally {
    await database.close()
  }
})

describe('what engines cost by day and by class', () => {
  let database: TestDatabase
  const fromMs = at('2026-11-01')
  before(async () => {
    database = await openTestDatabase()
    const { sql } = database
    const none = { energy: 0n, staff: 0n, engineName: 'gpu', actor: 'cli', atMs: 0 }
    const cost = (engineId: string, machine: bigint, sinceMs: number) =>
      addEngineCost(sql, { ...none, engineId, machine, fromMs: sinceMs })
    await cost('eng_1', 60n * UNIT, 0)
    await cost('eng_1', 120n * UNIT, fromMs + 2 * 60_000)
    for (const run of ['run_1', 'run_2']) {
      await recordCapacity(
        database,
        run,
        [0, 1, 2, 24 * 60].map((n) => minute('eng_1-2', n)),
      )
    }
    await recordCapacity(database, 'run_1', [minute('eng_free', 0)])
    await settle('req_1', 'standard', 100, null)
    await settle('req_2', 'batch', 200, null)
    await settle('req_3', 'flex', 9, 'openai/gpt-x')
  })
  after(() => database.close())

  const minute = (engineId: string, number: number) => ({
    engineId,
    minuteAtMs: fromMs + number * 60_000,
    registeredS: 60,
    ...{ upS: 60, idleS: 0, degradedS: 0, drainingS: 0, slotS: 0, capSlotS: 0 },
    ...{ freeS: 30, drainedS: 0, loadingS: 0, downS: 15 },
    ...{ attempts: 0, failures: {}, capacityUnitsPerS: null },
    tenants: [
      {
        ...{ tenantId: 'ten_a', engineS: 15, interactiveUnits: 1, backgroundUnits: 0 },
        ...{ entitledUnits: 0, waste: {} },
      },
    ],
  })

  const settle = (id: string, served: string, input: number, target: string | null) =>
    database.sql`
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
        cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, engine_id, rented_target,
        spend_nanos)
      values (${id}, 'ten_a', 'prj_1', 'key_1', 'small', 'standard', ${served}, 'finished', 'done',
        false, ${input}, 0, 0, 0, 5, '2026-11-01T00:30:00Z', ${target === null ? 'eng_1-2' : null},
        ${target}, ${target === null ? null : 77})`

  it('adds up to what a period cost, by days that two gateways watched', async () => {
    const toMs = fromMs + 2 * DAY_MS
    const found = await costDays(database.sql, fromMs, toMs)
    assert.deepEqual(found, [
      // A quarter of minutes of 1, 1 and 2; engines without a cost cost nothing.
      { atMs: fromMs, used: UNIT, idle: 3n * UNIT, rented: 77n },
      { atMs: fromMs + DAY_MS, used: UNIT / 2n, idle: (3n * UNIT) / 2n, rented: 0n },
    ])
    const { engines } = await periodCosts(database.sql, fromMs, toMs, 'operator', 'records')
    const cost = engines.reduce((sum, { nanos }) => sum + nanos, 0n)
    assert.equal(
      cost,
      found.reduce((sum, { used, idle }) => sum + used + idle, 0n),
    )
  })

  it('says the same once days are summed up, and knows minutes that came later', async () => {
    const toMs = fromMs + 2 * DAY_MS
    const clock = new FakeClock(toMs)
    const { sql } = database
    const read = () => costDays(sql, fromMs, toMs)
    const found = await read()
    await foldUsage(database)
    assert.equal(await foldCosts(database, clock), 2)
    assert.equal(await foldCosts(database, clock), 0)
    assert.deepEqual(await read(), found)
    // The second day has no change of a cost, so that it is read as it was summed up.
    await sql`
      update cost_sum_engines set registered = 2 * registered
      where part_at >= ${new Date(fromMs + DAY_MS)}`
    assert.equal((await read())[1]?.used, (found[1]?.used ?? 0n) + 2n * UNIT)
    await recordCapacity(database, 'run_3', [minute('eng_1-2', 24 * 60 + 1)])
    assert.deepEqual((await read())[1]?.used, UNIT)
    assert.equal(await foldCosts(database, clock), 1)
    assert.deepEqual((await read())[1]?.used, UNIT)
  })

  it('shares a part of an engine among the classes that were settled there', async () => {
    const shares = await readClassShares(database.sql, fromMs, fromMs + DAY_MS)
    const own = byClass(100n, shares.get(engineKey('ten_a', 'eng_1-2')))
    assert.deepEqual(
      own,
      new Map([
        ['batch', 67n],
        ['standard', 33n],
      ]),
    )
    const rented = byClass(77n, shares.get(rentedKey('ten_a', 'openai/gpt-x', 'small')))
    assert.deepEqual(rented, new Map([['flex', 77n]]))
    assert.deepEqual(
      byClass(5n, shares.get(engineKey('ten_b', 'eng_1-2'))),
      new Map([[UNSETTLED, 5n]]),
    )
  })
})
