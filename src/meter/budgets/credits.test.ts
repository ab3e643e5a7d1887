import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { Budgets } from './budgets.ts'
import { type CreditInput, creditInput } from './credit-input.ts'
import { readCredits } from './credit-rows.ts'
import { Credits } from './credits.ts'
import type { BudgetRequest } from './reserving.ts'

const actor = { name: 'user:finance@example.org', from: '192.0.2.1' }
const logger = createLogger('silent', 'test')
const clock = systemClock
/** A lease that was asked for before something was spent may still be told as it stood then. */
const WAIT_MS = 2000
let database: TestDatabase
let tenancy: Tenancy
let budgets: Budgets
let credits: Credits
let tenantId: string

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const base = { database, audit: tenancy.audit, clock, random: systemRandom }
  budgets = new Budgets({
    ...base,
    ...{ logger, currency: 'EUR', zoneOf: () => 'UTC', waitMsMax: WAIT_MS, leaseMs: 60_000 },
    // Whoever is alone keeps what it has leased for long.
    ...{ gatewayId: 'gw', isAlone: true },
  })
  await budgets.open()
  credits = new Credits({ ...base, budgets })
})
after(async () => {
  await budgets.close()
  await tenancy.close()
  await database.close()
})
beforeEach(async () => {
  tenantId = (await tenancy.tenants.create({ name: `T${clock.monotonicMs()}` }, actor)).id
})

const book = (kind: CreditInput['kind'], amount: string, key?: string, who = actor) =>
  credits.book(creditInput.parse({ tenantId, kind, amount, note: 'invoice 7' }), who, key)
const rows = async () =>
  (await database.sql`select from credits where tenant_id = ${tenantId}`).length
const request = (money: bigint): BudgetRequest => ({
  costMax: () => ({ money, tokens: 0n, engine_seconds: 0n }),
  ...{ outputTokens: 1, outputTokensMin: 1, mayClamp: false, waitMsMax: WAIT_MS, costsTime: false },
})
const hold = async (money: bigint) => {
  const spender = { tenantId, projectId: 'prj', keyId: 'key', endUser: null }
  const held = await budgets.hold(spender, request(money))
  assert.ok(held, 'the credit applies')
  return held
}
/** As a settlement does it. */
async function spend(money: bigint) {
  const held = await hold(money)
  const [[counter, holder, amount] = []] = held.reserved
  await database.sql`insert into budget_spends (counter_id, holder, amount)
    values (${String(counter)}, ${String(holder)}, ${String(amount)}::int8)`
  held.settle({ money, tokens: 0n, engine_seconds: 0n })
}
const standing = async () => {
  const [one, ...others] = await budgets.list([tenantId])
  assert.ok(one && others.length === 0, 'a tenant has one credit')
  return [one.budget.limit, one.spent]
}
const UNIT = 10n ** 9n

describe('prepaid credit', () => {
  it('is a hard budget of the sum of its rows, which refuses by its name', async () => {
    assert.deepEqual(await budgets.list([tenantId]), [])
    await book('top_up', '10')
    await book('top_up', '2.5')
    await book('correction', '-0.000000001')
    assert.deepEqual(await standing(), [12_499_999_999n, 0n])
    await spend(12n * UNIT)
    await assert.rejects(hold(UNIT), (error: { code?: string; message?: string }) => {
      assert.equal(error.code, 'budget_used_up')
      return /prepaid credit has 0.499999999 EUR left and does not renew/.test(error.message ?? '')
    })
    await book('top_up', '1')
    await spend(UNIT)
    assert.deepEqual(await standing(), [13_499_999_999n, 13n * UNIT])
  })

  it('is begun once, however many pay in at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => book('top_up', '1')))
    assert.deepEqual(await standing(), [8n * UNIT, 0n])
  })

  it('is paid back as far as nobody used it or may still use it', async () => {
    await book('top_up', '10')
    await spend(3n * UNIT)
    await assert.rejects(book('refund', '7.1'), /no more than 7 is left/)
    const running = await hold(2n * UNIT)
    await assert.rejects(book('refund', '6'), /set aside for requests that run/)
    // What this gateway has leased ahead is given back for it.
    await book('refund', '5')
    running.settle({ money: 0n, tokens: 0n, engine_seconds: 0n })
    await book('refund', '2')
    assert.deepEqual(await standing(), [3n * UNIT, 3n * UNIT])
    await assert.rejects(hold(1n), { code: 'budget_used_up' })
    await assert.rejects(book('correction', '-3.1'), /more than was paid in/)
  })

  it('is changed by its rows alone, and ends when nothing is left', async () => {
    await book('top_up', '10')
    const [one] = await budgets.list([tenantId])
    const id = one?.budget.id ?? ''
    await assert.rejects(budgets.change(id, { limit: '99' }, actor), { code: 'conflict' })
    await assert.rejects(budgets.end(id, actor), /10 is left/)
    await book('refund', '10')
    await budgets.end(id, actor)
    assert.deepEqual(await budgets.list([tenantId]), [])
    await book('top_up', '1')
    assert.deepEqual(await standing(), [UNIT, 0n])
  })

  it('has rows that nobody can change, in pages, and in the audit log', async () => {
    for (const amount of ['1', '2', '3']) await book('top_up', amount)
    const { sql } = database
    await assert.rejects(async () => void (await sql`update credits set note = 'other'`))
    await assert.rejects(async () => void (await sql`delete from credits`))
    const first = await readCredits(sql, [tenantId], { limit: 2 })
    const second = await readCredits(sql, [tenantId], { limit: 2, cursor: first.next ?? '' })
    const nanos = [...first.rows, ...second.rows].map((row) => row.nanos)
    assert.deepEqual([nanos, second.next], [[3n * UNIT, 2n * UNIT, UNIT], null])
    const { rows } = await tenancy.audit.list({ action: 'credit.book' }, { limit: 1 })
    assert.deepEqual(rows[0]?.detail, { kind: 'top_up', amount: '3', note: 'invoice 7' })
  })

  it('takes no amount that is none, and a sign only in a correction', () => {
    const isTaken = (kind: string, amount: string) =>
      creditInput.safeParse({ tenantId, kind, amount, note: 'why' }).success
    assert.deepEqual(
      ['0', '-1', '1e3', '0.0000000001', ''].map((amount) => isTaken('top_up', amount)),
      [false, false, false, false, false],
    )
    assert.equal(isTaken('refund', '-1'), false)
    assert.equal(isTaken('correction', '-1'), true)
    const noNote = { tenantId, kind: 'top_up', amount: '1', note: ' ' }
    assert.equal(creditInput.safeParse(noNote).success, false)
  })
})

describe('credit with a key', () => {
  it('is booked once, however many ask at once, and all get it', async () => {
    const booked = await Promise.all(Array.from({ length: 8 }, () => book('top_up', '5', 'pay-1')))
    assert.equal(new Set(booked.map(({ credit }) => credit.id)).size, 1)
    assert.equal(booked.filter(({ isRepeated }) => !isRepeated).length, 1)
    assert.deepEqual([...new Set(booked.map(({ credit }) => credit.nanos))], [5n * UNIT])
    assert.equal(await rows(), 1)
    const { rows: noted } = await tenancy.audit.list(
      { action: 'credit.book', tenantId },
      { limit: 9 },
    )
    assert.equal(noted.length, 1)
  })

  it('is one thing of one person; without a key each request books', async () => {
    await book('top_up', '5', 'pay-2')
    await assert.rejects(book('top_up', '6', 'pay-2'), { code: 'idempotency_key_reused' })
    assert.equal((await book('top_up', '5', 'pay-2')).isRepeated, true)
    const other = { ...actor, name: 'cli' }
    assert.equal((await book('top_up', '5', 'pay-2', other)).isRepeated, false)
    await book('top_up', '5')
    await book('top_up', '5')
    assert.equal(await rows(), 4)
  })

  it('is answered again where it could not be booked again, and a refusal uses no key', async () => {
    await book('top_up', '20')
    await assert.rejects(book('refund', '99', 'back'), { code: 'conflict' })
    const all = await book('refund', '20', 'back')
    const again = await book('refund', '20', 'back')
    assert.deepEqual([again.isRepeated, again.credit.id], [true, all.credit.id])
    assert.equal(await rows(), 2)
  })
})
