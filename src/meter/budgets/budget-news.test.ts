/** What gateways read when budgets change. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../../base/index.ts'
import { until } from '../../base/test-eventually.ts'
import { openTestDatabase, type Sql, type TestDatabase } from '../../store/index.ts'
import { createTenancy, type Tenancy } from '../../tenancy/index.ts'
import { Budgets } from './budgets.ts'

const actor = { name: 'cli', from: 'local' }
const shared = { clock: systemClock, random: systemRandom, logger: createLogger('silent', 'test') }

let database: TestDatabase
let tenancy: Tenancy
/** Rows of budgets that the other gateway has read. */
let rowsRead = 0
let here: Budgets
let elsewhere: Budgets

async function open(gatewayId: string, sql: Sql): Promise<Budgets> {
  const budgets = new Budgets({
    ...{ ...shared, database: { ...database, sql }, audit: tenancy.audit, currency: 'EUR' },
    ...{ zoneOf: () => 'UTC', waitMsMax: 1000, leaseMs: 60_000, gatewayId, isAlone: false },
  })
  await budgets.open()
  return budgets
}

before(async () => {
  database = await openTestDatabase()
  tenancy = await createTenancy({ ...shared, database })
  const counting = new Proxy(database.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      const query = Reflect.apply(target, self, args) as Promise<unknown[]>
      if (!args[0].some?.((part) => part.includes('from budgets where ended_at'))) return query
      return query.then((rows) => {
        rowsRead += rows.length
        return rows
      })
    },
  }) as Sql
  here = await open('gw_1', database.sql)
  elsewhere = await open('gw_2', counting)
})
after(async () => {
  await here.close()
  await elsewhere.close()
  await tenancy.close()
  await database.close()
})

it('a change is known everywhere, and read without all that has not changed', async () => {
  const tenant = await tenancy.tenants.create({ name: 'One' }, actor)
  const base = { name: 'all', tenantId: tenant.id, unit: 'tokens', period: 'month' } as const
  const input = { ...base, limit: '100', isHard: true, clamps: false }
  const made: string[] = []
  for (let i = 0; i < 30; i++) made.push((await here.create(input, actor)).id)
  const limits = async () => (await elsewhere.list()).map(({ budget }) => Number(budget.limit))
  await until(async () => (await limits()).length === 30)
  rowsRead = 0
  const told: string[] = []
  const unlisten = elsewhere.onChange((tenantIds) => told.push(...tenantIds))

  const [first = '', second = ''] = made
  await here.change(first, { limit: '7' }, actor)
  await until(async () => (await limits())[0] === 7)
  await here.end(second, actor)
  await until(async () => (await limits()).length === 29)
  assert.equal((await limits())[0], 7)
  assert.throws(() => elsewhere.get(second), { code: 'not_found' })
  assert.ok(rowsRead < 5, `${rowsRead} rows were read for two changes`)
  await until(() => told.length === 2)
  assert.deepEqual(new Set(told), new Set([tenant.id]))
  unlisten()
})

it('a change keeps what another one has changed meanwhile', async () => {
  const tenant = await tenancy.tenants.create({ name: 'Two' }, actor)
  const base = { name: 'all', tenantId: tenant.id, unit: 'tokens', period: 'month' } as const
  const { id } = await here.create({ ...base, limit: '100', isHard: true, clamps: false }, actor)
  await elsewhere.refresh(id)
  const both = await database.transaction(async (sql) => {
    await sql`select from budgets where id = ${id} for update`
    const changes = [
      here.change(id, { limit: '7' }, actor),
      elsewhere.change(id, { name: 'few' }, actor),
    ]
    await until(async () => {
      const [row] = await database.sql<{ count: number }[]>`
        select count(distinct pid)::int from pg_locks where not granted`
      return row?.count === 2
    })
    return Promise.allSettled.bind(Promise, changes)
  })
  await both()
  await here.refresh(id)
  const { name, limit } = here.get(id)
  assert.deepEqual([name, limit], ['few', 7n])
})
