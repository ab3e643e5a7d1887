import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemClock, systemRandom } from '../../base/index.ts'
import { until } from '../../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy } from '../../tenancy/index.ts'
import { forgetCounters, leaseBudget, reclaimLeases } from './budget-rows.ts'
import { LeaseKeeper } from './lease-keeper.ts'

const logger = createLogger('silent', 'test')
const LIMIT = 1000n
const DAY_MS = 86_400_000

/** As of a machine whose monotonic clock stands still while it sleeps. */
class SleepingClock extends FakeClock {
  sleptMs = 0

  override nowMs(): number {
    return super.nowMs() + this.sleptMs
  }
}

let database: TestDatabase
let clock: SleepingClock
let keeper: LeaseKeeper
let counterId: string
let budgets = 0

before(async () => {
  database = await openTestDatabase()
  const services = { database, clock: systemClock, random: systemRandom, logger }
  const tenancy = await createTenancy(services)
  await tenancy.tenants.create({ name: 'One' }, { name: 'cli', from: 'local' })
  await tenancy.close()
})
after(() => database.close())
beforeEach(async () => {
  clock = new SleepingClock()
  const id = `bud_${++budgets}`
  counterId = `${id}|0|`
  await database.sql`
    insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
      created_at)
    select ${id}, 'all', id, 'tokens', ${String(LIMIT)}, 'total', true, false, now() from tenants`
})
afterEach(() => keeper.close())

function keep(leaseMs: number): void {
  const holder = 'gw:run_1'
  keeper = new LeaseKeeper({ database, clock, logger, holder, leaseMs, isAlone: true })
}
const mayTake = () => typeof keeper.take([{ counterId, amount: 1n }]) !== 'string'

it('counters of periods long over are deleted, but for those that something is set aside in', async () => {
  keep(10_000)
  const id = counterId.slice(0, counterId.indexOf('|'))
  const { sql } = database
  const lease = (counter: string, need: bigint) =>
    leaseBudget(sql, counter, 'other', { need, want: need }, 1e9)
  const counters = (daysAgo: number) => `${id}|${Date.now() - daysAgo * DAY_MS}|user`
  const [old, held, lately] = [counters(70), counters(71), counters(50)]
  for (const counter of [counterId, old, lately]) await lease(counter, 0n)
  await lease(held, 1n)
  const left = async () => {
    const rows = await sql<{ id: string }[]>`select id from budget_counters where budget_id = ${id}`
    return rows.map((row) => row.id).sort()
  }
  await forgetCounters(sql)
  assert.equal((await left()).length, 4, 'those of a budget that never renews stay')
  await sql`update budgets set period = 'hour' where id = ${id}`
  await until(async () => {
    clock.advance(3_600_000)
    return !(await left()).includes(old)
  })
  assert.deepEqual(await left(), [held, lately].sort())
})

describe('a lease', () => {
  it('ends while the machine sleeps, though its monotonic clock does not tell', async () => {
    keep(10_000)
    await keeper.ask({ counterId, amount: 100n })
    assert.ok(mayTake())
    clock.sleptMs = 3 * DAY_MS
    await database.sql`
      update budget_leases set expires_at = clock_timestamp() where counter_id = ${counterId}`
    await reclaimLeases(database.sql)
    const { granted } = await leaseBudget(
      database.sql,
      counterId,
      'other',
      { need: LIMIT, want: LIMIT },
      10_000,
    )
    assert.equal(granted, LIMIT)
    assert.ok(!mayTake(), 'all of it is leased to another gateway')
  })

  it('lasts through a wall clock that is set back', async () => {
    keep(10_000)
    await keeper.ask({ counterId, amount: 100n })
    clock.sleptMs = -DAY_MS / 24
    assert.ok(mayTake())
  })

  for (const leaseMs of [11_261.25, 2 ** 31]) {
    it(`of ${leaseMs} ms can be written into the database`, async () => {
      keep(leaseMs)
      await keeper.ask({ counterId, amount: 100n })
      assert.ok(mayTake())
    })
  }
})
