import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { type Database, openTestDatabase, type Sql, type TestDatabase } from '../store/index.ts'
import { createTenancy, type Principal, type Tenancy } from './index.ts'
import { KeyCache } from './key-cache.ts'

const actor = { name: 'user:anna@example.org', from: '192.0.2.7' }
const logger = createLogger('silent', 'test')

/** The real database, counting key lookups, with a change listener that can be unplugged. */
function observed(database: Database) {
  const seen = { lookups: 0, news: new Set<string>(), isListening: false, isAway: false }
  let plugged = true
  let setState: (state: 'up' | 'down') => void = () => {}
  const sql = new Proxy(database.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      const isLookup = args[0].some?.((part) => part.includes('from key_secrets s'))
      if (isLookup) seen.lookups++
      if (!isLookup || !seen.isAway) return Reflect.apply(target, self, args) as unknown
      return Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    },
  }) as Sql
  const listen: Database['listen'] = async (channel, onPayload, onState) => {
    setState = (state) => onState?.(state)
    const hear = (payload: string) => {
      seen.news.add(payload)
      if (plugged) onPayload(payload)
    }
    const toldState: typeof onState = (state) => {
      seen.isListening = state === 'up'
      onState?.(state)
    }
    return database.listen(channel, hear, toldState)
  }
  const unplug = () => {
    plugged = false
    setState('down')
  }
  const plugIn = () => {
    plugged = true
    setState('up')
  }
  return { database: { ...database, sql, listen }, seen, unplug, plugIn }
}

const AWAY_MS_MAX = 60_000

let database: TestDatabase
let view: ReturnType<typeof observed>
let clock: FakeClock
let tenancy: Tenancy
let elsewhere: Tenancy
let tenantId: string

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(async () => {
  await database.reset()
  clock = new FakeClock(systemClock.nowMs())
  view = observed(database)
  const shared = { random: systemRandom, logger }
  const options = { ...shared, clock, database: view.database, awayMsMax: AWAY_MS_MAX }
  tenancy = await createTenancy(options)
  elsewhere = await createTenancy({ ...shared, clock: systemClock, database })
  tenantId = (await elsewhere.tenants.create({ name: 'Support' }, actor)).id
})
afterEach(async () => {
  await tenancy.close()
  await elsewhere.close()
})

/** Uses a key once all news of before has arrived, so that it is cached and stays so. */
async function use(secret: string): Promise<Principal | null> {
  await until(() => view.seen.isListening)
  const mark = `mark:${view.seen.news.size}`
  await database.sql`select pg_notify('tenancy', ${mark})`
  await until(() => view.seen.news.has(mark))
  await tenancy.authenticate(secret)
  view.seen.lookups = 0
  return cached(secret)
}

/** A cached answer, which must come synchronously. */
function cached(secret: string): Principal | null {
  const answer = tenancy.authenticate(secret)
  assert.ok(!(answer instanceof Promise), 'the answer was not cached')
  return answer
}

describe('a key that was used before', () => {
  it('is answered at once, without the database, with the same object', async () => {
    const { secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const first = await use(secret)
    for (let i = 0; i < 100; i++) assert.equal(cached(secret), first)
    assert.ok(first)
    assert.equal(view.seen.lookups, 0)
  })

  it('stops working when another gateway revokes it, and whoever streams with it is told', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const told: string[] = []
    tenancy.onRevoked((keyId) => told.push(keyId))
    assert.ok(await use(secret))
    await elsewhere.keys.revoke(key.id, actor)
    await until(async () => (await tenancy.authenticate(secret)) === null)
    assert.deepEqual(told, [key.id])
  })

  it('follows every change of key, project and tenant', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const policy = async () => (await tenancy.authenticate(secret))?.policy
    await policy()
    await elsewhere.keys.change(key.id, { limits: { concurrencyMax: 2 } }, actor)
    await until(async () => (await policy())?.keyLimits.concurrencyMax === 2)
    await elsewhere.keys.change(key.id, { responseCache: true }, actor)
    await until(async () => (await policy())?.responseCache === true)
    await elsewhere.keys.change(key.id, { tags: ['eu', 'trial'] }, actor)
    await until(async () => (await policy())?.tags.join() === 'eu,trial')
    await elsewhere.projects.change(key.projectId, { weight: 4 }, actor)
    await until(async () => (await policy())?.projectWeight === 4)
    await elsewhere.tenants.change(tenantId, { weight: 5, models: ['small'] }, actor)
    await until(async () => (await policy())?.tenantWeight === 5)
    assert.deepEqual((await policy())?.models, ['small'])
  })

  it('of one tenant stays cached when another tenant changes', async () => {
    const { secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const other = await elsewhere.tenants.create({ name: 'Sales' }, actor)
    await use(secret)
    await elsewhere.tenants.change(other.id, { weight: 9 }, actor)
    await until(() => tenancy.labels().get(other.id)?.weight === 9)
    assert.ok(cached(secret))
  })

  it('has the time of its last use written in the next minute', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    await use(secret)
    assert.equal((await elsewhere.keys.get(key.id)).lastUsedAt, null)
    clock.advance(60_000)
    await until(async () => (await elsewhere.keys.get(key.id)).lastUsedAt !== null)
    assert.ok(cached(secret), 'noting the use must not empty the cache')
  })
})

describe('keys that are looked up', () => {
  it('together are looked up by the same statement, however many they are', async () => {
    for (const count of [2, 3, 5, 9]) {
      const unknown = Array.from({ length: count }, (_, i) => `gm-${count}-${i}`)
      await Promise.all(unknown.map(async (secret) => elsewhere.authenticate(secret)))
    }
    const { sql } = database
    const prepared = await Promise.all(
      Array.from(
        { length: 40 },
        () => sql<{ statement: string }[]>`
          select statement from pg_prepared_statements
          where strpos(statement, 'select s.sha256,' || ' s.valid_until') > 0`,
      ),
    )
    assert.equal(new Set(prepared.flat().map(({ statement }) => statement)).size, 1)
  })
})

describe('while the change listener is down', () => {
  it('a cached key counts for one second only', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    view.unplug()
    assert.ok(await use(secret))
    await elsewhere.keys.revoke(key.id, actor)
    clock.advance(999)
    assert.ok(cached(secret))
    clock.advance(1)
    assert.equal(await tenancy.authenticate(secret), null)
  })

  it('a key cached more than a second before is read again at once', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    await use(secret)
    clock.advance(5000)
    view.unplug()
    await elsewhere.keys.revoke(key.id, actor)
    assert.equal(await tenancy.authenticate(secret), null)
  })

  it('nothing is missed: what was revoked meanwhile is told when it is back', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const told: string[] = []
    tenancy.onRevoked((keyId) => told.push(keyId))
    await use(secret)
    view.unplug()
    await elsewhere.keys.revoke(key.id, actor)
    view.plugIn()
    await until(() => told.includes(key.id))
    assert.equal(await tenancy.authenticate(secret), null)
  })
})

describe('a weight that another gateway changes', () => {
  it('is told, of tenants and projects, and what was missed once the listener is back', async () => {
    const told: unknown[][] = []
    await until(() => tenancy.labels().has(tenantId))
    const stop = tenancy.onWeight((...change) => told.push(change))
    const isTold = (...change: unknown[]) =>
      until(() => told.some((one) => one.join() === change.join()))
    const { id } = await elsewhere.projects.create(tenantId, { name: 'nightly', weight: 2 }, actor)
    await isTold(2, tenantId, id)
    await elsewhere.tenants.change(tenantId, { weight: 5 }, actor)
    await isTold(5, tenantId)
    view.unplug()
    await elsewhere.tenants.change(tenantId, { weight: 6 }, actor)
    await elsewhere.projects.change(id, { weight: 1 }, actor)
    assert.equal(told.length, 2)
    view.plugIn()
    await isTold(6, tenantId)
    await isTold(1, tenantId, id)
    stop()
    await elsewhere.tenants.change(tenantId, { weight: 7, name: 'Help' }, actor)
    await until(() => tenancy.labels().get(tenantId)?.name === 'Help')
    assert.equal(told.length, 4)
  })
})

describe('when the connection for changes is cut', () => {
  it('a key revoked at that moment stops working all the same', async () => {
    const real = await createTenancy({ random: systemRandom, logger, clock: systemClock, database })
    try {
      const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
      await until(async () => (await real.authenticate(secret)) !== null)
      await database.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'gristmill notifications' and datname = current_database()`
      await elsewhere.keys.revoke(key.id, actor)
      await until(async () => (await real.authenticate(secret)) === null)
    } finally {
      await real.close()
    }
  })
})

describe('while the database is away', () => {
  it('a key that was used before counts for a set time, any other does not', async () => {
    const { key, secret } = await elsewhere.keys.create(tenantId, {}, actor)
    const other = await elsewhere.keys.create(tenantId, {}, actor)
    const isRefused = { code: 'ECONNREFUSED' }
    assert.ok(await use(secret))
    view.unplug()
    view.seen.isAway = true
    clock.advance(2000)
    assert.ok(await tenancy.authenticate(secret))
    assert.ok(cached(secret), 'nobody waits for the database again')
    await assert.rejects(async () => tenancy.authenticate(other.secret), isRefused)
    clock.advance(AWAY_MS_MAX)
    await assert.rejects(async () => tenancy.authenticate(secret), isRefused)
    await elsewhere.keys.revoke(key.id, actor)
    view.seen.isAway = false
    view.plugIn()
    assert.equal(await tenancy.authenticate(secret), null)
  })
})

describe('an unknown key', () => {
  it('is remembered as unknown for a short time', async () => {
    assert.equal(await use('sk-guess'), null)
    for (let i = 0; i < 10; i++) assert.equal(cached('sk-guess'), null)
    assert.equal(view.seen.lookups, 0)
    clock.advance(5000)
    assert.equal(await tenancy.authenticate('sk-guess'), null)
    assert.equal(view.seen.lookups, 1)
  })

  it('works as soon as its hash was imported', async () => {
    assert.equal(await tenancy.authenticate('sk-moved'), null)
    const { hashSecret } = await import('./secret.ts')
    await elsewhere.keys.importHash(tenantId, hashSecret('sk-moved'), {}, actor)
    await until(async () => (await tenancy.authenticate('sk-moved')) !== null)
  })

  it('in a flood of others costs few reads, not one each', async () => {
    const guesses = Array.from({ length: 400 }, async (_, i) => tenancy.authenticate(`sk-${i}`))
    assert.ok((await Promise.all(guesses)).every((answer) => answer === null))
    assert.ok(view.seen.lookups <= 3, `${view.seen.lookups} reads`)
  })

  it('in too large a flood is refused with a reason', async () => {
    const guesses = Array.from({ length: 12_000 }, (_, i) =>
      Promise.resolve().then(() => tenancy.authenticate(`sk-${i}`)),
    )
    const outcomes = await Promise.allSettled(guesses)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    assert.ok(refused.length > 0)
    assert.ok(refused.every((outcome) => outcome.reason.code === 'not_ready'))
  })
})

describe('the cache', () => {
  const entry = (keyId: string) => {
    const principal = { keyId, tenantId: 't', projectId: 'p' } as Principal
    return { principal, validUntilMs: Number.POSITIVE_INFINITY, isToken: false }
  }

  it('keeps to its bound and drops what was not used', () => {
    const cache = new KeyCache({ entriesMax: 3, unknownMax: 2 })
    for (const id of ['a', 'b', 'c']) cache.put(id, entry(id), 0)
    cache.put('d', entry('d'), 0)
    const b = cache.get('b') ?? assert.fail()
    b.used = true
    cache.put('e', entry('e'), 0)
    assert.ok(cache.get('b'))
    for (const id of ['u', 'v', 'w']) cache.putUnknown(id, 0)
    assert.equal(cache.size, 5)
    assert.equal(cache.unknownSinceMs('u'), undefined)
  })

  it('drops both secrets of a key that is being rotated, and nothing else', () => {
    const cache = new KeyCache({ entriesMax: 10, unknownMax: 2 })
    for (const sha256 of ['old', 'new']) cache.put(sha256, entry('rotating'), 0)
    cache.put('other', entry('other'), 0)
    cache.dropKey('rotating')
    assert.deepEqual([cache.get('old'), cache.get('new')], [undefined, undefined])
    assert.ok(cache.get('other'))
  })
})
