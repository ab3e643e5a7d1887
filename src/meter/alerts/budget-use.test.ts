import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTestDatabase, type TestDatabase, type Transaction } from '../../store/index.ts'
import type { Budget } from '../budgets/budget-types.ts'
import { hourlyUse } from './budget-use.ts'

const DAY_MS = 86_400_000
const nowMs = Date.UTC(2026, 10, 14, 12)
let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
  await database.sql`
    insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
      service_class, served_class, settlement_group, end_reason, estimated, input_tokens,
      cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, charge_nanos, price_version)
    select 'req_' || days || '_' || key, 'ten_1', 'prj_' || key / 2, 'key_' || key, 'small',
      'standard', 'standard', 'finished', 'done', false, 1, 0, 1, 0, 5,
      ${new Date(nowMs)}::timestamptz - days * interval '1 day', 10, 1
    from generate_series(1, 30) as days, generate_series(0, 3) as key`
})
after(() => database.close())

const budgetOf = (id: string, changes: Partial<Budget>): Budget => ({
  ...{ id, name: id, tenantId: 'ten_1', projectId: null, keyId: null, endUser: null },
  ...{ unit: 'money', limit: 400n, period: 'month', isHard: true, clamps: false },
  ...{ isPrepaid: false, createdAt: new Date(nowMs - 30 * DAY_MS), ...changes },
})

/** What the budgets used, nanos by budget, and how often usage is looked into for that. */
const useOf = (budgets: readonly Budget[]) =>
  database.transaction(async (sql) => {
    const before = await reads(sql)
    const use = await hourlyUse(sql, budgets, nowMs)
    const charged = [...use].map(([id, rows]) => {
      return [id, rows.reduce((sum, { chargeNanos }) => sum + Number(chargeNanos), 0)]
    })
    return { charged: Object.fromEntries(charged), reads: (await reads(sql)) - before }
  })

async function reads(sql: Transaction): Promise<number> {
  const [row] = await sql<{ reads: number }[]>`
    select sum(seq_scan + coalesce(idx_scan, 0))::int as reads from pg_stat_xact_user_tables
    where relname in ('usage_hours', 'usage_fresh')`
  return row?.reads ?? 0
}

test('each budget has the use of whom it is for, in the last four weeks', async () => {
  const { charged } = await useOf([
    budgetOf('tenant', {}),
    budgetOf('project', { projectId: 'prj_1' }),
    budgetOf('key', { keyId: 'key_1' }),
    budgetOf('same key', { keyId: 'key_1' }),
    budgetOf('other tenant', { tenantId: 'ten_2' }),
    budgetOf('other key', { keyId: 'key_9' }),
  ])
  const all = 28 * 4 * 10
  assert.deepEqual(charged, {
    ...{ tenant: all, project: all / 2, key: all / 4, 'same key': all / 4 },
    ...{ 'other tenant': 0, 'other key': 0 },
  })
  assert.deepEqual((await useOf([])).charged, {})
})

test('usage is read as often for many budgets as for one', async () => {
  const ofKeys = (count: number) =>
    Array.from({ length: count }, (_, at) => budgetOf(`budget ${at}`, { keyId: `key_${at}` }))
  const { reads: ofOne } = await useOf(ofKeys(1))
  assert.ok(ofOne > 0)
  assert.equal((await useOf(ofKeys(40))).reads, ofOne)
})
