import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { bookSpends } from './budget-rows.ts'
import { Budgets } from './budgets.ts'
import type { BudgetPeriod } from './period.ts'

const actor = { name: 'cli', from: 'local' }
const logger = createLogger('silent', 'test')
let database: TestDatabase
let tenancy: Tenancy
let clock: FakeClock
let zone: string
let budgets: Budgets

before(async () => {
  database = await openTestDatabase()
  const services = { database, clock: new FakeClock(), random: systemRandom, logger }
  tenancy = await createTenancy(services)
})
after(async () => {
  await tenancy.close()
  await database.close()
})
beforeEach(async () => {
  clock = new FakeClock(Date.parse('2026-11-20T12:00:00Z'))
  zone = 'UTC'
  budgets = await start()
})
afterEach(() => budgets.close())

async function start(): Promise<Budgets> {
  const started = new Budgets({
    ...{ database, audit: tenancy.audit, clock, random: systemRandom, logger, currency: 'EUR' },
    ...{ zoneOf: () => zone, waitMsMax: 1000, leaseMs: 60_000, gatewayId: 'gw', isAlone: true },
  })
  await started.open()
  return started
}

/** A budget of which something is spent. @returns how it stands at a moment */
async function spent(period: BudgetPeriod) {
  const tenant = await tenancy.tenants.create({ name: `T ${zone} ${period}` }, actor)
  const limits = { unit: 'tokens', limit: '100', isHard: true, clamps: false } as const
  const given = { name: 'all', tenantId: tenant.id, period, ...limits }
  const { id } = await budgets.create(given, actor)
  const standing = async (iso: string) => {
    clock.advance(Date.parse(iso) - clock.nowMs())
    const [one] = await budgets.list([tenant.id])
    assert.ok(one)
    return { spent: Number(one.spent), start: new Date(one.startMs).toISOString() }
  }
  const { start } = await standing('2026-11-20T12:00:00Z')
  const counterId = `${id}|${Date.parse(start)}|`
  await database.sql`
    insert into budget_spends (counter_id, holder, amount) values (${counterId}, 'gw/0', 60)`
  await bookSpends(database.sql, [counterId])
  assert.equal((await standing('2026-11-20T12:00:00Z')).spent, 60)
  return standing
}

describe('a tenant that moves to another time zone', () => {
  it('has spent what it has spent, and renews by its new clocks', async () => {
    const standing = await spent('month')
    zone = 'America/New_York'
    await budgets.refresh()
    assert.equal((await standing('2026-11-20T13:00:00Z')).spent, 60)
    await budgets.close()
    budgets = await start()
    assert.equal((await standing('2026-12-01T02:00:00Z')).spent, 60, 'November still there')
    const december = { spent: 0, start: '2026-12-01T05:00:00.000Z' }
    assert.deepEqual(await standing('2026-12-01T06:00:00Z'), december)
  })

  it('begins its next week where its new clocks do, though nobody has read anew', async () => {
    const standing = await spent('week')
    zone = 'Pacific/Auckland'
    assert.equal((await standing('2026-11-22T10:00:00Z')).spent, 60)
    await budgets.refresh()
    const monday = { spent: 0, start: '2026-11-22T11:00:00.000Z' }
    assert.deepEqual(await standing('2026-11-22T12:00:00Z'), monday)
  })
})
