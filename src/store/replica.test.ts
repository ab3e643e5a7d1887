/** An address that leads to a replica for a while, as addresses of a cluster do in a failover. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock as clock, createLogger } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { openHome } from '../host/index.ts'
import { parseAddress } from './connection.ts'
import { openDatabase } from './database.ts'
import { startEmbedded } from './embedded.ts'
import { shareDatabase } from './shared-right.ts'
import { openTestDatabase, prepareHome, type TestDatabase } from './test-database.ts'

const logger = createLogger('silent', 'test')

/** A server that only replays what another one writes, of which there is nothing here. */
async function startReplica(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-replica-'))
  chmodSync(folder, 0o711)
  await prepareHome(folder)
  writeFileSync(join(folder, 'postgres', 'data', 'standby.signal'), '')
  const home = await openHome({ home: folder }, clock, { what: 'test' })
  const server = await startEmbedded({ home, clock, logger })
  const stop = async () => {
    await server.stop()
    home.release()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url: server.url, stop }
}

const socketOf = ({ url }: { url: string }) => parseAddress(url).socketPath as string

describe('an address that leads to a replica for a while', () => {
  const sockets = new Set<Socket>()
  let primary: TestDatabase
  let replica: Awaited<ReturnType<typeof startReplica>>
  let url: string
  let target: string
  /** Connections since it leads where it does. */
  let made = 0
  const proxy = createServer((socket) => {
    const server = connectSocket(target)
    made++
    for (const [one, other] of [
      [socket, server],
      [server, socket],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  /** @param cuts whether connections end that were made before, as they do where a server goes */
  const lead = (socketPath: string, cuts: boolean) => {
    target = socketPath
    made = 0
    if (cuts) for (const socket of sockets) socket.destroy()
  }

  before(async () => {
    primary = await openTestDatabase()
    replica = await startReplica()
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const { username, password, pathname } = new URL(primary.url)
    url = `postgresql://${username}:${password}@127.0.0.1:${port}${pathname}`
    await primary.sql`create table note (text text)`
  })
  after(async () => {
    proxy.close()
    await primary?.close()
    await replica?.stop()
  })

  it('is refused, and says so', async () => {
    lead(socketOf(replica), true)
    const expected = { code: 'database_unreachable', message: /read-only/ }
    await assert.rejects(openDatabase({ url, clock, logger }), expected)
  })

  it('is gone on with once it leads to the primary again', async () => {
    lead(socketOf(primary), true)
    const database = await openDatabase({ url, clock, logger })
    const right = await shareDatabase({ url, clock, gatewayUrl: 'http://one' })
    lead(socketOf(replica), true)
    await eventually('it is noticed', () => !database.isUp() && right.sql() === undefined)
    const some = Array.from({ length: 8 }, () => database.sql`select pg_sleep(0.05)`)
    await Promise.allSettled(some)
    await eventually('both sessions were made anew', () => made >= 8 + 2)
    lead(socketOf(primary), false)
    const add = async () => {
      const sql = right.sql()
      if (sql === undefined || !database.isUp()) return false
      await database.sql`insert into note values ('x')`
      await sql`insert into note values ('x')`
      return true
    }
    await eventually('both can write', () => add().catch(() => false))
    await right.close()
    await database.close()
  })
})
