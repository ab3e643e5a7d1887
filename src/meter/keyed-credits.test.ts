/** Credit is booked once by each Idempotency-Key, however often and at once it is asked for. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createTenancy, type Tenancy } from '../tenancy/index.ts'
import { creditInput, KeyedCredits } from './index.ts'

const actor = { name: 'user:finance@example.org', from: '192.0.2.1' }
const clock = systemClock
let database: TestDatabase
let tenancy: Tenancy
let credits: KeyedCredits
let tenantId: string

before(async () => {
  database = await openTestDatabase()
  const logger = createLogger('silent', 'test')
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const budgets = { refresh: async () => {} }
  const { audit } = tenancy
  credits = new KeyedCredits({ database, audit, clock, random: systemRandom, budgets })
  tenantId = (await tenancy.tenants.create({ name: 'Support' }, actor)).id
})
after(async () => {
  await tenancy.close()
  await database.close()
})

const book = (key: string | undefined, amount: string, who = actor, kind = 'top_up') =>
  credits.book(creditInput.parse({ tenantId, kind, amount, note: 'invoice 7' }), who, key)
const rows = async () => (await database.sql`select from credits`).length

it('requests with one key at once book one row, and all get it', async () => {
  const booked = await Promise.all(Array.from({ length: 8 }, () => book('pay-1', '5')))
  assert.equal(new Set(booked.map(({ credit }) => credit.id)).size, 1)
  assert.equal(booked.filter(({ isRepeated }) => !isRepeated).length, 1)
  assert.deepEqual([...new Set(booked.map(({ credit }) => credit.nanos))], [5n * 10n ** 9n])
  assert.equal(await rows(), 1)
  const { rows: noted } = await tenancy.audit.list({ action: 'credit.book' }, { limit: 9 })
  assert.equal(noted.length, 1)
})

it('a key books one thing, of one person; without a key each request books', async () => {
  await assert.rejects(book('pay-1', '6'), { code: 'idempotency_key_reused' })
  assert.equal((await book('pay-1', '5')).isRepeated, true)
  assert.equal((await book('pay-1', '5', { ...actor, name: 'cli' })).isRepeated, false)
  await book(undefined, '5')
  await book(undefined, '5')
  assert.equal(await rows(), 4)
})

it('a repetition is answered also where it could not be booked again, and a refusal uses no key', async () => {
  await assert.rejects(book('back', '99', actor, 'refund'), { code: 'conflict' })
  const all = await book('back', '20', actor, 'refund')
  const again = await book('back', '20', actor, 'refund')
  assert.deepEqual([again.isRepeated, again.credit.id], [true, all.credit.id])
  assert.equal(await rows(), 5)
})
