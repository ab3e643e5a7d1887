import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GristmillError } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { type SettledFilter, settledPage, settledPages } from './index.ts'
import { rowOfIntent, writeIntents, writeSettlements } from './ledger-rows.ts'

const FROM_MS = Date.UTC(2026, 0, 1)
const NOW_MS = FROM_MS + 3_600_000
const all: SettledFilter = { fromMs: FROM_MS }

describe('settled requests as events', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
    // Request 9 runs from the sixth second on; several are settled in the same millisecond.
    const arrivals = [0, 1, 2, 3, 4, 5, 5, 6, 7, 6]
    await writeIntents(
      database.sql,
      arrivals.map((second, number) =>
        rowOfIntent({
          ...{ requestId: `req_${number}`, tenantId: `ten_${number % 2}`, projectId: 'prj' },
          ...{ keyId: 'key', endUser: null, sessionId: null, model: 'toy', endpoint: '/v1/x' },
          ...{ serviceClass: 'standard', estimatedInputTokens: 1, outputTokensMax: 1 },
          arrivedAtMs: FROM_MS + second * 1000,
        }),
      ),
    )
    for (let number = 8; number >= 0; number--) await settle(number, Math.min(number, 6))
  })
  after(() => database.close())

  const settle = async (number: number, second: number) => {
    const refused = await writeSettlements(database.sql, [
      {
        ...{ requestId: `req_${number}`, group: 'finished', end: 'done', estimated: false },
        ...{ servedClass: 'standard', engineId: 'eng', inputTokens: number, cachedTokens: 0 },
        ...{ outputTokens: 2, queueMs: 0, engineMs: 1, ttftMs: null, tokenGapMs: null },
        settledAtMs: FROM_MS + second * 1000 + 0.5,
      },
    ])
    assert.deepEqual(refused, [])
  }
  const read = async (filter: SettledFilter, nowMs = NOW_MS, cursor?: string) => {
    const page = await settledPage(database.sql, filter, { limit: 4, cursor, nowMs })
    return { ...page, ids: page.rows.map(({ id }) => Number(id.slice(4))) }
  }

  it('come in their order, each once, up to what is open; then the reader goes on', async () => {
    const first = await read(all)
    assert.deepEqual([first.ids, first.hasMore], [[0, 1, 2, 3], true])
    const second = await read(all, NOW_MS, first.next ?? '')
    // What was settled in the sixth second might get company from the one that still runs.
    assert.deepEqual([second.ids, second.hasMore], [[4, 5], false])
    const idle = await read(all, NOW_MS, second.next ?? '')
    assert.deepEqual([idle.ids, idle.next], [[], second.next])
    // Its tenant is the other one's, who need not wait for it.
    const own = { ...all, tenantIds: ['ten_0'] }
    const pages: string[][] = []
    for await (const rows of settledPages(database.sql, own, { nowMs: NOW_MS }, 2)) {
      pages.push(rows.map(({ id }) => id))
    }
    assert.deepEqual(pages, [['req_0', 'req_2'], ['req_4', 'req_6'], ['req_8']])
    await settle(9, 6)
    const rest = await read(all, NOW_MS, idle.next ?? '')
    assert.deepEqual([rest.ids, rest.hasMore], [[6, 7, 8, 9], false])
    assert.notEqual(rest.next, null)
  })

  it('wait for requests that may be in the journal only, as after the database was away', async () => {
    const tell = (at: number | null) => database.sql`
      insert into ledger_mark (low_water, next_low_water, next_since)
      values ('req_', 'req_', coalesce(to_timestamp(${at}::float8 / 1000), now()))
      on conflict (only_row) do update set next_since = excluded.next_since`
    await tell(FROM_MS + 62_000)
    assert.deepEqual((await read(all)).ids, [0, 1])
    await tell(null)
    assert.deepEqual((await read(all)).ids, [0, 1, 2, 3])
  })

  it('of a time that is over end there, and are final two minutes after it', async () => {
    const span = { fromMs: FROM_MS + 2000, toMs: FROM_MS + 5000 }
    const whole = await read(span)
    assert.deepEqual([whole.ids, whole.next], [[2, 3, 4], null])
    const early = await read(span, span.toMs + 118_000)
    assert.deepEqual(early.ids, [2])
    const rest = await read(span, NOW_MS, early.next ?? '')
    assert.deepEqual([rest.ids, rest.next], [[3, 4], null])
  })

  it('of all times go on where there are none yet', async () => {
    const none = { fromMs: Date.parse('0001-01-01T00:00:00Z'), tenantIds: ['ten_new'] }
    const first = await read(none)
    assert.deepEqual([first.ids, (await read(none, NOW_MS, first.next ?? '')).ids], [[], []])
  })

  it('are exported with one look at what is open, however many pages there are', async () => {
    const exported = (pageRows: number) =>
      database.transaction(async (sql) => {
        const looks = async () => {
          const [row] = await sql<{ looks: number }[]>`
            select sum(seq_scan + coalesce(idx_scan, 0))::int as looks
            from pg_stat_xact_user_tables where starts_with(relname, 'ledger_intents')`
          return row?.looks ?? 0
        }
        const before = await looks()
        const ids: string[] = []
        for await (const rows of settledPages(sql, all, { nowMs: NOW_MS }, pageRows)) {
          ids.push(...rows.map(({ id }) => id))
        }
        return { ids, looks: (await looks()) - before }
      })
    const whole = await exported(100)
    assert.equal(whole.ids.length, 10)
    assert.deepEqual(await exported(2), whole)
  })

  it('refuse a cursor of another list', async () => {
    const foreign = Buffer.from('["open","req_1"]').toString('base64url')
    await assert.rejects(read(all, NOW_MS, foreign), GristmillError)
  })
})
