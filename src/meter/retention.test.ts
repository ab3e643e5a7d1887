/** Old requests are dropped by the month once they are closed; what they came to stays. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import {
  createLogger,
  FakeClock,
  idsFrom,
  limitTable,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { openTestDatabase, type TestDatabase, type Transaction } from '../store/index.ts'
import { createTenancy, type Tenancy } from '../tenancy/index.ts'
import {
  Books,
  findRequest,
  queryUsage,
  readDropped,
  verifyRequests,
  verifyStatements,
  verifyUsage,
} from './index.ts'
import { addMonths, readMonths } from './ledger-months.ts'
import { dropOld } from './retention.ts'
import { Retention } from './retention-keeper.ts'

const actor = { name: 'cli', from: 'local' }
const logger = createLogger('silent', 'test')
const HOUR_MS = 3_600_000
/** Months from that in which the ledger was made, since that is where its first part ends. */
const today = new Date(systemClock.nowMs())
const monthMs = (n: number) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + n)

let database: TestDatabase
let tenancy: Tenancy
let books: Books
const clock = new FakeClock(monthMs(1))
const retention = () => ({ database, audit: tenancy.audit, clock, months: 1, minuteDays: 100 })
const always = { fromMs: 0, toMs: monthMs(9) }
const usage = async () =>
  (await queryUsage(database.sql, always, ['hour', 'tenant', 'model'], { limit: 100 })).rows

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const seed = new Uint8Array(32).fill(5)
  books = new Books({ database, tenancy, clock, currency: 'EUR', seed })
})
after(async () => {
  await tenancy.close()
  await database.close()
})

async function ask(tenantId: string, atMs: number, settledAtMs?: number): Promise<string> {
  const id = `${idsFrom('req', atMs)}${tenantId}`
  const { sql } = database
  await sql`
    insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
      service_class, estimated_input_tokens, output_tokens_max, arrived_at)
    values (${id}, ${tenantId}, 'prj', 'key', 'small', 'chat', 'standard', 1, 1, ${new Date(atMs)})`
  if (settledAtMs !== undefined) await settle(id, tenantId, settledAtMs)
  return id
}

const settle = (id: string, tenantId: string, atMs: number) => database.sql`
  insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
    service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
    cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, rented_target, spend_nanos)
  values (${id}, ${tenantId}, 'prj', 'key', 'small', 'standard', 'standard', 'finished', 'done',
    false, 100, 3, 10, 0, 5, ${new Date(atMs)}, 'far/small', 70)`

const close = (n: number) => {
  const period = { fromMs: monthMs(n), toMs: monthMs(n + 1) }
  return books.close({ ...period, rule: 'operator', basis: 'cost' }, actor)
}

async function proof(): Promise<string | null> {
  const { sql } = database
  const parts = [await verifyRequests(sql, '')]
  for (let day: string | null = ''; day !== null; ) {
    const part = await verifyUsage(sql, day)
    parts.push(part)
    day = part.next
  }
  parts.push(await verifyStatements(sql, 0))
  return parts.find(({ broken }) => broken !== null)?.broken?.id ?? null
}

it('requests go with their month when it is closed, and what they came to stays', async () => {
  for (const n of [1, 2, 3, 4]) await addMonths(database, new FakeClock(monthMs(n)))
  await addMonths(database, clock)
  const names = (await readMonths(database.sql)).map(({ name }) => name)
  assert.deepEqual([names[0], names.length, new Set(names).size], ['first', 6, 6])
  const first = await ask('ten_a', monthMs(0), monthMs(0) + HOUR_MS)
  const late = await ask('ten_b', monthMs(2) - 1000)
  const kept = await ask('ten_a', monthMs(2), monthMs(2) + HOUR_MS / 4)
  await ask('ten_a', monthMs(2) + 3 * HOUR_MS, monthMs(2) + 3 * HOUR_MS)
  clock.advance(monthMs(3) + 24 * HOUR_MS - clock.nowMs())

  // So many that it would be before there were identifiers; months without requests stay as well.
  const byDefault = { ...retention(), months: limitTable.requestMonths.default }
  assert.deepEqual(await dropOld(byDefault), { dropped: 0, reason: null })
  assert.equal((await readMonths(database.sql)).length, 6)
  const before = await dropOld(retention())
  assert.equal(before.dropped, 0)
  assert.match(before.reason ?? '', /no statement of ten_a has the whole hour/)
  await close(0)
  const second = await dropOld(retention())
  assert.deepEqual(second, { dropped: 1, reason: `${late} is open` })
  assert.equal(await findRequest(database.sql, first), undefined)

  await settle(late, 'ten_b', monthMs(2) + HOUR_MS / 2)
  const whole = await usage()
  assert.equal(
    whole.reduce((sum, row) => sum + row.requests, 0),
    4,
  )
  // It ended in the month that follows, which is not closed.
  assert.match((await dropOld(retention())).reason ?? '', /no statement of ten_a/)
  const keeper = new Retention({ ...retention(), logger })
  const standing = await keeper.standing()
  const [oldest, following] = standing.kept
  assert.deepEqual(
    [oldest?.fromMs, oldest?.untilMs, oldest?.requests, oldest?.isEstimate, oldest?.dueMs],
    [monthMs(1), monthMs(2), 1, false, monthMs(3)],
  )
  assert.deepEqual([following?.fromMs, following?.requests], [monthMs(2), 2])
  assert.ok(oldest && oldest.bytes > 0)
  // What was settled in it is closed; what was settled later is not seen by its hours.
  assert.equal(standing.unclosed, null)
  assert.equal(standing.looked, null)
  await keeper.start()
  await keeper.stop()
  assert.match((await keeper.standing()).looked?.reason ?? '', /no statement of ten_a/)
  await close(2)
  assert.deepEqual(await dropOld(retention()), { dropped: 1, reason: null })
  assert.equal(await findRequest(database.sql, late), undefined)
  assert.equal((await findRequest(database.sql, kept))?.inputTokens, 100)
  assert.deepEqual(await usage(), whole)
  const noted = { requests: 2, before: new Date(monthMs(2) + HOUR_MS) }
  assert.deepEqual(await readDropped(database.sql), noted)
  assert.equal(await proof(), null)
  const later = await keeper.standing()
  assert.deepEqual(
    later.dropped.map(({ untilMs, requests, spendNanos }) => [untilMs, requests, spendNanos]),
    [
      [monthMs(2), 1, '70'],
      [monthMs(1), 1, '70'],
    ],
  )
  assert.deepEqual([later.kept[0]?.untilMs, later.unclosed], [monthMs(3), null])
  const { rows } = await tenancy.audit.list({ action: 'ledger.drop' }, { limit: 10 })
  assert.deepEqual(rows.map(({ subject }) => subject).sort(), [
    `requests:${names[1]}`,
    'requests:first',
  ])
  // A dropped period can still be opened and closed again, to the same amount.
  await books.reopen(1, 'again', actor)
  const { statements } = await close(0)
  assert.deepEqual(
    statements.map(({ document }) => document.total),
    ['0.00000007'],
  )
  assert.equal(await proof(), null)
})

it('nothing is so old that it is kept for longer than there is time', async () => {
  const before = await readMonths(database.sql)
  const { most } = limitTable.requestMonths
  const keeper = new Retention({ ...retention(), months: most, logger })
  await keeper.start()
  await keeper.stop()
  assert.deepEqual(await readMonths(database.sql), before)
  const { kept, looked } = await keeper.standing()
  assert.equal(looked?.reason, null)
  for (const { dueMs } of kept) assert.ok(new Date(dueMs).toISOString() > '2100')
})

it('an hour that says something else is found, dropped or not', async () => {
  const hours = await database.sql<{ hour: Date }[]>`
    select distinct hour from usage_fresh order by hour`
  const change = (hour: Date | undefined, by: number) => database.sql`
    update usage_fresh set input_tokens = input_tokens + ${by} where hour = ${hour ?? null}`
  for (const [hour, id] of [
    [hours[0]?.hour, `hours before ${new Date(monthMs(2) + HOUR_MS).toISOString()}`],
    [hours.at(-1)?.hour, `usage of ten_a in the hour ${hours.at(-1)?.hour.toISOString()}`],
  ] as const) {
    await change(hour, 1)
    assert.equal(await proof(), id)
    await change(hour, -1)
  }
  assert.equal(await proof(), null)
})

it('what can be dropped cannot be changed', async () => {
  const [, month] = await readMonths(database.sql)
  for (const table of ['ledger_intents', `ledger_settlements_${month?.name}`]) {
    const deleting = database.sql.unsafe(`delete from ${table}`)
    await assert.rejects(deleting, /append-only/)
  }
})

it('a month that is due stays unread as long as an hour of it is on no statement', async () => {
  await ask('ten_c', monthMs(3), monthMs(3) + HOUR_MS)
  clock.advance(monthMs(5) - clock.nowMs())
  const first = await dropOld(retention())
  assert.match(first.reason ?? '', /no statement of ten_c has the whole hour/)
  const read = async (sql: Transaction) => {
    const [row] = await sql<{ scans: number }[]>`
      select sum(seq_scan + coalesce(idx_scan, 0))::int as scans from pg_stat_xact_user_tables
      where starts_with(relname, 'ledger_intents') or starts_with(relname, 'ledger_settlements')`
    return row?.scans ?? 0
  }
  let scans = 0
  const transaction = <T>(work: (sql: Transaction) => Promise<T>) =>
    database.transaction(async (sql) => {
      const before = await read(sql)
      const given = await work(sql)
      scans += (await read(sql)) - before
      return given
    })
  const watched = { ...retention(), database: { ...database, transaction } }
  assert.deepEqual(await dropOld(watched), { dropped: 0, reason: first.reason })
  assert.equal(scans, 0)
})
