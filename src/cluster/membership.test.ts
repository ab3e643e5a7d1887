import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type Clock, systemClock as clock, createLogger } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { Membership } from './membership.ts'

const logger = createLogger('silent', 'test')

describe('one of several gateways', () => {
  let database: TestDatabase
  const open: Membership[] = []

  before(async () => {
    database = await openTestDatabase()
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    await database.reset()
  })
  after(() => database.close())

  function member(
    id: string,
    { run = `run_${id}`, sql = database.sql, time = clock as Clock } = {},
  ) {
    const seen = { tokens: [] as number[], looks: 0, losses: 0, isCutOff: false, reach: 0 }
    const membership = new Membership({
      own: { id, run, url: `http://${run}`, version: '1' },
      sql: () => (seen.isCutOff ? undefined : sql),
      reach: () => seen.reach,
      clock: time,
      logger,
      onTaken: (token) => seen.tokens.push(token),
      onLost: () => {
        seen.losses++
      },
      onLook: () => {
        seen.looks++
      },
    })
    open.push(membership)
    return Object.assign(seen, { membership })
  }

  async function join(...given: Parameters<typeof member>) {
    const one = member(...given)
    await one.membership.join()
    await one.membership.start()
    return one
  }

  /** The database where every statement takes so long. */
  const slow = (ms: number) =>
    new Proxy(database.sql, {
      apply(target, self, given) {
        const query = Reflect.apply(target, self, given) as PromiseLike<unknown>
        if (typeof query.then !== 'function') return query
        const later = (ok: () => void, bad: () => void) =>
          clock
            .sleep(ms)
            .then(() => query)
            .then(ok, bad)
        return new Proxy(query, {
          get: (of, name) => (name === 'then' ? later : (Reflect.get(of, name) as unknown)),
        })
      },
    })

  it('schedules again where the database is restored to an earlier time', async () => {
    await member('b').membership.join()
    await database.sql`
      insert into scheduler_lease (gateway_id, run, token, since, expires_at)
      values ('b', 'run_b', 40, now(), now() - interval '1 s')`
    const { membership, tokens } = await join('a')
    assert.deepEqual(tokens, [41])
    await database.sql`update scheduler_lease set gateway_id = 'b', run = 'run_b', token = 3`
    await eventually('it has the lease again', () => tokens.length === 2)
    assert.ok((tokens[1] ?? 0) > 41, `${tokens[1]}`)
    assert.equal(membership.mayAct, true)
    await database.sql`delete from scheduler_lease`
    await eventually('and again', () => tokens.length === 3)
    assert.ok((tokens[2] ?? 0) > (tokens[1] ?? 0), `${tokens[2]}`)
  })

  it('knows that it reaches no engine while another one does', async () => {
    const one = await join('a')
    const other = await join('b')
    const isCutOff = () => [one.membership.isCutOff, other.membership.isCutOff]
    assert.deepEqual(isCutOff(), [false, false], 'no engine answers anybody')
    other.reach = 2
    await eventually('the other one is told of', () => one.membership.isCutOff)
    assert.deepEqual(isCutOff(), [true, false])
    one.reach = 1
    assert.deepEqual(isCutOff(), [false, false])
    one.reach = 0
    await other.membership.close()
    await eventually('it does not live any more', () => !one.membership.isCutOff)
  })

  it('keeps the lease where the database is slow', async () => {
    const one = await join('a', { sql: slow(600) })
    const other = await join('b')
    const { looks } = one
    await eventually('it has looked often', () => one.looks >= looks + 4)
    assert.deepEqual([one.tokens, other.tokens], [[1], []])
  })

  it('goes on with its end where the database does not hear that it gives the lease back', async () => {
    let isCut = false
    const sql = new Proxy(database.sql, {
      apply(target, self, given) {
        if (isCut) return Promise.reject(new Error('the connection was cut'))
        return Reflect.apply(target, self, given) as unknown
      },
    })
    const { membership } = await join('a', { sql })
    isCut = true
    await membership.give()
    assert.equal(membership.mayAct, false)
  })

  it('takes the lease that it gave way with again, where nobody else does', async () => {
    const one = await join('a')
    await one.membership.giveWay()
    assert.deepEqual([one.membership.mayAct, one.losses], [false, 1])
    await eventually('it has the lease again', () => one.tokens.length === 2)
  })

  it('may not act by its lease after its machine has slept', async () => {
    // The monotonic clock stands still meanwhile.
    let sleptMs = 0
    const time: Clock = { ...clock, nowMs: () => clock.nowMs() + sleptMs }
    const { membership } = await join('a', { time })
    assert.equal(membership.mayAct, true)
    sleptMs = 3_600_000
    assert.equal(membership.mayAct, false)
  })

  it('lets go of its lease once it could not look for long, and not before', async () => {
    let passedMs = 0
    const time: Clock = { ...clock, monotonicMs: () => clock.monotonicMs() + passedMs }
    const one = await join('a', { time })
    one.isCutOff = true
    passedMs = 8000
    await clock.sleep(500)
    assert.deepEqual([one.membership.mayAct, one.losses], [false, 0])
    passedMs = 11_000
    await eventually('it has let go', () => one.losses === 1)
    one.isCutOff = false
    await eventually('it has the lease again', () => one.tokens.length === 2)
  })

  it('is told of one that runs with a copy of its data home, and not of one that ended', async () => {
    const one = await join('a')
    const copy = member('a', { run: 'run_copy' }).membership
    assert.equal((await copy.twin())?.url, 'http://run_a')
    await one.membership.close()
    assert.equal(await copy.twin(), undefined)
  })

  it('keeps nothing for others any more once it shuts down, which they hear at once', async () => {
    const [one, two] = [await join('a'), await join('b')]
    const homes = ({ membership }: typeof one) => membership.homes.map(({ id }) => id).sort()
    one.membership.wake()
    await eventually('both know both', () => [one, two].every((of) => homes(of).length === 2))
    await two.membership.give()
    one.membership.wake()
    await eventually('it is gone', () => homes(one).join() === 'a')
    assert.deepEqual(homes(two), ['a'])
    assert.deepEqual([...one.membership.alive].sort(), ['a', 'b'])
    await two.membership.close()
    await join('b', { run: 'run_again' })
    one.membership.wake()
    await eventually('it is back', () => homes(one).length === 2)
  })

  it('has left once it says that nothing of it is left to be written', async () => {
    const { membership } = await join('a')
    const hasLeft = async () => {
      const [row] = await database.sql`select left_at from gateways where id = 'a'`
      return row?.left_at !== null
    }
    await membership.close()
    assert.equal(await hasLeft(), false)
    await membership.leave()
    assert.equal(await hasLeft(), true)
  })
})
