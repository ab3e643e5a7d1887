import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../../base/index.ts'
import { until } from '../../base/test-eventually.ts'
import { openTestDatabase, type Queries, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { recordCapacity } from '../capacity.ts'
import { Books } from './books.ts'
import { engineKey, readClassShares } from './class-shares.ts'
import { foldCosts } from './cost-folding.ts'
import { addEngineCost } from './engine-costs.ts'
import { dropMinutes } from './minute-retention.ts'
import { periodCosts } from './period.ts'
import { verifyStatements } from './verify-statements.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FROM_MS = Date.UTC(2026, 9, 1)
const actor = { name: 'cli', from: 'local' }
const logger = createLogger('silent', 'test')

let database: TestDatabase
let tenancy: Tenancy
before(async () => {
  database = await openTestDatabase()
  const clock = new FakeClock(FROM_MS)
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
})
after(async () => {
  await tenancy.close()
  await database.close()
})

beforeEach(async () => {
  await database.reset()
  const { sql } = database
  await sql`insert into tenant_weights (tenant_id, from_at, weight)
    values ('ten_a', '2026-01-01', 1), ('ten_b', '2026-01-01', 2)`
  await setCost(0, 3_600_000_007n)
  for (const hour of [0, 5, 23, 24, 26]) await write(hour * 60 + 7)
})

const setCost = (minute: number, machine: bigint) =>
  addEngineCost(database.sql, {
    ...{ engineId: 'eng_1', engineName: 'gpu-1', actor: 'cli', atMs: FROM_MS },
    ...{ machine, energy: 0n, staff: 0n, fromMs: FROM_MS + minute * 60_000 },
  })

/** A minute of an engine that is half idle. */
const write = (minute: number, run = 'run', interactiveUnits = 70) =>
  recordCapacity(database, run, [
    {
      engineId: 'eng_1',
      minuteAtMs: FROM_MS + minute * 60_000,
      registeredS: 60,
      ...{ upS: 60, idleS: 0, degradedS: 0, drainingS: 0, slotS: 0, capSlotS: 0 },
      ...{ freeS: 30, drainedS: 0, loadingS: 0, downS: 0 },
      ...{ attempts: 0, failures: {}, capacityUnitsPerS: null },
      tenants: ['ten_a', 'ten_b'].map((tenantId, at) => ({
        ...{ tenantId, engineS: 25.5 - 21 * at, interactiveUnits, backgroundUnits: 7 },
        ...{ entitledUnits: 0, waste: { client_gone: 11, timeout: 5 } },
      })),
    },
  ])

const settle = (id: string, servedClass: string, atMs: number, sql: Queries = database.sql) => sql`
  insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model, service_class,
    served_class, engine_id, settlement_group, end_reason, estimated, input_tokens, cached_tokens,
    output_tokens, queue_ms, engine_ms, settled_at)
  values (${id}, 'ten_a', 'prj', 'key', 'small', 'standard', ${servedClass}, 'eng_1', 'finished',
    'done', false, 100, 0, 10, 0, 5, ${new Date(atMs)})`

const fold = (hours: number) => foldCosts(database, new FakeClock(FROM_MS + hours * HOUR_MS))
const costs = (reading: 'sums' | 'records', fromMs = FROM_MS, toMs = FROM_MS + 2 * DAY_MS) =>
  periodCosts(database.sql, fromMs, toMs, 'use', reading)

async function summed(): Promise<number[]> {
  const rows = await database.sql<{ hour: number; hours: number }[]>`
    select (extract(epoch from from_at) - ${FROM_MS / 1000})::int / 3600 as hour,
      extract(epoch from until_at - from_at)::int / 3600 as hours
    from cost_sums where is_ready order by 1`
  return rows.flatMap(({ hour, hours }) => [hour, hours])
}

const classes = async () => {
  const shares = await readClassShares(database.sql, FROM_MS, FROM_MS + 2 * DAY_MS)
  return shares.get(engineKey('ten_a', 'eng_1'))
}

/** Sums whose amounts nobody can have by way of minutes. */
const doubled = () => database.sql`update cost_sum_engines set registered = 2 * registered`
const total = (found: Awaited<ReturnType<typeof costs>>) =>
  found.engines.reduce((sum, { nanos }) => sum + nanos, 0n)

describe('minutes of engines', () => {
  it('are summed up by the hour, and by the day once it is over', async () => {
    assert.equal(await fold(6), 1)
    assert.deepEqual(await summed(), [0, 1], 'until two minutes ago an hour may be written')
    assert.equal(await fold(6.1), 1)
    assert.equal(await fold(6.1), 0)
    assert.deepEqual(await summed(), [0, 1, 5, 1])
    assert.equal(await fold(27.1), 3)
    assert.deepEqual(await summed(), [0, 24, 24, 1, 26, 1])
  })

  it('cost the same as sums, and what is billed does not rest on these', async () => {
    const found = await costs('records')
    await fold(27.1)
    assert.deepEqual(await costs('sums'), found)
    await doubled()
    assert.ok(total(await costs('sums')) > total(found))
    assert.deepEqual(await costs('records'), found)
  })

  it('cost the same as sums where an engine did the work of weeks for one tenant', async () => {
    for (const minute of [8, 1448]) await write(minute, 'run', 8_000_000_000)
    await fold(27.1)
    assert.deepEqual(await costs('sums'), await costs('records'))
  })

  it('are read again where one came later, or a cost or a weight changed', async () => {
    const changes = [
      [1, () => write(5 * 60 + 8)],
      [1, () => write(5 * 60 + 8, 'another run')],
      [1, () => setCost(30, 7_000_000_000n)],
      // A weight holds for all that follows.
      [
        3,
        () => database.sql`insert into tenant_weights (tenant_id, from_at, weight)
          values ('ten_b', ${new Date(FROM_MS + 5.5 * HOUR_MS)}, 1)`,
      ],
    ] as const
    for (const [times, change] of changes) {
      await fold(27.1)
      await change()
      assert.deepEqual(await costs('sums'), await costs('records'))
      assert.equal(await fold(27.1), times)
      assert.deepEqual(await costs('sums'), await costs('records'))
    }
  })

  it('are not summed up where one came meanwhile', async () => {
    let isFirst = true
    const transaction: TestDatabase['transaction'] = async (work) => {
      const result = await database.transaction(work)
      if (isFirst) await write(9)
      isFirst = false
      return result
    }
    const clock = new FakeClock(FROM_MS + 1.1 * HOUR_MS)
    assert.equal(await foldCosts({ sql: database.sql, transaction }, clock), 0)
    assert.equal(await foldCosts(database, clock), 1)
    assert.deepEqual(await costs('sums'), await costs('records'))
  })

  it('share out classes with what was settled later', async () => {
    await settle('req_1', 'standard', FROM_MS + 5 * HOUR_MS)
    await fold(27.1)
    assert.deepEqual(await classes(), new Map([['standard', 120n]]))
    await settle('req_2', 'batch', FROM_MS + 6 * HOUR_MS)
    const both = { standard: 120n, batch: 120n }
    assert.deepEqual(Object.fromEntries((await classes()) ?? []), both)
    assert.equal(await fold(27.1), 1)
    assert.deepEqual(Object.fromEntries((await classes()) ?? []), both)
  })
})

describe('what is being settled as of a time', () => {
  it('is in its classes, whatever comes first', async () => {
    const [isWritten, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const settling = database.transaction(async (sql) => {
      await settle('req_1', 'standard', FROM_MS + 5 * HOUR_MS, sql)
      isWritten.resolve()
      await mayCommit.promise
    })
    await isWritten.promise
    let isFolded = false
    const folding = fold(6.1).then(() => {
      isFolded = true
    })
    await until(async () => isFolded || (await waitingForLocks()) > 0)
    mayCommit.resolve()
    await Promise.all([settling, folding])
    assert.deepEqual(await classes(), new Map([['standard', 120n]]))
  })

  async function waitingForLocks(): Promise<number> {
    const [row] = await database.sql<{ count: number }[]>`
      select count(*)::int from pg_locks where not granted`
    return row?.count ?? 0
  }
})

describe('old minutes of engines', () => {
  const clock = new FakeClock(FROM_MS + 10 * DAY_MS)
  const drop = (minuteDays = 9) =>
    dropMinutes({ database, audit: tenancy.audit, clock, minuteDays })
  const close = (fromMs: number, toMs: number) =>
    new Books({ database, tenancy, clock, currency: 'EUR', seed: new Uint8Array(32) }).close(
      { fromMs, toMs, rule: 'use', basis: 'cost' },
      actor,
    )
  const left = async () => {
    const [row] = await database.sql<{ minutes: number; uses: number }[]>`
      select (select count(*) from engine_minutes) as minutes,
        (select count(*) from engine_minute_tenants) as uses`
    return row
  }

  it('stay until they are summed up and closed, and then cost and prove the same', async () => {
    const found = await costs('records')
    assert.match((await drop()).reason ?? '', /2026-10-01 are not summed up/)
    await foldCosts(database, clock)
    assert.match((await drop()).reason ?? '', /no statement has the time from 2026-10-01T00:00/)
    // A month of another time zone.
    const edgeMs = FROM_MS + 23 * HOUR_MS
    await close(FROM_MS, edgeMs)
    await close(edgeMs, FROM_MS + 2 * DAY_MS)
    assert.match((await drop()).reason ?? '', /not summed up/, 'the statement divides the day')
    await foldCosts(database, clock)
    assert.deepEqual(await drop(10), { dropped: 0, reason: null })
    assert.deepEqual(await drop(), { dropped: 1, reason: null })
    assert.deepEqual(await left(), { minutes: 2, uses: 4 })
    assert.deepEqual(await costs('records'), found)
    assert.deepEqual(await costs('sums'), found)
    assert.equal((await verifyStatements(database.sql, 0)).broken, null)
    assert.deepEqual((await costs('sums', edgeMs)).fromMs, edgeMs)
    const { rows } = await tenancy.audit.list({ action: 'ledger.drop' }, { limit: 10 })
    assert.deepEqual(
      rows.map(({ subject }) => subject),
      ['minutes:2026-10-01'],
    )
    // What comes this late is in no sum.
    await write(9)
    assert.deepEqual(await drop(), { dropped: 0, reason: null })
    assert.deepEqual(await left(), { minutes: 2, uses: 4 })
    assert.deepEqual(await costs('sums'), found)
  })

  it('cannot be taken apart any more', async () => {
    await close(FROM_MS, FROM_MS + 2 * DAY_MS)
    await foldCosts(database, clock)
    await drop()
    const cut = (param: string) => (error: { code?: string; message?: string }) =>
      error.code === 'invalid_value' && (error.message ?? '').startsWith(param)
    await assert.rejects(costs('sums', FROM_MS + 60_000), cut('from'))
    await assert.rejects(costs('records', FROM_MS, FROM_MS + HOUR_MS), cut('to'))
    const { sql } = database
    await sql.begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`
      await transaction`delete from ledger_statements`
    })
    await assert.rejects(setCost(60, 1n), cut('from'))
    await setCost(24 * 60, 1n)
  })
})
