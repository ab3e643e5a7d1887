/** DATABASE_URL: the same program on PostgreSQL 15, alone on it, and while it is away. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import postgres, { type Sql } from 'postgres'
import { eventually } from '../src/base/test-eventually.ts'
import {
  INSTALLED_15,
  type InstalledServer,
  skippedWithout15,
  startInstalledServer,
} from '../src/store/installed-server.ts'
import {
  beginServer,
  chatBody,
  newHome,
  processesOf,
  readStream,
  removeHome,
  type ServerOptions,
  startServer,
  type TestServer,
} from './server.ts'

interface Row {
  group: string | null
  outputTokens: number
}

/**
 * Nothing may take longer to be refused: the ledger's wait of 2 s with slack for a busy machine.
 */
const REFUSED_MS_MAX = 10_000

describe('a server of its own under DATABASE_URL', { skip: skippedWithout15 }, () => {
  let database: InstalledServer
  let server: TestServer
  const homes: string[] = []
  const on = (options: ServerOptions = {}): ServerOptions => {
    const home = options.home ?? newHome()
    homes.push(home)
    const own = { DATABASE_URL: database.url, GRISTMILL_DATABASE_AWAY_MS_MAX: '1500' }
    return { ...options, home, env: { ...own, ...options.env } }
  }
  before(async () => {
    database = await startInstalledServer(INSTALLED_15)
    server = await startServer(on())
  })
  after(async () => {
    await server.stop()
    await database.stop()
    for (const home of homes) removeHome(home)
  })

  const rowOf = (id: string) => server.api<Row>('GET', `/api/requests/${id}`)
  const begin = async (maxTokens: number) => {
    const begun = Promise.withResolvers<void>()
    const response = await server.v1('/chat/completions', chatBody(maxTokens))
    assert.equal(response.status, 200)
    const end = readStream(response, () => begun.resolve())
    await Promise.race([begun.promise, end])
    return { id: response.headers.get('x-gristmill-request-id') ?? '', end }
  }

  it('starts no database of its own, and serves, meters and lists as ever', async () => {
    const running = processesOf(server.home).length
    assert.equal(running, 3, 'the program, the engine and its watcher')
    const { id, key } = await server.tenant('Bakery', { weight: 2 })
    const response = await server.v1('/chat/completions', chatBody(25), { key })
    const requestId = response.headers.get('x-gristmill-request-id') ?? ''
    assert.equal((await readStream(response)).finishReason, 'length')
    await eventually('it is settled', async () => (await rowOf(requestId)).group === 'finished')
    assert.equal((await rowOf(requestId)).outputTokens, 25)
    const usage = await server.api<{ rows: { tenantId: string; outputTokens: number }[] }>(
      'GET',
      '/api/usage',
    )
    const ours = usage.rows.filter(({ tenantId }) => tenantId === id)
    assert.deepEqual(
      ours.map(({ outputTokens }) => outputTokens),
      [25],
    )
  })

  it('a revoked key stops working within a second', async () => {
    const { key } = await server.tenant('Leaving')
    assert.equal((await server.v1('/chat/completions', chatBody(1), { key })).status, 200)
    const { rows } = await server.api<{ rows: { id: string; tenantName?: string }[] }>(
      'GET',
      '/api/keys',
    )
    const newest = rows.at(0)?.id
    await server.api('DELETE', `/api/keys/${newest}`)
    const ask = async () => (await server.v1('/chat/completions', chatBody(1), { key })).status
    await eventually('the key is refused', async () => (await ask()) === 401)
  })

  it('a second gateway on it refuses to schedule, and names the first', async () => {
    const second = beginServer(on())
    const { code, stderr } = await second.ended
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`Another gateway \\(.*process ${server.line.pid} on `))
    assert.equal(stderr.split('\n').length, 1, stderr)
    assert.deepEqual(processesOf(second.home), [])
  })

  it('serves nothing new while another gateway has taken it over meanwhile', async () => {
    const [other, admin] = [1, 2].map(() => postgres(database.url, { max: 1 })) as [Sql, Sql]
    const locks = "pg_locks where locktype = 'advisory' and granted"
    const [lock] = await admin.unsafe(`select pid, classid, objid from ${locks}`)
    // In line behind our server, which loses its connection and with it the right.
    const taken = other`select pg_advisory_lock(${lock?.objid})`.execute()
    await eventually('it is in line', async () => {
      return (await admin`select 1 from pg_locks where not granted`).length === 1
    })
    await admin`select pg_terminate_backend(${lock?.pid})`
    await taken
    const status = async () => {
      const response = await server.v1('/chat/completions', chatBody(1))
      await response.text()
      return response.status
    }
    await eventually('new requests are refused', async () => (await status()) === 503)
    const ready = await fetch(`${server.url}/readyz`)
    assert.match(await ready.text(), /Another gateway \(.*\) schedules on this database/)
    await other.end()
    await eventually('they are served again', async () => (await status()) === 200)
    await admin.end()
  })

  it('while it is away for too long new requests get 503 quickly, and all is settled later', async () => {
    const unused = await server.tenant('Never asked before')
    const streaming = await begin(3500)
    await database.restart('stop', async () => {
      // The first are taken into the journal.
      await eventually('new requests are refused', async () => {
        const response = await server.v1('/chat/completions', chatBody(2))
        await response.text()
        return response.status === 503
      })
      for (const key of [server.apiKey, unused.key]) {
        const askedMs = performance.now()
        const refused = await server.v1('/chat/completions', chatBody(2), { key })
        assert.equal(refused.status, 503)
        assert.ok(Number(refused.headers.get('retry-after')) >= 1)
        assert.match(await refused.text(), /ledger_unavailable|database/)
        assert.ok(performance.now() - askedMs < REFUSED_MS_MAX)
      }
      const ready = await fetch(`${server.url}/readyz`)
      assert.equal(ready.status, 503)
      assert.match(await ready.text(), /database cannot be reached|ledger cannot be written/)
      assert.equal((await fetch(`${server.url}/livez`)).status, 200)
      const { finishReason, chunks, error } = await streaming.end
      assert.deepEqual({ finishReason, error }, { finishReason: 'length', error: null })
      assert.ok(chunks > 1000)
    })
    await eventually('requests are served again', async () => {
      const response = await server.v1('/chat/completions', chatBody(2))
      await response.text()
      return response.status === 200
    })
    await eventually(
      'the answer is settled',
      async () => (await rowOf(streaming.id)).group !== null,
    )
    const { group, outputTokens } = await rowOf(streaming.id)
    assert.deepEqual({ group, outputTokens }, { group: 'finished', outputTokens: 3500 })
    const second = await beginServer(on()).ended
    assert.match(second.stderr, /Another gateway/, 'the right to schedule is held again')
  })

  it('SIGTERM while it is away ends the program all the same', async () => {
    const streaming = await begin(2000)
    await database.restart('stop', async () => {
      const { code } = await server.stop()
      assert.equal(code, 0)
      assert.deepEqual(processesOf(server.home), [])
      assert.equal((await streaming.end).finishReason, 'length')
    })
    server = await startServer(on({ home: server.home }))
    const { group } = await rowOf(streaming.id)
    assert.ok(group === 'recovered' || group === 'finished', String(group))
  })

  it('a database of a newer program is left alone', async () => {
    await server.stop()
    const sql = postgres(database.url, { max: 1 })
    await sql`insert into schema_migrations (version, name, sha256) values (9999, 'later', 'x')`
    const { code, stderr } = await beginServer(on()).ended
    assert.equal(code, 1)
    assert.match(stderr, /schema version 9999; this program knows \d+ — Start a newer version/)
    await sql`delete from schema_migrations where version = 9999`
    await sql.end()
    server = await startServer(on({ home: server.home }))
  })

  it('a wrong password is said without showing it', async () => {
    const wrong = database.url.replace(/:[^:@]+@/, ':not-the-password@')
    const { code, stderr } = await beginServer(on({ env: { DATABASE_URL: wrong } })).ended
    assert.equal(code, 1)
    assert.match(stderr, /cannot be reached: .*password/)
    assert.doesNotMatch(stderr, /not-the-password/)
  })
})
