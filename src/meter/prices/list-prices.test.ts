import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createLogger, FakeClock, systemClock, systemRandom } from '../../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { charge } from './charge.ts'
import { type ListPriceInput, listPricesInput } from './list-price-input.ts'
import { listPrices, readListPrices, replaceListPrices } from './list-prices.ts'
import { suppliedListPrices } from './supplied-list-prices.ts'

const DAY_MS = 86_400_000
const price: ListPriceInput = {
  ...{ provider: 'closed', model: 'large', currency: 'USD', input: '2', output: '8' },
  ...{ asOf: '2026-06-21', source: 'https://example.org/pricing' },
}
const actor = { name: 'user:finance@example.org', from: '192.0.2.1' }

describe('list prices', () => {
  it('that come with the program are well-formed, each with its page', () => {
    assert.deepEqual(listPricesInput.parse(suppliedListPrices), suppliedListPrices)
  })

  it('charge as the price book does, what is not named as its kind', () => {
    const [listed] = listPrices([{ ...price, cachedInput: '0.50' }], 0, 1)
    assert.ok(listed)
    const work = {
      ...{ inputTokens: 1_000_000, cachedTokens: 400_000, cacheWriteTokens: 100_000 },
      ...{ outputTokens: 500_000, reasoningTokens: 250_000, engineMs: 9999, isEmbedding: false },
    }
    // 0.6 million at 2, 0.4 at 0.5, and half a million at 8.
    assert.equal(charge(listed.rates, work), 5_400_000_000n)
  })

  it('are outdated after more days than they may be old', () => {
    const at = (days: number) =>
      listPrices([price], Date.parse(price.asOf) + days * DAY_MS, 90)[0]?.isOutdated
    assert.equal(at(90.9), false)
    assert.equal(at(91), true)
  })

  it('are listed once for each model of a provider', () => {
    assert.equal(listPricesInput.safeParse([price, { ...price, output: '9' }]).success, false)
    assert.equal(listPricesInput.safeParse([{ ...price, input: '-1' }]).success, false)
    assert.equal(listPricesInput.safeParse([{ ...price, source: 'a memory' }]).success, false)
  })
})

describe('a list', () => {
  const clock = new FakeClock(Date.parse('2026-11-29T12:00:00Z'))
  let database: TestDatabase
  let tenancy: Tenancy

  before(async () => {
    const logger = createLogger('silent', 'test')
    database = await openTestDatabase()
    tenancy = await createTenancy({ database, clock: systemClock, random: systemRandom, logger })
  })
  after(async () => {
    await tenancy.close()
    await database.close()
  })
  const replace = (prices: ListPriceInput[] | null, note = '') =>
    replaceListPrices({ database, audit: tenancy.audit, clock }, { prices, note }, actor)

  it('takes the place of the one before as a whole, and is never changed', async () => {
    assert.equal((await readListPrices(database.sql)).prices, suppliedListPrices)
    await replace([price], 'of June')
    const list = await readListPrices(database.sql)
    const head = { version: 1, note: 'of June', actor: actor.name, atMs: clock.nowMs() }
    assert.deepEqual(list, { ...head, prices: [price] })
    await replace(null)
    const { version, prices } = await readListPrices(database.sql)
    assert.deepEqual([version, prices], [null, suppliedListPrices])
    await assert.rejects(async () => {
      await database.sql`delete from list_price_lists`
    })
    const { rows } = await tenancy.audit.list({}, { limit: 9 })
    assert.deepEqual(
      rows.map(({ action, subject }) => [action, subject]),
      [
        ['list_prices.replace', 'list_prices:2'],
        ['list_prices.replace', 'list_prices:1'],
      ],
    )
  })

  it('holds nothing of a day that is yet to come', async () => {
    await assert.rejects(replace([{ ...price, asOf: '2026-12-01' }]), /closed large/)
  })
})
