import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { openDatabase, openTestDatabase, type TestDatabase } from './index.ts'

let database: TestDatabase

before(async () => {
  database = await openTestDatabase({ connections: 2 })
  await database.sql`create table letters (text text)`
})
after(() => database.close())
beforeEach(() => database.sql`truncate letters`)

/** As when the server is shut down or crashes: every connection that is in a transaction ends. */
const endTransactions = () => database.sql`
  select pg_terminate_backend(pid, 20000) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`

const letters = async () => {
  const rows = await database.sql<{ text: string }[]>`select text from letters order by text`
  return rows.map(({ text }) => text).join('')
}

describe('a transaction', () => {
  it('commits what resolves and rolls back what rejects', async () => {
    const write = (text: string, error?: Error) =>
      database.transaction(async (sql) => {
        await sql`insert into letters values (${text})`
        if (error) throw error
        return text
      })
    assert.equal(await write('a'), 'a')
    await assert.rejects(write('b', new Error('no')), /no/)
    assert.equal(await letters(), 'a')
  })

  it('that loses its connection between statements rejects and leaves nothing', async () => {
    const work = database.transaction(async (sql) => {
      await sql`insert into letters values ('a')`
      await endTransactions()
      await systemClock.sleep(50)
      await sql`insert into letters values ('b')`
    })
    await assert.rejects(work, { code: 'CONNECTION_CLOSED' })
    assert.equal(await letters(), '')
  })

  it('that loses its connection within a statement rejects, too', async () => {
    const work = database.transaction((sql) => sql`select pg_sleep(20)`)
    const rejected = assert.rejects(work)
    await eventually('it runs', async () => {
      const found = await database.sql`
        select from pg_stat_activity where query = 'select pg_sleep(20)' and state = 'active'`
      return found.length > 0
    })
    await endTransactions()
    await rejected
    assert.equal(await letters(), '')
  })

  it('does not go on without a transaction once its connection is made anew', async () => {
    const goOn = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<unknown>()
    const work = database.transaction(async (sql) => {
      await sql`insert into letters values ('a')`
      await endTransactions()
      await goOn.promise
      try {
        await sql`insert into letters values ('late')`
      } catch (error) {
        ended.resolve(error)
        throw error
      }
    })
    await assert.rejects(work)
    // Both connections are in use again, one of them in somebody else's transaction.
    const other = database.transaction(async (sql) => {
      await sql`insert into letters values ('o')`
      await Promise.all([database.sql`select 1`, database.sql`select 2`])
      goOn.resolve()
      assert.match(String(await ended.promise), /has ended/)
      await systemClock.sleep(50)
      await sql`insert into letters values ('p')`
    })
    await other
    assert.equal(await letters(), 'op')
  })

  it('cannot be used after its end', async () => {
    const kept = await database.transaction(async (sql) => ({ sql }))
    assert.throws(() => kept.sql`select 1`, /has ended/)
  })
})

describe('a reserved connection', () => {
  it('that is lost refuses queries instead of ending the process', async () => {
    const reserved = await database.sql.reserve()
    await reserved`begin`
    await endTransactions()
    await systemClock.sleep(50)
    await assert.rejects(async () => reserved`select 1`, { code: 'CONNECTION_CLOSED' })
    assert.equal(await letters(), '')
  })
})

describe('a server that ends connections again and again', () => {
  it('leaves nothing hanging, and every connection works again', async () => {
    const logger = createLogger('silent', 'test')
    const shared = { url: database.url, clock: systemClock, logger }
    const admin = await openDatabase({ ...shared, connections: 1 })
    const settle = async (work: Promise<unknown>) => work.then(() => true).catch(() => false)
    try {
      for (let round = 0; round < 15; round++) {
        const load = Array.from({ length: 12 }, (_, i) =>
          settle(
            i % 2 === 0
              ? database.sql`select ${i}::int, pg_sleep(0.02)`
              : database.transaction(async (sql) => {
                  await sql`insert into letters values (${String(i)})`
                  await sql`select pg_sleep(0.02)`
                }),
          ),
        )
        await systemClock.sleep(5 * (round % 5))
        await admin.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()
            and application_name = 'gristmill gateway'`
        await Promise.all(load)
        const after = Array.from({ length: 6 }, () => settle(database.sql`select 1`))
        const again = (await Promise.all(after)).filter(Boolean).length
        assert.ok(again >= 4, `round ${round}: ${again} of 6 queries after it`)
      }
      const last = await Promise.all(Array.from({ length: 6 }, () => database.sql`select 1`))
      assert.equal(last.length, 6)
    } finally {
      await admin.close()
    }
  })
})
