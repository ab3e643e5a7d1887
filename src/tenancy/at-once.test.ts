/** Changes that are made at the same time, at one gateway or at two. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLogger, FakeClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { openTestDatabase, type TestDatabase, type Transaction } from '../store/index.ts'
import { createTenancy, type Tenancy } from './index.ts'

const actor = { name: 'user:anna@example.org', from: '192.0.2.7' }

let database: TestDatabase
let tenancy: Tenancy
let tenantId: string

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())
beforeEach(async () => {
  await tenancy?.close()
  await database.reset()
  const logger = createLogger('silent', 'test')
  tenancy = await createTenancy({ database, clock: new FakeClock(), random: systemRandom, logger })
  tenantId = (await tenancy.tenants.create({ name: 'Support' }, actor)).id
})
after(() => tenancy.close())

/** Begins changes in this order, each as far as it gets while something is locked. */
async function meanwhile<T>(
  lock: (sql: Transaction) => Promise<unknown>,
  changes: readonly (() => Promise<T>)[],
): Promise<PromiseSettledResult<T>[]> {
  const begun: Promise<T>[] = []
  await database.transaction(async (sql) => {
    await lock(sql)
    for (const change of changes) {
      const made = change()
      made.catch(() => undefined)
      begun.push(made)
      await until(async () => (await waiting()) === begun.length)
    }
  })
  return Promise.allSettled(begun)
}

async function waiting(): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(distinct pid)::int from pg_locks where not granted`
  return row?.count ?? 0
}

const failures = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.flatMap((result) =>
    result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
  )

describe('changes at once', () => {
  it('end a tenant and one of its projects', async () => {
    const project = await tenancy.projects.create(tenantId, { name: 'Chat' }, actor)
    const { key } = await tenancy.keys.create(tenantId, { projectId: project.id }, actor)
    const results = await meanwhile(
      (sql) => sql`select 1 from keys where id = ${key.id} for update`,
      [
        () => tenancy.tenants.archive(tenantId, actor),
        () => tenancy.projects.archive(project.id, actor),
      ],
    )
    assert.deepEqual(failures(results), ['conflict'], 'a tenant that has ended has no project left')
    assert.equal((await tenancy.keys.get(key.id)).state, 'revoked')
    await assert.rejects(tenancy.tenants.get(tenantId), { code: 'not_found' })
  })

  it('of a project keep what the other one changed', async () => {
    const { id } = await tenancy.projects.create(tenantId, { name: 'Chat' }, actor)
    const results = await meanwhile(
      (sql) => sql`select 1 from projects where id = ${id} for update`,
      [
        () => tenancy.projects.change(id, { name: 'Talk' }, actor),
        () => tenancy.projects.change(id, { weight: 3 }, actor),
      ],
    )
    assert.deepEqual(failures(results), [])
    const { name, weight } = await tenancy.projects.get(id)
    assert.deepEqual([name, weight], ['Talk', 3])
  })

  it('remove an account of a program, with the key that it is just given', async () => {
    const { id } = await tenancy.serviceAccounts.create(tenantId, { name: 'robot' }, actor)
    const results = await meanwhile<unknown>(
      (sql) => sql`select pg_advisory_xact_lock(hashtext('audit.chain'))`,
      [
        () => tenancy.keys.create(tenantId, { serviceAccountId: id }, actor),
        () => tenancy.serviceAccounts.remove(id, actor),
      ],
    )
    assert.deepEqual(failures(results), [])
    const { rows } = await tenancy.keys.list({ tenantId }, { limit: 10 })
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['revoked'],
    )
  })
})
