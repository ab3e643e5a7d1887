import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type Clock, createLogger, systemClock } from '../base/index.ts'
import { openTestDatabase, type Sql, type TestDatabase } from '../store/index.ts'
import { Membership } from './membership.ts'

/** As of a machine whose monotonic clock stands still while it sleeps. */
let sleptMs = 0
const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + sleptMs }

let database: TestDatabase
let member: Membership

before(async () => {
  database = await openTestDatabase()
  member = new Membership({
    own: { id: 'gw_1', run: 'run_1', url: 'http://127.0.0.1:1', version: '0' },
    sql: () => database.sql as Sql,
    ...{ clock, logger: createLogger('silent', 'test') },
    ...{ onTaken: () => undefined, onLost: () => undefined, onLook: () => undefined },
  })
  await member.join()
})
after(async () => {
  await member.close()
  await database.close()
})

it('whoever holds the lease may not act by it after its machine has slept', async () => {
  await member.start()
  assert.equal(member.mayAct, true)
  sleptMs = 3_600_000
  assert.equal(member.mayAct, false)
})
