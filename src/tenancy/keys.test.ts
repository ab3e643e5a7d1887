import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../base/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { type AccessRule, createTenancy, type Issuer, type Tenancy } from './index.ts'
import { hashSecret } from './secret.ts'
import { subjectKeys } from './subject-keys.ts'
import { TokenBearers } from './tokens.ts'

const actor = { name: 'user:anna@example.org', from: '192.0.2.7' }
const logger = createLogger('silent', 'test')

let database: TestDatabase
let clock: FakeClock
let tenancy: Tenancy
let tenantId: string

before(async () => {
  database = await openTestDatabase()
})
after(async () => {
  await database.close()
})
beforeEach(async () => {
  await tenancy?.close()
  await database.reset()
  clock = new FakeClock()
  tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  tenantId = (await tenancy.tenants.create({ name: 'Support', weight: 2 }, actor)).id
})
after(() => tenancy.close())

describe('a tenant', () => {
  it('is created with a project, a hue of its own and sensible defaults', async () => {
    const first = await tenancy.tenants.get(tenantId)
    const second = await tenancy.tenants.create({ name: 'Sales', classes: ['batch'] }, actor)
    assert.deepEqual(first.classes, ['priority', 'standard', 'flex', 'batch'])
    assert.equal(first.defaultClass, 'standard')
    assert.equal(first.projectCount, 1)
    assert.equal(first.models, null)
    assert.equal(second.defaultClass, 'batch')
    assert.notEqual(first.hue, second.hue)
  })

  it('refuses a taken name, a weight of nothing and unknown fields, naming the field', async () => {
    const create = (input: object) => tenancy.tenants.create(input as { name: string }, actor)
    await assert.rejects(create({ name: 'support' }), { code: 'conflict' })
    const wrong: [object, string][] = [
      [{ name: 'x', weight: 0 }, 'weight'],
      [{ name: 'x', weight: Number.POSITIVE_INFINITY }, 'weight'],
      [{ name: '' }, 'name'],
      [{ name: 'a\u0000b' }, 'name'],
      [{ name: 'x', colour: 'red' }, 'colour'],
      [{ name: 'x', limits: { concurrencyMax: 1.5 } }, 'limits.concurrencyMax'],
      [{ name: 'x', classes: ['batch'], defaultClass: 'priority' }, 'defaultClass'],
    ]
    for (const [input, param] of wrong) {
      await assert.rejects(create(input), (error: { code: string; details: { param: string } }) => {
        assert.equal(error.code, 'invalid_value')
        assert.equal(error.details.param, param)
        return true
      })
    }
    assert.equal((await tenancy.tenants.list({ limit: 10 })).rows.length, 1)
  })

  it('keeps what a change does not name', async () => {
    await tenancy.tenants.change(tenantId, { limits: { concurrencyMax: 3 } }, actor)
    const changed = await tenancy.tenants.change(tenantId, { limits: { waitMsMax: 9 } }, actor)
    assert.deepEqual(changed.limits, {
      queueDepthMax: null,
      concurrencyMax: 3,
      tokensPerMinute: null,
      waitMsMax: 9,
    })
    assert.equal(changed.weight, 2)
  })

  it('is archived with its keys, and its name is free again', async () => {
    const { secret } = await tenancy.keys.create(tenantId, {}, actor)
    assert.ok(await tenancy.authenticate(secret))
    await tenancy.tenants.archive(tenantId, actor)
    await assert.rejects(tenancy.tenants.get(tenantId), { code: 'not_found' })
    const again = await tenancy.tenants.create({ name: 'Support' }, actor)
    assert.notEqual(again.id, tenantId)
    const { rows } = await tenancy.keys.list({ tenantId }, { limit: 10 })
    assert.deepEqual(
      rows.map((key) => key.state),
      ['revoked'],
    )
  })

  it('is listed page by page, each once', async () => {
    for (let i = 0; i < 7; i++) {
      clock.advance(1)
      await tenancy.tenants.create({ name: `Team ${i}` }, actor)
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await tenancy.tenants.list({ limit: 3, cursor })
      assert.ok(page.rows.length <= 3)
      seen.push(...page.rows.map((row) => row.name))
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
    assert.deepEqual(seen, ['Support', ...Array.from({ length: 7 }, (_, i) => `Team ${i}`)])
  })
})

describe('a project', () => {
  it('is the last one of its tenant and cannot be archived', async () => {
    const { rows } = await tenancy.projects.list(tenantId, { limit: 10 })
    const [only] = rows
    assert.ok(only)
    await assert.rejects(tenancy.projects.archive(only.id, actor), { code: 'conflict' })
    const second = await tenancy.projects.create(tenantId, { name: 'bot', weight: 3 }, actor)
    const { secret } = await tenancy.keys.create(tenantId, { projectId: second.id }, actor)
    assert.equal((await tenancy.authenticate(secret))?.policy.projectWeight, 3)
    await tenancy.projects.archive(second.id, actor)
    await database.sql`select 1`
    assert.equal((await tenancy.projects.list(tenantId, { limit: 10 })).rows.length, 1)
  })
})

describe('a key', () => {
  it('is shown once, and only its hash is stored', async () => {
    const { key, secret } = await tenancy.keys.create(tenantId, { name: 'bot' }, actor)
    assert.match(secret, /^gm-[0-9A-Za-z]{43}$/)
    assert.ok(secret.startsWith(key.hint) && key.hint.length < 10)
    const dump = await database.sql`
      select (select json_agg(k) from keys k)::text || (select json_agg(s) from key_secrets s)::text
        || (select json_agg(a) from audit_log a)::text as text`
    assert.ok(!String(dump[0]?.text).includes(secret.slice(8)))
    assert.ok(String(dump[0]?.text).includes(hashSecret(secret)))
  })

  it('moved in from another gateway works by its hash alone, whatever its form', async () => {
    const theirs = 'sk-proj-Ü_of-another-gateway/with=odd+characters'
    await tenancy.keys.importHash(tenantId, hashSecret(theirs).toUpperCase(), {}, actor)
    assert.equal((await tenancy.authenticate(theirs))?.tenantName, 'Support')
    const again = tenancy.keys.importHash(tenantId, hashSecret(theirs), {}, actor)
    await assert.rejects(again, { code: 'conflict' })
    const wrong = tenancy.keys.importHash(tenantId, theirs, {}, actor)
    await assert.rejects(wrong, { code: 'invalid_value' })
  })

  it('stays the same over a rotation, and the old secret works until the overlap ends', async () => {
    const created = await tenancy.keys.create(tenantId, {}, actor)
    const rotated = await tenancy.keys.rotate(created.key.id, { overlapS: 60 }, actor)
    assert.equal(rotated.key.id, created.key.id)
    assert.equal(rotated.key.state, 'rotating')
    assert.equal(rotated.key.overlapEndsAt?.getTime(), clock.nowMs() + 60_000)
    for (const secret of [created.secret, rotated.secret]) {
      assert.equal((await tenancy.authenticate(secret))?.keyId, created.key.id)
    }
    clock.advance(60_000)
    assert.equal(await tenancy.authenticate(created.secret), null)
    assert.ok(await tenancy.authenticate(rotated.secret))
    const { state, overlapEndsAt } = await tenancy.keys.get(created.key.id)
    assert.deepEqual([state, overlapEndsAt], ['active', null])
  })

  it('can be rotated without overlap after a leak', async () => {
    const created = await tenancy.keys.create(tenantId, {}, actor)
    await tenancy.keys.rotate(created.key.id, {}, actor)
    await tenancy.keys.rotate(created.key.id, { overlapS: 0 }, actor)
    assert.equal(await tenancy.authenticate(created.secret), null)
  })

  it('ends at its expiry without being read again', async () => {
    const expiresAt = new Date(clock.nowMs() + 5000).toISOString()
    const { key, secret } = await tenancy.keys.create(tenantId, { expiresAt }, actor)
    assert.ok(await tenancy.authenticate(secret))
    clock.advance(4999)
    assert.ok(await tenancy.authenticate(secret))
    clock.advance(1)
    assert.equal(await tenancy.authenticate(secret), null)
    assert.equal((await tenancy.keys.get(key.id)).state, 'expired')
  })

  it('carries its own limits and class, unless the tenant no longer has that class', async () => {
    const own = { limits: { concurrencyMax: 1 }, responseCache: true, tags: ['eu'] }
    const input = { defaultClass: 'flex' as const, ...own }
    const { secret } = await tenancy.keys.create(tenantId, input, actor)
    const { policy } = (await tenancy.authenticate(secret)) ?? assert.fail()
    assert.equal(policy.defaultClass, 'flex')
    assert.deepEqual([policy.keyLimits.concurrencyMax, policy.responseCache], [1, true])
    assert.deepEqual(policy.tags, ['eu'])
    for (const tags of [['EU'], ['a b'], [''], Array.from({ length: 17 }, (_, at) => `t${at}`)]) {
      const wrong = tenancy.keys.create(tenantId, { tags }, actor)
      await assert.rejects(wrong, { code: 'invalid_value' })
    }
    await tenancy.tenants.change(tenantId, { classes: ['standard', 'batch'] }, actor)
    const other = await tenancy.keys.create(tenantId, {}, actor)
    assert.equal((await tenancy.authenticate(other.secret))?.policy.defaultClass, 'standard')
    const wrong = tenancy.keys.create(tenantId, input, actor)
    await assert.rejects(wrong, { code: 'invalid_value' })
  })

  it('is found by its identifier together with others, as long as it lives', async () => {
    const make = async (expiresAt?: string) =>
      (await tenancy.keys.create(tenantId, { expiresAt }, actor)).key.id
    const soon = new Date(clock.nowMs() + 1000).toISOString()
    const [one, two, revoked, ended] = await Promise.all([make(), make(), make(), make(soon)])
    await tenancy.keys.revoke(revoked, actor)
    clock.advance(1000)
    const ids = [one, two, revoked, ended, 'key_unknown']
    const found = await tenancy.principalsOfKeys(ids)
    assert.deepEqual([...found.keys()].sort(), [one, two].sort())
    assert.equal(found.get(two)?.keyId, two)
    assert.deepEqual(await tenancy.principalOfKey(one), found.get(one))
    assert.equal(await tenancy.principalOfKey(revoked), null)
    const account = await tenancy.serviceAccounts.create(tenantId, { name: 'nightly' }, actor)
    const serviceAccountId = account.id
    const { key } = await tenancy.keys.create(tenantId, { serviceAccountId }, actor)
    await tenancy.serviceAccounts.change(serviceAccountId, { isDisabled: true }, actor)
    const suspended = await tenancy.principalsOfKeys([key.id])
    assert.deepEqual([suspended.has(key.id), suspended.get(key.id)], [true, null])
    assert.equal(await tenancy.principalOfKey(key.id), null)
  })

  it('of another tenant’s project cannot be made', async () => {
    const other = await tenancy.tenants.create({ name: 'Sales' }, actor)
    const [project] = (await tenancy.projects.list(other.id, { limit: 1 })).rows
    const wrong = tenancy.keys.create(tenantId, { projectId: project?.id }, actor)
    await assert.rejects(wrong, { code: 'not_found' })
  })
})

describe('the audit log', () => {
  it('has a row for every change, with who, what and from where, and no secret', async () => {
    const { key } = await tenancy.keys.create(tenantId, { name: 'bot' }, actor)
    await tenancy.keys.change(key.id, { name: 'robot' }, actor)
    await tenancy.keys.rotate(key.id, {}, actor)
    await tenancy.keys.revoke(key.id, actor)
    await tenancy.keys.revoke(key.id, actor)
    const { rows } = await tenancy.audit.list({ tenantId }, { limit: 10 })
    const actions = rows.map((row) => row.action)
    const expected = ['key.revoke', 'key.rotate', 'key.change', 'key.create', 'tenant.create']
    assert.deepEqual(actions, expected)
    assert.ok(rows.every((row) => row.actor === actor.name && row.from === actor.from))
    assert.deepEqual(rows[2]?.detail, { name: 'robot' })
  })

  it('has no row for a change that was refused', async () => {
    await assert.rejects(tenancy.tenants.create({ name: 'Support' }, actor))
    const { rows } = await tenancy.audit.list({}, { limit: 10 })
    assert.equal(rows.length, 1)
  })

  it('cannot be rewritten', async () => {
    await assert.rejects(database.sql`update audit_log set actor = 'nobody'`, /never changed/)
    await assert.rejects(database.sql`delete from audit_log`, /never changed/)
  })
})

describe('the first start', () => {
  it('makes a tenant with a working key, and later ones do not', async () => {
    await tenancy.close()
    await database.reset()
    tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
    const first = await tenancy.bootstrap()
    const who = await tenancy.authenticate(first.key ?? assert.fail('no key'))
    assert.equal(who?.tenantName, 'default')
    assert.equal(who?.projectName, 'default')
    const second = await tenancy.bootstrap()
    assert.deepEqual(second, { tenantId: first.tenantId, projectId: first.projectId })
  })

  it('makes one tenant and one key though several gateways start at once', async () => {
    await tenancy.close()
    await database.reset()
    tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
    const starts = await Promise.all([1, 2, 3].map(() => tenancy.bootstrap()))
    assert.equal(new Set(starts.map((one) => one.tenantId)).size, 1)
    assert.equal(starts.filter(({ key }) => key !== undefined).length, 1)
  })

  it('lets a signed-in person act for a tenant without a key', async () => {
    const principal = await tenancy.principalFor(tenantId)
    assert.equal(principal.tenantName, 'Support')
    assert.equal(principal.policy.tenantWeight, 2)
    await assert.rejects(tenancy.principalFor('ten_none'), { code: 'not_found' })
  })
})

describe('the key of who calls with tokens', () => {
  const keyOf = () =>
    subjectKeys({ database, clock, random: systemRandom }).of({
      ...{ subject: 'https://login.example.com nightly', name: 'nightly', tenantId },
      ...{ actorName: 'token:nightly', serviceAccountId: null },
    })
  const projectOfKey = async (id: string) => (await tenancy.keys.get(id)).projectId

  it('is made anew in the next project where its own was archived', async () => {
    const key = await keyOf()
    const { id: next } = await tenancy.projects.create(tenantId, { name: 'next' }, actor)
    await tenancy.projects.archive(await projectOfKey(key), actor)
    const anew = await keyOf()
    assert.equal(await projectOfKey(anew), next)
    assert.equal(await keyOf(), anew)
  })

  it('that somebody has revoked stays so, whatever becomes of its project', async () => {
    const key = await keyOf()
    await tenancy.keys.revoke(key, actor)
    await assert.rejects(keyOf(), { code: 'token_invalid' })
    clock.advance(1000)
    await tenancy.projects.create(tenantId, { name: 'next' }, actor)
    await tenancy.projects.archive(await projectOfKey(key), actor)
    await assert.rejects(keyOf(), { code: 'token_invalid' })
  })

  it('is none where the tenant has ended, whether or not there was one before', async () => {
    const issuer = {
      options: { issuer: 'https://login.example.com' },
      verify: async () => ({ sub: 'nightly', exp: clock.nowMs() / 1000 + 300 }),
      groupsOf: () => ['jobs'],
    } as unknown as Issuer
    const rule: AccessRule = { group: 'jobs', role: 'member', tenantIds: [tenantId] }
    const rules = { ...tenancy.accessRules, list: async () => [rule] }
    const bearers = new TokenBearers(
      { database, clock, random: systemRandom, rules },
      { issuer, audiences: ['gristmill'], personOf: async () => null },
    )
    await keyOf()
    await tenancy.tenants.archive(tenantId, actor)
    const refused = { code: 'token_invalid', details: { reason: 'its tenant has ended' } }
    await assert.rejects(bearers.find('a token'), refused)
    await database.sql`delete from keys`
    await assert.rejects(bearers.find('a token'), refused)
  })
})
