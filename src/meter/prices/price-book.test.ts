import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  createLogger,
  FakeClock,
  type GristmillError,
  Registry,
  systemClock,
  systemRandom,
} from '../../base/index.ts'
import { until } from '../../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { createLedger } from '../ledger.ts'
import { openTestJournal } from '../test-journal.ts'
import { PriceBook } from './price-book.ts'
import { type PriceInput, priceInput } from './price-input.ts'
import type { PriceSubject } from './price-types.ts'

const actor = { name: 'cli', from: 'local' }
const logger = createLogger('silent', 'test')
let database: TestDatabase
let tenancy: Tenancy
let clock: FakeClock
let book: PriceBook
/** Another gateway on the same database. */
let other: PriceBook

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock: systemClock, random: systemRandom, logger })
})
after(async () => {
  book.close()
  other.close()
  await tenancy.close()
  await database.close()
})
beforeEach(async () => {
  book?.close()
  other?.close()
  await database.sql`truncate prices`
  clock = new FakeClock()
  ;[book, other] = [newBook(), newBook()]
  await book.open()
  await other.open()
})

const newBook = (currency = 'USD') =>
  new PriceBook({ database, audit: tenancy.audit, clock, logger, currency })
const add = (given: Partial<PriceInput>, note = '') =>
  book.add({ prices: [priceInput.parse(given)], note }, actor)

const standard: PriceSubject = {
  model: 'small',
  route: undefined,
  serviceClass: 'standard',
  plan: null,
}
const inputFor = (subject: Partial<PriceSubject>, of = book) =>
  of.find({ ...standard, ...subject }, clock.nowMs())?.rates.input

describe('prices', () => {
  it('hold from their moment on at every gateway, and requests that came before keep theirs', async () => {
    assert.equal(book.find(standard, clock.nowMs()), null)
    await add({ input: '0.15', output: '0.6' })
    const cameMs = clock.nowMs()
    assert.equal(inputFor({}), undefined, 'not before it is known everywhere')
    clock.advance(1000)
    assert.equal(inputFor({}), 150_000_000n)
    await until(() => inputFor({}, other) === 150_000_000n)
    const effectiveAt = new Date(clock.nowMs() + 60_000).toISOString()
    await add({ input: '0.2', effectiveAt })
    clock.advance(59_999)
    assert.equal(inputFor({}), 150_000_000n)
    clock.advance(1)
    assert.equal(inputFor({}), 200_000_000n)
    assert.equal(book.find(standard, cameMs), null)
    assert.equal(book.find(standard, clock.nowMs() - 1)?.version, 1)
  })

  it('hold only once they are known, however long it takes to write them', async () => {
    const record: Tenancy['audit']['record'] = (...given) => {
      clock.advance(3000)
      return tenancy.audit.record(...given)
    }
    const audit = { ...tenancy.audit, record }
    const slow = new PriceBook({ database, audit, clock, logger, currency: 'USD' })
    const [price] = await slow.add({ prices: [priceInput.parse({ input: '1' })], note: '' }, actor)
    assert.ok((price?.effectiveAtMs ?? 0) > clock.nowMs() + 1000)
    assert.equal(slow.prices.length, 1)
  })

  it('come also to a gateway that could not read them when it was told', async () => {
    let failures = 0
    const sql = new Proxy(database.sql, {
      apply(target, self, given) {
        if (failures-- > 0) return Promise.reject(new Error('the connection was reset'))
        return Reflect.apply(target, self, given) as unknown
      },
    })
    const options = { database: { ...database, sql }, audit: tenancy.audit, logger }
    const unlucky = new PriceBook({ ...options, clock: systemClock, currency: 'USD' })
    await unlucky.open()
    failures = 2
    await add({ input: '0.15' })
    clock.advance(1000)
    await until(() => failures < 0 && inputFor({}, unlucky) === 150_000_000n)
    unlucky.close()
  })

  it('of a plan go before those of a model, those before those of a class; names before routes', async () => {
    await add({ input: '1' })
    await add({ input: '2', serviceClass: 'batch' })
    await add({ input: '3', model: 'chat' })
    await add({ input: '4', model: 'small' })
    await add({ input: '5', plan: 'partner' })
    await add({ input: '6', plan: 'partner', model: 'small', serviceClass: 'batch' })
    clock.advance(1000)
    const units = (subject: Partial<PriceSubject>) => Number(inputFor(subject)) / 1e9
    assert.deepEqual(
      [
        units({ model: 'else' }),
        units({ model: 'else', serviceClass: 'batch' }),
        units({ model: 'alias', route: 'chat', serviceClass: 'batch' }),
        units({ route: 'chat' }),
        units({ plan: 'partner' }),
        units({ plan: 'partner', serviceClass: 'batch' }),
        units({ plan: 'unknown' }),
      ],
      [1, 2, 3, 4, 5, 6, 4],
    )
    await add({ plan: 'partner', ends: true })
    clock.advance(1000)
    assert.equal(units({ plan: 'partner' }), 4)
  })

  it('are added once, never in the past, never changed, and in one currency', async () => {
    assert.equal((await add({ input: '1' })).length, 1)
    clock.advance(1000)
    assert.deepEqual(await add({ input: '1.0' }), [])
    assert.deepEqual(await add({ model: 'never-priced', ends: true }), [])
    const effectiveAt = new Date(clock.nowMs() - 1).toISOString()
    await assert.rejects(add({ input: '2', effectiveAt }), /cannot begin in the past/)
    await assert.rejects(database.sql`update prices set input_nanos = 0`, /never changed/)
    const isWrong = ({ code }: GristmillError) => code === 'invalid_config'
    await assert.rejects(newBook('EUR').open(), isWrong)
    for (const wrong of [{ input: '-1' }, { input: 'a' }, {}, { ends: true, input: '1' }]) {
      assert.ok(!priceInput.safeParse(wrong).success, JSON.stringify(wrong))
    }
  })

  it('are what a request that a crash left open is charged by', async () => {
    await add({ input: '1000', output: '2000', serviceClass: 'standard' })
    clock.advance(1000)
    const open = async () =>
      createLedger({
        database,
        journal: await openTestJournal(),
        clock: systemClock,
        logger,
        registry: new Registry(),
        limits: {
          databaseAwayMsMax: 0,
          ledgerPendingMax: 1000,
          ledgerStallMs: 1000,
          ledgerWaitMs: 2000,
        },
      })
    const crashed = await open()
    await crashed.open({
      requestId: 'req_1',
      tenantId: 'ten_1',
      projectId: 'prj_1',
      keyId: 'key_1',
      endUser: null,
      sessionId: null,
      model: 'small',
      endpoint: '/v1/chat/completions',
      serviceClass: 'standard',
      estimatedInputTokens: 5,
      outputTokensMax: 64,
      arrivedAtMs: clock.nowMs(),
    })
    const times = { queueMs: 1, engineMs: 2, ttftMs: 3 }
    const tokens = { inputTokens: 5, cachedTokens: 0, outputTokens: 9 }
    crashed.progress('req_1', {
      engineId: 'eng_1',
      servedClass: 'standard',
      ...times,
      ...tokens,
    })
    await crashed.flush()
    const next = await open()
    await next.recover(undefined, undefined, ({ arrivedAtMs, ...of }) =>
      book.find({ ...standard, ...of }, arrivedAtMs),
    )
    const rows = await database.sql<{ nanos: string; version: number }[]>`
      select charge_nanos::text as nanos, price_version as version from ledger_settlements`
    assert.deepEqual([...rows], [{ nanos: '23000000', version: 1 }])
    await Promise.all([crashed.close(), next.close()])
  })
})
