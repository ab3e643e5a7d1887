/** Whoever makes a month gives way to those who read the ledger. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createLogger, FakeClock, idsFrom, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { connect, migrate, openTestDatabase } from '../store/index.ts'
import { addMonths, readMonths } from './ledger-months.ts'

const now = new Date(systemClock.nowMs())
const monthMs = (n: number) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n)

it('a reader that meets a new month half-way goes on, and the month comes later', async () => {
  const database = await openTestDatabase()
  const session = { connections: 1, name: 'reader', statementMsMax: 0 }
  const first = connect(database.url, session)
  const reader = connect(database.url, session)
  let hasGivenUp = false
  // A machine that is too slow for us to meet half-way has nothing to show, and nothing fails.
  const waiting = (count: number) =>
    eventually(`${count} sessions wait for a lock`, async () => {
      const found = await database.sql`
        select from pg_stat_activity where wait_event_type = 'Lock'`
      return found.length === count || hasGivenUp
    })
  try {
    const later = new FakeClock(monthMs(3))
    const months = (await readMonths(database.sql)).length
    await first.sql`begin`
    await first.sql`select from ledger_intents limit 1`
    await reader.sql`begin`
    await reader.sql`select from ledger_settlements limit 1`
    const adding = assert.rejects(addMonths(database, later), { code: '55P03' })
    void adding.then(() => (hasGivenUp = true))
    await waiting(1)
    // Behind the month, which waits for the first, and it holds what the month needs next. So
    // PostgreSQL would find the reader in a deadlock first, and end it.
    const reading = reader.sql`select from ledger_intents limit 1`.execute()
    await waiting(2)
    await first.sql`commit`
    await reading
    await reader.sql`commit`
    await adding
    await addMonths(database, later)
    assert.equal((await readMonths(database.sql)).length, months + 2)
  } finally {
    await Promise.all([first.sql.end(), reader.sql.end()])
    await database.close()
  }
})

it('what no month took is a part of its own after an upgrade, and months go on', async () => {
  const database = await openTestDatabase()
  const { sql, url } = database
  try {
    const now = systemClock.nowMs()
    const id = `${idsFrom('req', now)}0000000000000000`
    // As versions before 0121 left it at their first start.
    await sql.unsafe('drop table ledger_intents_first; drop table ledger_settlements_first')
    await sql`delete from schema_migrations where version = 121`
    await sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      values (${id}, 'ten', 'prj', 'key', 'small', 'chat', 'standard', 1, 1, now())`
    assert.deepEqual(await migrate({ url, logger: createLogger('silent', 'test') }), [121])
    await addMonths(database, systemClock)
    await addMonths(database, systemClock)
    const months = await readMonths(sql)
    assert.deepEqual([months.length, months[0]?.name], [2, 'first'])
    assert.ok((months[0]?.untilId ?? '') > id)
    const found = await sql<{ part: string }[]>`
      select tableoid::regclass::text as part from ledger_intents where request_id = ${id}`
    assert.deepEqual([...found], [{ part: 'ledger_intents_first' }])
    await assert.rejects(sql`delete from ledger_intents where request_id = ${id}`)
  } finally {
    await database.close()
  }
})

it('a month takes what came before it was there, and is not kept from coming by it', async () => {
  const database = await openTestDatabase()
  const { sql } = database
  try {
    await addMonths(database, new FakeClock(monthMs(0)))
    // The machine slept from then on and woke up three months later.
    const awakeMs = monthMs(3) + 86_400_000
    const id = `${idsFrom('req', awakeMs)}a`
    await sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      values (${id}, 'ten_a', 'prj', 'key', 'small', 'chat', 'standard', 1, 1,
        ${new Date(awakeMs)})`
    await sql`
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
        cached_tokens, output_tokens, queue_ms, engine_ms, settled_at)
      values (${id}, 'ten_a', 'prj', 'key', 'small', 'standard', 'standard', 'finished', 'done',
        false, 100, 3, 10, 0, 5, ${new Date(awakeMs)})`
    const usage = () => sql`select * from usage_fresh`
    const before = await usage()
    await addMonths(database, new FakeClock(awakeMs))
    const untilIds = (await readMonths(sql)).map(({ untilId }) => untilId)
    for (const n of [4, 5]) assert.ok(untilIds.includes(idsFrom('req', monthMs(n))))
    for (const table of ['ledger_intents', 'ledger_settlements']) {
      const [row] = await sql<{ part: string }[]>`
        select tableoid::regclass::text as part from ${sql(table)} where request_id = ${id}`
      const name = new Date(awakeMs).toISOString().slice(0, 7).replace('-', '')
      assert.equal(row?.part, `${table}_${name}`)
      await assert.rejects(sql`delete from ${sql(`${table}_rest`)}`, /append-only/)
    }
    assert.deepEqual(await usage(), before, 'what was counted is not counted again')
  } finally {
    await database.close()
  }
})

it('what became a part of its own beside others is a month to those that follow', async () => {
  const database = await openTestDatabase()
  const { sql, url } = database
  try {
    const awakeMs = monthMs(3) + 86_400_000
    await sql`
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
        service_class, estimated_input_tokens, output_tokens_max, arrived_at)
      values (${`${idsFrom('req', awakeMs)}a`}, 'ten_a', 'prj', 'key', 'small', 'chat', 'standard',
        1, 1, ${new Date(awakeMs)})`
    await sql`delete from schema_migrations where version = 121`
    await migrate({ url, logger: createLogger('silent', 'test') })
    assert.equal((await readMonths(sql)).length, 2)
    await addMonths(database, new FakeClock(awakeMs))
    assert.equal((await readMonths(sql)).at(-1)?.untilId, idsFrom('req', monthMs(5)))
  } finally {
    await database.close()
  }
})

it('a month begins where the part of before ends, be that within it', async () => {
  const database = await openTestDatabase()
  const { sql } = database
  try {
    // As a server in New York made it in a November.
    const endMs = monthMs(1) + 3_600_000
    for (const table of ['ledger_intents', 'ledger_settlements']) {
      await sql.unsafe(`
        alter table ${table} detach partition ${table}_first;
        alter table ${table} attach partition ${table}_first
          for values from (minvalue) to ('${idsFrom('req', endMs)}')`)
    }
    await addMonths(database, new FakeClock(monthMs(0)))
    await addMonths(database, new FakeClock(monthMs(1)))
    const untilIds = (await readMonths(sql)).map(({ untilId }) => untilId)
    assert.deepEqual(
      untilIds,
      [endMs, monthMs(2), monthMs(3)].map((ms) => idsFrom('req', ms)),
    )
  } finally {
    await database.close()
  }
})
