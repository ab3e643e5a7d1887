/**
 * Databases as earlier landings left them, with rows of that time, are brought up to date: keys
 * work, what was used is what it was, and what was never settled still can be.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  createLogger,
  createRegistry,
  readConfig,
  systemClock,
  systemRandom,
} from '../src/base/index.ts'
import { createLedger, openTestJournal, queryUsage } from '../src/meter/index.ts'
import { connect, migrate, openDatabase, type Queries } from '../src/store/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/test-database.ts'
import { createTenancy } from '../src/tenancy/index.ts'

/**
 * Migrations in the order in which they landed, those that landed together in one; all others come
 * after these, in the order of their numbers.
 */
const order = [
  ...[[1], [10], [20, 21], [30], [40], [50], [55], [60], [51], [2, 56], [65], [41], [22], [66]],
  ...[[70], [72], [73], [77], [75], [74], [79], [78], [100], [95], [85], [101], [86], [87], [102]],
  ...[[90], [88], [96], [103], [104], [105], [110], [106]],
]
/** From when on there are requests. */
const FIRST_WITH_REQUESTS = 20
/** Left as they were for long, and then brought up to date at once. */
const old = { 'before engines': 4, 'before engines of services': 10 }

const folder = fileURLToPath(new URL('../src/store/migrations', import.meta.url))
const logger = createLogger('silent', 'test')
const DAY_MS = 86_400_000

interface Step {
  version: number
  sha256: string
}

/** What each landing added. */
function landings(): Step[][] {
  const steps = readdirSync(folder).map((file) => {
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex')
    return { version: Number(file.slice(0, 4)), sha256 }
  })
  const listed = order.map((group) => steps.filter(({ version }) => group.includes(version)))
  const rest = steps.filter(({ version }) => !order.flat().includes(version))
  return [...listed, ...rest.sort((a, b) => a.version - b.version).map((step) => [step])]
}

describe('a database', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())

  async function empty(name: string): Promise<string> {
    await database.sql.unsafe(`create database ${name}`)
    const url = new URL(database.url)
    url.pathname = name
    return url.href
  }

  it('that was used at every landing works on, and is what a new one is', async () => {
    const url = await empty('upgrade_all')
    const { sql } = connect(url, { connections: 1, name: 'upgrade', statementMsMax: 0 })
    const then: Step[] = []
    const tenants: string[] = []
    for (const landing of landings()) {
      then.push(...landing)
      await migrate({ url, logger, as: then })
      if (!then.some(({ version }) => version === FIRST_WITH_REQUESTS)) continue
      tenants.push(`ten_${tenants.length}`)
      await use(sql, tenants.at(-1) as string)
    }
    assert.deepEqual(await migrate({ url, logger }), [])
    assert.deepEqual(await schemaOf(sql), await schemaOf(database.sql))
    await sql.end()
    await worksOn(url, tenants)
  })

  for (const [name, count] of Object.entries(old)) {
    it(`of ${name} is brought up to date`, async () => {
      const url = await empty(`upgrade_${count}`)
      await migrate({ url, logger, as: landings().slice(0, count).flat() })
      const { sql } = connect(url, { connections: 1, name: 'upgrade', statementMsMax: 0 })
      await use(sql, 'ten_1')
      await sql.end()
      assert.ok((await migrate({ url, logger })).length > 0)
      await worksOn(url, ['ten_1'])
    })
  }
})

/** All but the order of columns, sorted. */
async function schemaOf(sql: Queries): Promise<string[]> {
  const rows = await sql<{ text: string }[]>`
    select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
      collation_name) as text from information_schema.columns where table_schema = 'public'
    union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
      where connamespace = 'public'::regnamespace
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select pg_get_functiondef(oid) from pg_proc
      where pronamespace = 'public'::regnamespace`
  return rows.map(({ text }) => text).sort()
}

const secretOf = (tenantId: string) => `gm-of-${tenantId}`

/** A tenant with a key, and one request each that was settled and that was not. */
async function use(sql: Queries, tenantId: string): Promise<void> {
  const now = new Date()
  const sha256 = createHash('sha256').update(secretOf(tenantId)).digest('hex')
  const [projectId, keyId] = [`prj_${tenantId}`, `key_${tenantId}`]
  const who = { tenant_id: tenantId, project_id: projectId, key_id: keyId, model: 'toy' }
  const asked = {
    ...who,
    endpoint: '/v1/chat/completions',
    service_class: 'standard',
    estimated_input_tokens: 5,
    output_tokens_max: 9,
    arrived_at: now,
  }
  await sql`
    insert into tenants (id, name, weight, classes, default_class, limits, hue, created_at)
    values (${tenantId}, ${tenantId}, 2, '["standard"]', 'standard', '{}', 1, ${now})`
  await sql`
    insert into projects (id, tenant_id, name, weight, created_at)
    values (${projectId}, ${tenantId}, 'default', 1, ${now})`
  await sql`
    insert into keys (id, project_id, name, hint, scopes, limits, created_at)
    values (${keyId}, ${projectId}, 'old', 'gm-of', '["inference"]', '{}', ${now})`
  await sql`
    insert into key_secrets (sha256, key_id, created_at) values (${sha256}, ${keyId}, ${now})`
  const [settledId, openId] = [`req_${tenantId}_1`, `req_${tenantId}_2`]
  await sql`insert into ledger_intents ${sql({ ...asked, request_id: settledId })}`
  await sql`insert into ledger_intents ${sql({ ...asked, request_id: openId })}`
  const settled = {
    ...who,
    request_id: settledId,
    service_class: 'standard',
    served_class: 'standard',
    settlement_group: 'finished',
    end_reason: 'done',
    estimated: false,
    input_tokens: 7,
    cached_tokens: 1,
    output_tokens: 8,
    queue_ms: 3,
    engine_ms: 40,
    settled_at: now,
  }
  await sql`insert into ledger_settlements ${sql(settled)}`
  await sql`insert into ledger_open (request_id, output_tokens) values (${openId}, 4)`
}

async function worksOn(url: string, tenantIds: readonly string[]): Promise<void> {
  const stack = new AsyncDisposableStack()
  const clock = systemClock
  const database = await openDatabase({ url, clock, logger, connections: 2 })
  stack.defer(() => database.close())
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  stack.defer(() => tenancy.close())
  try {
    for (const tenantId of tenantIds) {
      const principal = await tenancy.authenticate(secretOf(tenantId))
      assert.equal(principal?.tenantName, tenantId)
    }
    const { limits } = readConfig({})
    const journal = await openTestJournal()
    const parts = { database, clock, logger, limits, journal, registry: createRegistry() }
    const ledger = createLedger(parts)
    stack.defer(async () => void (await ledger.close()))
    await ledger.recover(async () => null)
    const period = { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS }
    const { rows } = await queryUsage(database.sql, period, ['tenant'], { limit: 100 })
    assert.deepEqual(new Set(rows.map(({ tenantId }) => tenantId)), new Set(tenantIds))
    for (const row of rows) {
      assert.deepEqual([row.requests, row.finished, row.recovered], [2, 1, 1])
      assert.deepEqual([row.inputTokens, row.outputTokens], [7, 12])
    }
  } finally {
    await stack.disposeAsync()
  }
}
