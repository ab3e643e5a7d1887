import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { systemClock as clock, createLogger, GristmillError } from '../base/index.ts'
import { openHome, processStart } from '../host/index.ts'
import { openDatabase } from './database.ts'
import { startEmbedded } from './embedded.ts'
import { serverUser } from './system-user.ts'
import { prepareHome } from './test-database.ts'

const logger = createLogger('silent', 'test')
const root = mkdtempSync(join(tmpdir(), 'gristmill-embedded-'))
chmodSync(root, 0o711)
after(() => rmSync(root, { recursive: true }))

let count = 0
const newPath = () => join(root, `home-${count++}`)

/** A home whose database was made before, where a test is not about making one. */
async function preparedPath(): Promise<string> {
  const path = newPath()
  mkdirSync(path, { mode: 0o711 })
  await prepareHome(path)
  return path
}

async function open(path: string) {
  const home = await openHome({ home: path }, clock, { what: 'test', freeBytesMin: 0 })
  try {
    const server = await startEmbedded({ home, clock, logger })
    const stop = async () => {
      await server.stop()
      home.release()
    }
    return { home, server, stop }
  } catch (error) {
    home.release()
    throw error
  }
}

const refusedWith = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GristmillError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

/** Starts the server in a process of its own, which commits one row and then waits. */
async function openElsewhere(path: string) {
  const load = (file: string) => `await import(${JSON.stringify(import.meta.resolve(file))})`
  const script = `
    const { systemClock: clock, createLogger } = ${load('../base/index.ts')}
    const { openHome } = ${load('../host/index.ts')}
    const { startEmbedded, openDatabase } = ${load('./index.ts')}
    const logger = createLogger('silent', 'test')
    const home = await openHome({ home: ${JSON.stringify(path)} }, clock, { what: 'test' })
    const server = await startEmbedded({ home, clock, logger })
    const database = await openDatabase({ url: server.url, clock, logger })
    await database.sql\`create table kept (id int)\`
    await database.sql\`insert into kept values (1)\`
    console.log(server.pid())`
  const args = ['--input-type=module', '-e', script]
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: holder.stdout }), 'line')) as [string]
  return { holder, serverPid: Number(line) }
}

describe('the embedded database', () => {
  it('keeps its data and its address over a restart', async () => {
    const path = newPath()
    const first = await open(path)
    const before = await openDatabase({ url: first.server.url, clock, logger })
    await before.sql`create table kept as select 42 as answer`
    await before.close()
    await first.stop()
    const second = await open(path)
    assert.equal(second.server.url, first.server.url)
    const database = await openDatabase({ url: second.server.url, clock, logger })
    assert.deepEqual([...(await database.sql`select answer from kept`)], [{ answer: 42 }])
    await database.close()
    await second.stop()
  })

  it('is durable and checks its pages', async () => {
    const { server, stop } = await open(newPath())
    const database = await openDatabase({ url: server.url, clock, logger })
    const settings = await database.sql`
      select name, setting from pg_settings where setting = 'on' and
      name in ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums') order by name`
    assert.equal(settings.length, 4)
    await database.close()
    await stop()
  })

  it('listens on no port and lets nobody in without the password', async () => {
    const { server, stop } = await open(await preparedPath())
    const database = await openDatabase({ url: server.url, clock, logger })
    const [row] = await database.sql`select current_setting('listen_addresses') as addresses`
    assert.equal(row?.addresses, '')
    await database.close()
    const url = new URL(server.url)
    url.password = ''
    const refused = refusedWith('database_unreachable', /password/)
    await assert.rejects(openDatabase({ url: url.href, clock, logger }), refused)
    await stop()
  })

  it('answers psql under the address it gives', { skip: psqlMissing() }, async () => {
    const { server, stop } = await open(await preparedPath())
    const output = execFileSync('psql', [server.url, '-Atc', 'select 6 * 7'], { encoding: 'utf8' })
    assert.equal(output.trim(), '42')
    await stop()
  })

  it('is gone after kill -9 of its parent, and the next start finds the data', async () => {
    const path = newPath()
    const { holder, serverPid } = await openElsewhere(path)
    holder.kill('SIGKILL')
    const { server, stop } = await open(path)
    assert.equal(processStart(serverPid), undefined)
    const database = await openDatabase({ url: server.url, clock, logger })
    assert.equal((await database.sql`select id from kept`).length, 1)
    await database.close()
    await stop()
  })

  it('of another version is refused by that version', async () => {
    const path = await preparedPath()
    writeFileSync(join(path, 'postgres', 'data', 'PG_VERSION'), '17\n')
    await assert.rejects(open(path), refusedWith('database_failed', /written by PostgreSQL 17/))
  })

  it('that cannot start says why and where its log is', async () => {
    const path = await preparedPath()
    const conf = join(path, 'postgres', 'data', 'postgresql.conf')
    writeFileSync(conf, 'no_such_setting = on\n', { flag: 'a' })
    await assert.rejects(open(path), (error: GristmillError) => {
      assert.equal(error.code, 'database_failed')
      assert.match(error.message, /configuration file/)
      assert.ok(existsSync(String(error.details.logFile)))
      return true
    })
  })

  it('ignores a stale postmaster.pid that names somebody else', async () => {
    const path = await preparedPath()
    const pidFile = join(path, 'postgres', 'data', 'postmaster.pid')
    writeFileSync(pidFile, `${process.pid}\n${join(path, 'postgres', 'data')}\n`)
    await (await open(path)).stop()
  })

  it('works in a home whose path is too long for a socket', async () => {
    const { server, stop } = await open(join(root, 'a'.repeat(100)))
    const folder = decodeURIComponent(new URL(server.url).hostname)
    assert.ok(folder.length < 90)
    await stop()
    assert.ok(!existsSync(folder))
  })

  it('never writes statements or their values into its log', async () => {
    const { server, stop } = await open(await preparedPath())
    const database = await openDatabase({ url: server.url, clock, logger })
    await assert.rejects(database.sql`select ${'a very secret prompt'}::int`)
    await assert.rejects(database.sql.unsafe(`select nothing_here('a very secret prompt')`))
    await database.close()
    await stop()
    assert.doesNotMatch(readFileSync(server.logFile, 'utf8'), /nothing_here\('|^.*STATEMENT/m)
    assert.equal(statSync(server.logFile).mode & 0o777, 0o600)
  })

  it('as root says which folder its user cannot pass through', { skip: notRoot() }, async () => {
    const closed = join(root, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const expected = new RegExp(
      `user \\w+, which PostgreSQL runs as, may not pass through ${closed}`,
    )
    await assert.rejects(open(join(closed, 'home')), refusedWith('home_unusable', expected))
  })

  it('as root runs as another user', { skip: notRoot() }, async () => {
    const { server, stop } = await open(newPath())
    const status = readFileSync(`/proc/${server.pid()}/status`, 'utf8')
    assert.match(status, new RegExp(`^Uid:\\s+${serverUser()?.uid}\\s`, 'm'))
    await stop()
  })

  it('on a disk that is too small says so', { skip: mountMissing() }, async () => {
    const disk = mountSmallDisk()
    try {
      await assert.rejects(open(join(disk, 'home')), refusedWith('disk_full', /bytes free/))
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'only root runs the server as another user'
}

function mountSmallDisk(): string {
  const disk = mkdtempSync(join(root, 'disk-'))
  const options = ['-o', 'size=8m,mode=711']
  execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', disk], { stdio: 'pipe' })
  return disk
}

function mountMissing(): string | false {
  try {
    execFileSync('umount', [mountSmallDisk()])
    return false
  } catch (error) {
    const [reason] = (error as Error).message.split('\n')
    return `a small disk cannot be mounted here (${reason}); root with CAP_SYS_ADMIN can`
  }
}

function psqlMissing(): string | false {
  const found = ['/usr/bin/psql', '/usr/local/bin/psql'].some((path) => existsSync(path))
  return found ? false : 'psql is not installed; apt-get install postgresql-client enables this'
}
