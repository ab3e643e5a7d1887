import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock as clock, createLogger, GristmillError } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { freePort, signalProcess } from '../host/index.ts'
import type { ListenerState } from './channels.ts'
import { connect, connectionError, isUnreachable, publicAddress } from './connection.ts'
import { type Database, openDatabase } from './database.ts'
import { INSTALLED_15, skippedWithout15, startInstalledServer } from './installed-server.ts'
import { type LeaseState, takeSchedulerLease } from './lease.ts'
import { migrate } from './migrate.ts'
import { openTestDatabase } from './test-database.ts'

const logger = createLogger('silent', 'test')

const refusedWith = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GristmillError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

interface Server {
  url: string
  /** Ends the server without warning; resolves once it answers again. */
  crash(): Promise<void>
  stop(): Promise<void>
}

async function embedded18(): Promise<Server> {
  const database = await openTestDatabase({ settings: { fsync: 'on', synchronous_commit: 'on' } })
  const { server } = database
  assert.ok(server, 'these tests are about the embedded server')
  const crash = async () => {
    const pid = server.pid() as number
    signalProcess(pid, 'SIGKILL')
    await eventually('the server is back', () => ![undefined, pid].includes(server.pid()))
  }
  return { url: server.url, crash, stop: () => database.close() }
}

async function installed15(): Promise<Server> {
  const server = await startInstalledServer(INSTALLED_15)
  await migrate({ url: server.url, logger })
  return { url: server.url, crash: () => server.restart('kill'), stop: server.stop }
}

const servers = [
  { name: 'embedded PostgreSQL 18', version: 18, start: embedded18, skip: false as const },
  { name: "Debian's PostgreSQL 15", version: 15, start: installed15, skip: skippedWithout15 },
]

for (const { name, version, start, skip } of servers) {
  describe(name, { skip }, () => {
    let server: Server
    let database: Database

    before(async () => {
      server = await start()
      database = await openDatabase({ url: server.url, clock, logger })
      await database.sql`create table note (id int8 primary key, text text)`
    })
    after(async () => {
      await database.close()
      await server.stop()
    })

    it('tells its version', () => {
      assert.equal(database.majorVersion, version)
    })

    it('shows an address without the password', () => {
      const password = decodeURIComponent(new URL(server.url).password)
      assert.ok(password.length > 10)
      assert.ok(!database.address.includes(password))
    })

    it('keeps what a transaction did when it succeeds, and nothing when it fails', async () => {
      await database.transaction((sql) => sql`insert into note values (1, 'kept')`)
      const failing = database.transaction(async (sql) => {
        await sql`insert into note values (2, 'lost')`
        throw new Error('changed my mind')
      })
      await assert.rejects(failing, /changed my mind/)
      const rows = await database.sql<{ id: number }[]>`select id from note where id in (1, 2)`
      assert.deepEqual([...rows], [{ id: 1 }])
    })

    it('reads whole numbers exactly or not at all', async () => {
      const [exact] = await database.sql`select ${Number.MAX_SAFE_INTEGER}::int8 as value`
      assert.equal(exact?.value, Number.MAX_SAFE_INTEGER)
      await assert.rejects(database.sql`select 9007199254740993::int8 as value`, /not exact/)
      const [money] = await database.sql<
        { value: string }[]
      >`select 9007199254740993::numeric as value`
      assert.equal(BigInt(money?.value ?? 0), 9007199254740993n)
      const [usable] = await database.sql`select 1 as one`
      assert.equal(usable?.one, 1)
    })

    it('ends a statement that runs too long', async () => {
      const impatient = await openDatabase({ url: server.url, clock, logger, statementMsMax: 50 })
      await assert.rejects(impatient.sql`select pg_sleep(30)`, { code: '57014' })
      await impatient.close()
    })

    it('delivers notifications, also after the server crashed', async () => {
      const states: ListenerState[] = []
      const payloads: string[] = []
      const stop = await database.listen(
        'keys changed',
        (payload) => payloads.push(payload),
        (state) => states.push(state),
      )
      await database.sql.notify('keys changed', 'one')
      await eventually('the first came', () => payloads.length === 1)
      await server.crash()
      await eventually('the listener is up again', () => states.length === 3)
      assert.deepEqual(states, ['up', 'down', 'up'])
      await database.sql.notify('keys changed', 'two')
      await eventually('the second came', () => payloads.length === 2)
      assert.deepEqual(payloads, ['one', 'two'])
      stop()
    })

    it('loses nothing that was committed when the server is killed with -9', async () => {
      for (let id = 100; id < 200; id++) await database.sql`insert into note values (${id}, 'x')`
      await server.crash()
      await eventually('it is up', () => database.isUp())
      const [row] = await database.sql<
        { n: number }[]
      >`select count(*) as n from note where id >= 100`
      assert.equal(row?.n, 100)
    })

    it('rejects what runs while the server goes away, with an error that says so', async () => {
      const running = database.sql`select pg_sleep(30)`.then(
        () => undefined,
        (error: unknown) => error,
      )
      await eventually('it runs', async () => {
        const found = await database.sql`
          select from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'`
        return found.length > 0
      })
      await server.crash()
      assert.ok(isUnreachable(await running))
    })

    it('migrates once, also when many start at the same time', async () => {
      const runs = await Promise.all(
        Array.from({ length: 4 }, () => migrate({ url: server.url, logger })),
      )
      assert.deepEqual(runs, [[], [], [], []])
    })

    it('lets one gateway schedule and names it to the second', async () => {
      const options = { url: server.url, clock, logger }
      const first = await takeSchedulerLease({ ...options, gatewayUrl: 'http://first:4400' })
      assert.equal(first.state().kind, 'held')
      const second = takeSchedulerLease({ ...options, gatewayUrl: 'http://second:4400' })
      const expected = new RegExp(`http://first:4400, process ${process.pid} on .*, since 20`)
      await assert.rejects(second, refusedWith('scheduler_held', expected))
      await first.release()
      const third = await takeSchedulerLease({ ...options, gatewayUrl: 'http://third:4400' })
      await third.release()
    })

    it('lets nothing be stored under a right to schedule that somebody else has had', async () => {
      const options = { url: server.url, clock, logger }
      const first = await takeSchedulerLease({ ...options, gatewayUrl: 'http://first:4400' })
      const fence = first.fence()
      const end = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      const storing = database.transaction(async (sql) => {
        assert.equal(await fence(sql), true)
        begun.resolve()
        await end.promise
      })
      await begun.promise
      await first.release()
      let isTaken = false
      const taking = takeSchedulerLease({ ...options, gatewayUrl: 'http://second:4400' })
      void taking.then(() => {
        isTaken = true
      })
      await clock.sleep(100)
      assert.equal(isTaken, false, 'it waits for what is being stored')
      end.resolve()
      await storing
      const second = await taking
      assert.equal(await database.transaction((sql) => fence(sql)), false)
      assert.equal(await database.transaction((sql) => second.fence()(sql)), true)
      await second.release()
    })

    it('gives the right to schedule back after a crash of the server', async () => {
      const states: LeaseState['kind'][] = []
      const onState = ({ kind }: LeaseState) => states.push(kind)
      const options = { url: server.url, clock, logger, gatewayUrl: 'http://one:4400', onState }
      const lease = await takeSchedulerLease(options)
      await server.crash()
      await eventually('it is held again', () => states.length === 3)
      assert.deepEqual(states, ['held', 'lost', 'held'])
      await lease.release()
    })
  })
}

describe('migrations', () => {
  let server: Server
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-migrations-'))

  before(async () => {
    server = await embedded18()
    const { sql } = connect(server.url, { connections: 1, name: 'test', statementMsMax: 0 })
    await sql`create database other`
    await sql.end()
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })
  const other = () => server.url.replace(/\/[^/]*$/, '/other')
  const run = () => migrate({ url: other(), logger, folder })

  it('apply what is new in order of number, each whole or not at all', async () => {
    writeFileSync(join(folder, '0001_a.sql'), 'create table a (id int);')
    writeFileSync(join(folder, '0010_b.sql'), 'create table b (id int); select no_such_function();')
    await assert.rejects(run(), { code: '42883' })
    writeFileSync(join(folder, '0010_b.sql'), 'create table b (id int);')
    assert.deepEqual(await run(), [10])
    writeFileSync(join(folder, '0005_c.sql'), 'alter table a add name text;')
    assert.deepEqual(await run(), [5])
    assert.deepEqual(await run(), [])
  })

  it('let others go on while a table is in use that they change', async () => {
    const database = await openDatabase({ url: other(), clock, logger })
    const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const reading = database.transaction(async (sql) => {
      await sql`lock table b in access share mode`
      held.resolve()
      await release.promise
    })
    await held.promise
    writeFileSync(join(folder, '0011_d.sql'), 'alter table b add name text;')
    const applied = run()
    await eventually('it waits for the table', async () => {
      const rows = await database.sql`select from pg_locks where not granted`
      return rows.length > 0
    })
    await database.sql`insert into b values (1)`
    release.resolve()
    await reading
    assert.deepEqual(await applied, [11])
    rmSync(join(folder, '0011_d.sql'))
    await database.sql`delete from schema_migrations where version = 11`
    await database.close()
  })

  it('that were changed after they were applied are refused by name', async () => {
    writeFileSync(join(folder, '0001_a.sql'), 'create table a (id bigint);')
    await assert.rejects(run(), refusedWith('migration_changed', /Migration 1 \(a\)/))
    writeFileSync(join(folder, '0001_a.sql'), 'create table a (id int);')
  })

  it('of a newer program are refused with both versions', async () => {
    rmSync(join(folder, '0010_b.sql'))
    await assert.rejects(run(), refusedWith('database_too_new', /version 10; this program knows 5/))
  })
})

describe('a wrong DATABASE_URL', () => {
  const open = (url: string) => openDatabase({ url, clock, logger })
  const refused = (reason: RegExp) => refusedWith('database_unreachable', reason)

  it('is refused with the reason, and without the password', async () => {
    const port = await freePort()
    const closed = open(`postgresql://me:topsecret@127.0.0.1:${port}/db`)
    await assert.rejects(closed, refused(/nothing accepts connections/))
    await assert.rejects(closed, (error: Error) => !error.message.includes('topsecret'))
    await assert.rejects(open('mysql://localhost/db'), refused(/form postgresql:/))
    await assert.rejects(open('not a url'), refused(/form postgresql:/))
    await assert.rejects(open('postgresql:///db?host=/no/such/folder'), refused(/no such socket/))
  })

  it('may have an address of IPv6', async () => {
    const url = 'postgresql://[::1]:1/db'
    assert.equal(publicAddress(url), '[::1]:1/db')
    await assert.rejects(open(url), (error: Error) => !error.message.includes('host name'))
  })

  it('is refused within seconds when the server does not answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    await assert.rejects(open(`postgresql://127.0.0.1:${port}/db`), refused(/does not answer/))
    silent.close()
  })

  it('is refused where something else takes connections and closes them', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    other.listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const url = `postgresql://127.0.0.1:${port}/db`
    const asked = openDatabase({ url, clock, logger, answerMsMax: 500 })
    await assert.rejects(asked, refused(/does not answer as PostgreSQL/))
    other.close()
  })

  it('leaves nothing of connections that have ended, with TLS as without', async (test) => {
    const other = createServer((socket) => socket.once('data', () => socket.end('S')))
    other.listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const url = `postgresql://127.0.0.1:${port}/db?sslmode=require`
    const { sql, cut } = connect(url, { connections: 1, name: 'test', statementMsMax: 0 })
    for (let i = 0; i < 4; i++) await assert.rejects(sql`select 1`)
    const destroyed = test.mock.method(Socket.prototype, 'destroy')
    cut()
    const cuts = destroyed.mock.callCount()
    await sql.end({ timeout: 0 })
    other.close()
    assert.ok(cuts <= 1, `${cuts}`)
  })

  it('with a wrong password or database is refused by its reason', async () => {
    const database = await openTestDatabase()
    const password = new URL(database.url).password
    const wrong = database.url.replace(password, 'wrong')
    await assert.rejects(open(wrong), refused(/password is wrong/))
    await assert.rejects(open(`${database.url}x`), refused(/no database of that name/))
    await database.close()
  })

  it('with what its server does not know is refused by its name', async () => {
    const database = await openTestDatabase()
    const sign = database.url.includes('?') ? '&' : '?'
    const open = (more: string) => openDatabase({ url: database.url + sign + more, clock, logger })
    await assert.rejects(
      open('channel_binding=require'),
      refused(/refuses one: .*"channel_binding"/),
    )
    await assert.rejects(open('DateStyle=never'), refused(/refuses one: .*"DateStyle"/))
    await assert.rejects(open('sslmode=verify-ful'), refused(/sslmode is one of disable, allow/))
    await assert.rejects(open('sslmode=require'), refused(/perhaps as it has no TLS/))
    await (await open('geqo=off')).close()
    await database.close()
  })

  it('whose certificate is not accepted says so', () => {
    const refusal = Object.assign(new Error('self-signed certificate'), {
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
    const told = connectionError('postgresql://db.example.org/mill', refusal) as Error
    assert.match(told.message, /its certificate is not accepted: self-signed certificate/)
  })
})
