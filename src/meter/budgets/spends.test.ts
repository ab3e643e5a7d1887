import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type Queries, type TestDatabase } from '../../store/index.ts'
import { createTenancy } from '../../tenancy/index.ts'
import { writeIntents, writeSettlements } from '../ledger-rows.ts'
import type { Settlement } from '../types.ts'
import {
  bookSpends,
  leaseBudget,
  readCounters,
  reclaimLeases,
  releaseBudget,
} from './budget-rows.ts'

const LIMIT = 1000n
let database: TestDatabase
let tenantId: string
let counter: string
let requests = 0

before(async () => {
  database = await openTestDatabase()
  const logger = createLogger('silent', 'test')
  const services = { database, clock: systemClock, random: systemRandom, logger }
  const tenancy = await createTenancy(services)
  const actor = { name: 'user:finance@example.org', from: '192.0.2.1' }
  tenantId = (await tenancy.tenants.create({ name: 'One' }, actor)).id
  await tenancy.close()
})
after(() => database.close())
beforeEach(async () => {
  const id = `bud_${++requests}`
  counter = `${id}|0|`
  await database.sql`
    insert into budgets (id, name, tenant_id, unit, limit_amount, period, is_hard, clamps,
      created_at)
    values (${id}, 'all', ${tenantId}, 'tokens', ${String(LIMIT)}, 'total', true, false, now())`
})

/** A request that has set `amount` aside. @returns what settles it with so many tokens spent */
async function open(holder: string, amount: number): Promise<(spent: number) => Promise<void>> {
  const requestId = `req_${String(++requests).padStart(10, '0')}`
  const intent = {
    ...{ request_id: requestId, tenant_id: tenantId, project_id: 'prj', key_id: 'key' },
    ...{ model: 'm', endpoint: 'chat', service_class: 'standard' },
    ...{ estimated_input_tokens: 1, output_tokens_max: 1, arrived_at_ms: 0 },
    reserved: [[counter, holder, amount]],
  }
  await writeIntents(database.sql, [JSON.stringify(intent)])
  return async (spent) => {
    const settlement: Settlement = {
      ...{ requestId, servedClass: 'standard', engineId: null, group: 'finished', end: 'done' },
      ...{ estimated: false, inputTokens: spent, cachedTokens: 0, outputTokens: 0 },
      ...{ queueMs: 0, engineMs: 0, ttftMs: null, tokenGapMs: null, settledAtMs: 0 },
      isBudgeted: true,
    }
    assert.deepEqual(await writeSettlements(database.sql, [settlement]), [])
  }
}

/** @param ttlMs negative: it has run out at once */
const lease = (holder: string, need: bigint, ttlMs = 60_000) =>
  leaseBudget(database.sql, counter, holder, { need, want: need }, ttlMs)
const stands = async () => {
  const [row] = await database.sql<{ spent: string; leased: string; noted: string }[]>`
    select spent::text, leased::text, (select coalesce(sum(amount), 0)::text from budget_spends
      where counter_id = ${counter}) as noted
    from budget_counters where id = ${counter}`
  return row
}

/** How often the intents are looked into while `work` goes on. */
const readsOf = (work: (sql: Queries) => Promise<unknown>): Promise<number> =>
  database.transaction(async (sql) => {
    const soFar = async () => {
      const [row] = await sql<{ reads: number }[]>`
        select sum(seq_scan + coalesce(idx_scan, 0))::int as reads from pg_stat_xact_user_tables
        where starts_with(relname, 'ledger_intents')`
      return row?.reads ?? 0
    }
    const before = await soFar()
    await work(sql)
    return (await soFar()) - before
  })

describe('what settled requests have spent', () => {
  it('is noted with the settlement, once, and booked out of the lease', async () => {
    await lease('one', 100n)
    const settle = await open('one', 80)
    await settle(60)
    assert.deepEqual(await stands(), { spent: '0', leased: '100', noted: '60' })
    const read = await readCounters(database.sql, [counter])
    assert.deepEqual(read.get(counter), { spent: 60n, leased: 40n }, 'whoever reads need not wait')
    await bookSpends(database.sql, [counter])
    assert.deepEqual(await stands(), { spent: '60', leased: '40', noted: '0' })
    await bookSpends(database.sql, [counter])
    assert.deepEqual(await stands(), { spent: '60', leased: '40', noted: '0' })
  })

  it('takes nothing out of leases of others where its own is gone', async () => {
    await lease('one', 100n)
    const settle = await open('gone', 80)
    await settle(60)
    const read = await readCounters(database.sql, [counter])
    assert.deepEqual(read.get(counter), { spent: 60n, leased: 100n })
    await bookSpends(database.sql, [counter])
    assert.deepEqual(await stands(), { spent: '60', leased: '100', noted: '0' })
    assert.deepEqual(await readCounters(database.sql, [counter]), read)
  })

  it('is booked before more is leased, so that it counts', async () => {
    await lease('one', 900n)
    const settle = await open('one', 900)
    await settle(900)
    const { granted, state } = await lease('two', 101n)
    assert.deepEqual([granted, state], [0n, { spent: 900n, leased: 0n, limit: LIMIT }])
    assert.equal((await lease('two', 100n)).granted, 100n)
  })

  it('does not take what open requests of a holder that is gone have set aside', async () => {
    await lease('gone', 100n, -1)
    const settle = await open('gone', 60)
    const late = await open('gone', 40)
    await settle(60)
    await reclaimLeases(database.sql)
    // A holder that was only slow still counts on what it had.
    await releaseBudget(database.sql, counter, 'gone', 40n)
    assert.deepEqual(await stands(), { spent: '60', leased: '40', noted: '0' })
    assert.equal((await lease('other', 901n)).granted, 0n)
    assert.equal((await lease('other', 900n)).granted, 900n)
    await late(40)
    await reclaimLeases(database.sql)
    assert.deepEqual(await stands(), { spent: '100', leased: '900', noted: '0' })
  })

  it('is looked up once, however many leases have run out together', async () => {
    const many = Array.from({ length: 40 }, (_, at) => `gone ${at}`)
    const settles: ((spent: number) => Promise<void>)[] = []
    for (const holder of many) {
      await lease(holder, 20n, -1)
      settles.push(await open(holder, 20))
    }
    // Every second request has ended, the others keep what they have set aside.
    for (const settle of settles.filter((_, at) => at % 2 === 0)) await settle(15)
    const reads = await readsOf(reclaimLeases)
    assert.deepEqual(await stands(), { spent: '300', leased: '400', noted: '0' })
    for (const settle of settles.filter((_, at) => at % 2 === 1)) await settle(20)
    await reclaimLeases(database.sql)
    assert.deepEqual(await stands(), { spent: '700', leased: '0', noted: '0' })
    await lease('last', 20n, -1)
    await open('last', 10)
    assert.equal(await readsOf(reclaimLeases), reads)
  })

  it('is booked by whoever comes first, all of it, while everybody books', async () => {
    const holders = ['a', 'b', 'c', 'd']
    const each = holders.map(async (holder) => {
      for (let round = 0; round < 10; round++) {
        const { granted } = await lease(holder, 20n)
        assert.equal(granted, 20n)
        const settle = await open(holder, 20)
        await Promise.all([
          settle(15),
          bookSpends(database.sql, [counter]),
          reclaimLeases(database.sql),
        ])
      }
    })
    await Promise.all(each)
    await bookSpends(database.sql, [counter])
    const [spent, leased] = [4 * 10 * 15, 4 * 10 * 5].map(String)
    assert.deepEqual(await stands(), { spent, leased, noted: '0' })
  })
})
