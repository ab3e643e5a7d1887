/** The audit log as evidence: exported with its chain, and broken where somebody has meddled. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Queries } from '../store/index.ts'
import { openTestServer, type TestServer } from './test-server.ts'

const actor = { name: 'user:anna@example.org', from: '192.0.2.7' }
let server: TestServer

before(async () => {
  server = await openTestServer()
})
after(() => server.close())
beforeEach(() => server.database.reset())

const note = (subject: string, tenantId: string | null = null) =>
  server.tenancy.audit.record(actor, {
    action: 'test.note',
    subject,
    tenantId,
    detail: { words: 'Grüße\nand "quotes"', number: 1.5 },
  })
const check = async () => (await server.ask('GET', '/api/audit/check', { local: true })).json
const exported = async (query = '') => {
  const { text, headers } = await server.ask('GET', `/api/audit/export${query}`, { local: true })
  assert.match(headers.get('content-type') ?? '', /^application\/x-ndjson/)
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}
/** As somebody who may do everything with the database. */
const meddle = (work: (sql: Queries) => Promise<unknown>) =>
  server.database.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`
    await work(sql)
  })

describe('the audit log', () => {
  it('is one chain without gaps, however many write at once', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => note(`s${i}`)))
    const { rows, head, broken } = await check()
    assert.deepEqual([rows, head.seq, broken], [40, 40, null])
    const lines = await exported()
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    assert.equal(new Set(lines.map(({ subject }) => subject)).size, 40)
    assert.equal(lines.at(-1).hash, head.hash)
  })

  it('has no link of a transaction that failed, and none is missing after it', async () => {
    await note('before')
    const failing = server.database.transaction(async (sql) => {
      await server.tenancy.audit.record(
        actor,
        { action: 'test.lost', subject: 'x', tenantId: null, detail: {} },
        sql,
      )
      throw new Error('no')
    })
    await assert.rejects(failing, /no/)
    await note('after')
    assert.deepEqual(
      (await exported()).map(({ seq, subject }) => [seq, subject]),
      [
        [1, 'before'],
        [2, 'after'],
      ],
    )
    assert.equal((await check()).broken, null)
  })

  it('does not make transactions wait for one another in a circle', async () => {
    const { sql } = server.database
    await sql`create table test_rows (id int primary key, n int)`
    await sql`insert into test_rows values (1, 0)`
    const change = (inner: Queries) => inner`update test_rows set n = n + 1 where id = 1`
    const noteIn = (inner: Queries, subject: string) => {
      const entry = { action: 'test.change', subject, tenantId: null, detail: {} }
      return server.tenancy.audit.record(actor, entry, inner)
    }
    const [noted, changed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    // A chain that is locked at the row would be held by the first, which waits for the second.
    await Promise.all([
      server.database.transaction(async (inner) => {
        await noteIn(inner, 'first')
        noted.resolve()
        await changed.promise
        await change(inner)
      }),
      server.database.transaction(async (inner) => {
        await noted.promise
        await change(inner)
        changed.resolve()
        await noteIn(inner, 'second')
      }),
    ])
    await sql`drop table test_rows`
    assert.equal((await check()).rows, 2)
  })

  it('says of each kind of meddling where it is', async () => {
    for (const i of [1, 2, 3, 4]) await note(`s${i}`)
    const whole = await exported()
    const kinds: [(sql: Queries) => Promise<unknown>, number | null, RegExp][] = [
      [(sql) => sql`update audit_log set actor = 'x' where subject = 's2'`, 2, /changed/],
      [(sql) => sql`update audit_log set detail = '{}' where subject = 's3'`, 3, /changed/],
      [(sql) => sql`delete from audit_log where subject = 's3'`, 3, /row is gone/],
      [(sql) => sql`delete from audit_chain where seq = 2`, 3, /links 2 to 2 are gone/],
      [(sql) => sql`update audit_chain set hash = repeat('0', 64) where seq = 4`, 4, /changed/],
      [
        (sql) => sql`insert into audit_log (at, actor, action, subject, detail, came_from)
          values (now(), 'x', 'x', 'x', '{}', 'x')`,
        null,
        /not in the chain/,
      ],
    ]
    const { sql } = server.database
    for (const [work, seq, reason] of kinds) {
      await sql`create table kept_log as select * from audit_log`
      await sql`create table kept_chain as select * from audit_chain`
      await meddle(work)
      const { broken } = await check()
      assert.equal(broken?.seq, seq, reason.source)
      assert.match(broken.reason, reason)
      await meddle(async (inner) => {
        await inner`delete from audit_log`
        await inner`delete from audit_chain`
        await inner`insert into audit_log overriding system value select * from kept_log`
        await inner`insert into audit_chain select * from kept_chain`
        await inner`drop table kept_log, kept_chain`
      })
      assert.deepEqual(await exported(), whole)
    }
  })

  it('is hashed as is written, so that anybody can hash it again', async () => {
    await note('s1', 'ten_1')
    const [line] = await exported()
    const [row] = await server.database.sql<{ micros: string; detail: string }[]>`
      select ((extract(epoch from at) * 1000000)::bigint)::text as micros, detail::text as detail
      from audit_log`
    const words = [line.actor, line.action, line.subject, line.tenantId].map((text) =>
      JSON.stringify(text),
    )
    const text = ['', line.id, row?.micros, ...words, row?.detail, JSON.stringify(line.from)]
    assert.equal(createHash('sha256').update(text.join('\n')).digest('hex'), line.hash)
  })

  it('refuses to be changed, deleted from or emptied', async () => {
    await note('s1')
    const { sql } = server.database
    await assert.rejects(sql`update audit_chain set hash = 'x'`, /never changed/)
    await assert.rejects(sql`delete from audit_log`, /never changed/)
    await assert.rejects(sql`truncate audit_log, audit_chain`, /never changed/)
  })

  it('is exported by tenant, by action and from where the last export ended', async () => {
    const tenant = await server.tenancy.tenants.create({ name: 'Support' }, actor)
    await note('theirs', tenant.id)
    await note('nobody’s')
    const subjects = async (query: string) => (await exported(query)).map((line) => line.subject)
    assert.deepEqual(await subjects(`?tenant=${tenant.id}`), [tenant.id, 'theirs'])
    assert.deepEqual(await subjects('?action=test.'), ['theirs', 'nobody’s'])
    assert.deepEqual(await subjects('?after=2'), ['nobody’s'])
  })
})
