/**
 * Databases as earlier landings left them, with rows of that time, are brought up to date: keys
 * work, what was used is what it was, and what was never settled still can be.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
import { connect, migrate, openDatabase } from '../src/store/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/test-database.ts'
import { createTenancy } from '../src/tenancy/index.ts'

/** The newest migrations of earlier landings; each had all below but those named. */
const landings: Record<string, (version: number) => boolean> = {
  '2026-11-23': (version) => version <= 30 && version !== 22,
  '2026-11-24': (version) => version <= 60 && ![22, 41, 56].includes(version),
  '2026-11-28, morning': (version) => version <= 60 && version !== 22 && version !== 41,
  '2026-11-28, noon': (version) => version <= 65,
  '2026-11-28, evening': (version) => version <= 70,
  '2026-11-28, night': (version) => version <= 79,
  '2026-11-29': (version) => version <= 102,
}

const folder = fileURLToPath(new URL('../src/store/migrations', import.meta.url))
const logger = createLogger('silent', 'test')
const DAY_MS = 86_400_000
const SECRET = 'gm-of-long-ago'

describe('a database of', () => {
  let database: TestDatabase
  const work = mkdtempSync(join(tmpdir(), 'gristmill-upgrade-'))
  before(async () => {
    database = await openTestDatabase()
  })
  after(async () => {
    await database.close()
    rmSync(work, { recursive: true })
  })

  for (const [index, [landing, had]] of Object.entries(landings).entries()) {
    it(`${landing} is brought up to date`, async () => {
      const name = `upgrade_${index}`
      await database.sql.unsafe(`create database ${name}`)
      const url = new URL(database.url)
      url.pathname = name
      await asItWas(url.href, join(work, name), had)
      const applied = await migrate({ url: url.href, logger })
      assert.ok(applied.length > 0)
      assert.deepEqual(await migrate({ url: url.href, logger }), [])
      await worksOn(url.href)
    })
  }
})

/** The schema of then, and one request each that was settled and that was not. */
async function asItWas(
  url: string,
  earlier: string,
  had: (version: number) => boolean,
): Promise<void> {
  for (const file of readdirSync(folder)) {
    if (had(Number(file.slice(0, 4)))) cpSync(join(folder, file), join(earlier, file))
  }
  await migrate({ url, logger, folder: earlier })
  const { sql } = connect(url, { connections: 1, name: 'upgrade', statementMsMax: 0 })
  const now = new Date()
  const sha256 = createHash('sha256').update(SECRET).digest('hex')
  const who = { tenant_id: 'ten_1', project_id: 'prj_1', key_id: 'key_1', model: 'toy' }
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
    values ('ten_1', 'Old', 2, '["standard"]', 'standard', '{}', 1, ${now})`
  await sql`
    insert into projects (id, tenant_id, name, weight, created_at)
    values ('prj_1', 'ten_1', 'default', 1, ${now})`
  await sql`
    insert into keys (id, project_id, name, hint, scopes, limits, created_at)
    values ('key_1', 'prj_1', 'old', 'gm-of', '["inference"]', '{}', ${now})`
  await sql`
    insert into key_secrets (sha256, key_id, created_at) values (${sha256}, 'key_1', ${now})`
  await sql`insert into ledger_intents ${sql({ ...asked, request_id: 'req_1' })}`
  await sql`insert into ledger_intents ${sql({ ...asked, request_id: 'req_2' })}`
  const settled = {
    ...who,
    request_id: 'req_1',
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
  await sql`insert into ledger_open (request_id, output_tokens) values ('req_2', 4)`
  await sql.end()
}

async function worksOn(url: string): Promise<void> {
  const stack = new AsyncDisposableStack()
  const clock = systemClock
  const database = await openDatabase({ url, clock, logger, connections: 2 })
  stack.defer(() => database.close())
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  stack.defer(() => tenancy.close())
  try {
    const principal = await tenancy.authenticate(SECRET)
    assert.equal(principal?.tenantName, 'Old')
    const { limits } = readConfig({})
    const journal = await openTestJournal()
    const parts = { database, clock, logger, limits, journal, registry: createRegistry() }
    const ledger = createLedger(parts)
    stack.defer(async () => void (await ledger.close()))
    await ledger.recover(async () => null)
    const period = { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS }
    const { rows } = await queryUsage(database.sql, period, ['tenant'], { limit: 10 })
    const [row] = rows
    assert.equal(rows.length, 1)
    assert.deepEqual([row?.requests, row?.finished, row?.recovered], [2, 1, 1])
    assert.deepEqual([row?.inputTokens, row?.outputTokens], [7, 12])
  } finally {
    await stack.disposeAsync()
  }
}
