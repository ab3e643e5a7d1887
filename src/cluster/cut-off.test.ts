import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import {
  systemClock as clock,
  createLogger,
  Registry,
  systemRandom as random,
} from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { Pool } from '../pool/index.ts'
import { openTestDatabase, type SharedRight, type TestDatabase } from '../store/index.ts'
import { CUT_OFF_MS, CutOff } from './cut-off.ts'
import { Member } from './member.ts'
import { profile, World } from './test-world.ts'

const logger = createLogger('silent', 'test')

describe('a gateway that schedules and reaches no engine', () => {
  it('is cut off once that has lasted, while others reach some', () => {
    const cutOff = new CutOff()
    assert.equal(cutOff.isLasting(0, [0, 1], 0), false)
    assert.equal(cutOff.isLasting(0, [0, 1], CUT_OFF_MS - 1), false)
    assert.equal(cutOff.isLasting(0, [0, 1], CUT_OFF_MS), true)
    assert.equal(cutOff.isLasting(0, [0, 0], CUT_OFF_MS), false, 'it is down for all')
    assert.equal(cutOff.isLasting(0, [], 2 * CUT_OFF_MS), false, 'nobody else is there')
    assert.equal(cutOff.isLasting(0, [1], 3 * CUT_OFF_MS), false, 'from the beginning')
    assert.equal(cutOff.isLasting(1, [1], 5 * CUT_OFF_MS), false)
  })
})

describe('of two gateways', () => {
  let database: TestDatabase
  const closing = new AsyncDisposableStack()

  before(async () => {
    database = await openTestDatabase()
  })
  after(async () => {
    await closing.disposeAsync()
    await database.close()
  })

  async function gateway(id: string, state: 'up' | 'down'): Promise<Member> {
    const server = createServer().on('upgrade', (request, socket) => {
      member.upgrade(request, socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const right: Pick<SharedRight, 'sql' | 'takeWork'> = {
      sql: () => database.sql,
      takeWork: async () => async () => true,
    }
    const member = new Member({
      own: { id, run: `run_${id}`, url, version: '1' },
      secrets: [new Uint8Array(32)],
      ...{ right: right as SharedRight, database, clock, random, logger },
    })
    const records = { recordCapacity() {}, recordChange() {} }
    const mayStart = () => member.mayStart()
    const registry = new Registry()
    const pool = new Pool({ clock, logger, registry, order: 'fair', mayStart, ...records })
    const { engine } = new World()
    pool.setEngine(engine, profile(true), state, '')
    closing.defer(async () => {
      await member.close()
      server.close()
    })
    await member.join()
    await member.start({ pool, engineOf: () => engine })
    return member
  }

  it('the one that reaches the engine comes to schedule, and goes on to', async () => {
    const cut = await gateway('cut', 'down')
    await eventually('it schedules', () => cut.role === 'holder')
    const well = await gateway('well', 'up')
    await eventually('the other one schedules', () => well.role === 'holder')
    await eventually('it follows', () => cut.role === 'follower')
    await clock.sleep(2000)
    assert.deepEqual([well.role, cut.role], ['holder', 'follower'])
  })
})
