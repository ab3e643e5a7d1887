/**
 * Bench `books`: a ledger of a year, made in the database, and how long people wait at it: a page
 * of usage of a tenant in a month, closing a month, and the proof of everything.
 */
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import {
  createLogger,
  type Random,
  seededRandom,
  systemClock,
  systemRandom,
} from '../src/base/index.ts'
import {
  addEngineCost,
  Books,
  costDays,
  costMonths,
  foldCosts,
  foldUsage,
  queryUsage,
  verifyRequests,
  verifyStatements,
  verifyUsage,
} from '../src/meter/index.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { createTenancy } from '../src/tenancy/index.ts'
import { median, percentile } from './quantiles.ts'

export interface BooksResult {
  requests: number
  months: number
  tenants: number
  engineMinutes: number
  loadS: number
  /** Moving what was noted at loading into hours, and summing up days of engines. */
  foldS: number
  /** Of 50 pages of usage: one tenant in one month by day and model, and by hour and model. */
  usageP50Ms: number
  usageP95Ms: number
  hourlyP95Ms: number
  /** Of 20 pages of what the year cost by month (`/api/costs`). */
  costsP50Ms: number
  costsP95Ms: number
  closeS: number
  statements: number
  verifyS: number
  /** Of these, the requests themselves, and the hours; statements are the rest. */
  verifyRequestsS: number
  verifyHoursS: number
  broken: string | null
  /** Of requests, and of the hours. */
  bytesPerMillion: number
  hoursBytesPerMillion: number
}

const MONTHS = 12
const TENANTS = 100
const ENGINES = 4
const MONTH_MS = 30 * 86_400_000
const FROM_MS = Date.UTC(2025, 9, 1)
const MODELS = 5
const PAGES = 50
const COST_PAGES = 20
const SUMS = 'usage_hours, usage_fresh, cost_sum_engines, cost_sum_tenants'

export async function benchBooks(options: {
  requests?: number
  seed?: number
  log: (text: string) => void
}): Promise<BooksResult> {
  const { requests = 1_000_000, seed = 1, log } = options
  const clock = systemClock
  const logger = createLogger('silent', 'bench')
  const settings = { shared_buffers: '512MB', max_wal_size: '4GB', work_mem: '64MB' }
  const database = await openTestDatabase({ settings })
  removeWhenKilled(database)
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger })
  const timed = async <T>(what: string, run: () => Promise<T>) => {
    const beganMs = clock.monotonicMs()
    const value = await run()
    const seconds = (clock.monotonicMs() - beganMs) / 1000
    log(`${what}: ${seconds.toFixed(1)} s`)
    return { value, seconds }
  }
  try {
    const load = await timed('load', () => loadYear(database, requests, log))
    const fold = await timed('fold', async () => {
      await foldUsage(database)
      await foldCosts(database, clock)
    })
    await unbounded(database, `vacuum analyze ${SUMS}`)
    const [size] = await database.sql<{ rows: number; hours: number }[]>`
      select sum(pg_total_relation_size(inhrelid))::int8 as rows,
        pg_total_relation_size('usage_hours') as hours
      from pg_inherits join pg_class as parent on parent.oid = inhparent
      where parent.relname in ('ledger_intents', 'ledger_settlements')`
    const perMillion = (bytes: number) => Math.round((bytes / requests) * 1e6)
    const days = await usagePages(database, seededRandom(seed), 'day')
    const hours = await usagePages(database, seededRandom(seed), 'hour')
    const costs = await costPages(database)
    const seed32 = new Uint8Array(32).fill(1)
    const books = new Books({ database, tenancy, clock, currency: 'USD', seed: seed32 })
    const last = { fromMs: FROM_MS + 11 * MONTH_MS, toMs: FROM_MS + 12 * MONTH_MS }
    const how = { ...last, rule: 'use', basis: 'cost' } as const
    const close = await timed('close', () => books.close(how, { name: 'bench', from: 'local' }))
    const requestsProof = await timed('verify requests', () => proveRequests(database))
    const hoursProof = await timed('verify hours', () => proveHours(database))
    const statementsProof = await timed('verify statements', () => proveStatements(database))
    const proofs = [requestsProof, hoursProof, statementsProof]
    return {
      requests,
      months: MONTHS,
      tenants: TENANTS,
      engineMinutes: load.value,
      loadS: load.seconds,
      foldS: fold.seconds,
      usageP50Ms: median(days),
      usageP95Ms: percentile(days, 0.95),
      hourlyP95Ms: percentile(hours, 0.95),
      costsP50Ms: median(costs),
      costsP95Ms: percentile(costs, 0.95),
      closeS: close.seconds,
      statements: close.value.statements.length,
      verifyS: proofs.reduce((sum, { seconds }) => sum + seconds, 0),
      verifyRequestsS: requestsProof.seconds,
      verifyHoursS: hoursProof.seconds,
      broken: proofs.find(({ value }) => value !== null)?.value ?? null,
      bytesPerMillion: perMillion(size?.rows ?? 0),
      hoursBytesPerMillion: perMillion(size?.hours ?? 0),
    }
  } finally {
    await tenancy.close()
    await database.close()
  }
}

/** Gigabytes that would stay until the next test looks for them. */
function removeWhenKilled({ server }: TestDatabase): void {
  if (server === undefined) return
  const folder = dirname(dirname(server.logFile))
  // Reads until this process is gone, and waits until the server's watcher has stopped it.
  const script = `
    cat
    for try in $(seq 60); do [ -e "$0/postgres/data/postmaster.pid" ] && sleep 1; done
    rm -rf "$0"`
  const janitor = spawn('sh', ['-c', script, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  janitor.unref()
}

/** @returns minutes of engines, of the year; in the last month with five tenants in each */
async function loadYear(
  database: TestDatabase,
  requests: number,
  log: (text: string) => void,
): Promise<number> {
  const { sql } = database
  for (let engine = 0; engine < ENGINES; engine++) {
    const parts = { machine: 2_100_000_007n, energy: 350_000_000n, staff: 0n }
    const who = { engineId: `eng_${engine}`, engineName: `gpu-${engine}`, actor: 'bench' }
    await addEngineCost(sql, { ...who, ...parts, fromMs: FROM_MS, atMs: FROM_MS })
  }
  await sql`insert into tenant_weights (tenant_id, from_at, weight)
    select 'ten_' || n, to_timestamp(${FROM_MS}::float8 / 1000), 1 + n % 4
    from generate_series(1, ${TENANTS}::int) as n`
  await sql`
    insert into prices (version, model, effective_at, ends, currency, input_nanos,
      cached_input_nanos, cache_write_nanos, output_nanos, reasoning_nanos, embedding_nanos,
      request_nanos, engine_second_nanos, hit_millionths, note, actor, at)
    values (1, '*', to_timestamp(${FROM_MS}::float8 / 1000), false, 'USD', 150000000, 75000000,
      150000000, 600000000, 600000000, 150000000, 0, 0, 0, '', 'bench', now())`
  for (let month = 0; month < MONTHS; month++) {
    await loadMonth(database, month, Math.floor(requests / MONTHS))
    log(`month ${month + 1} of ${MONTHS}`)
  }
  const minutes = await loadMinutes(database)
  await sql`insert into ledger_mark (low_water, next_low_water) values ('req_z', 'req_z')
    on conflict (only_row) do update set low_water = 'req_z', next_low_water = 'req_z'`
  await unbounded(database, 'vacuum analyze')
  return minutes
}

/** Costs of a price: 100..1099 prompt tokens, a tenth of them cached, 10..109 of output. */
async function loadMonth(database: TestDatabase, month: number, count: number): Promise<void> {
  const rows = `
    select 'req_' || lpad((${month}::int8 * 100000000 + n)::text, 12, '0') as id,
      'ten_' || (1 + hashint8(n) & 1048575) % ${TENANTS} + 1 as tenant,
      'model-' || n % ${MODELS} as model,
      to_timestamp(${FROM_MS / 1000} + ${(month * MONTH_MS) / 1000}
        + n::float8 / ${count} * ${MONTH_MS / 1000 - 60}) as at,
      (100 + n % 1000)::int as input, (10 + n % 10)::int as cached, (10 + n % 100)::int as output
    from generate_series(0, ${count - 1}) as n`
  await unbounded(
    database,
    `insert into ledger_intents (request_id, tenant_id, project_id, key_id, model, endpoint,
      service_class, estimated_input_tokens, output_tokens_max, arrived_at)
    select id, tenant, 'prj_' || tenant, 'key_' || tenant, model, '/v1/chat/completions',
      'standard', input, 1000, at from (${rows}) as r`,
    `insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
      service_class, served_class, engine_id, settlement_group, end_reason, estimated,
      input_tokens, cached_tokens, output_tokens, queue_ms, engine_ms, settled_at, price_version,
      charge_nanos, rented_target, spend_nanos)
    select id, tenant, 'prj_' || tenant, 'key_' || tenant, model, 'standard', 'standard', 'eng_0',
      'finished', 'done', false, input, cached, output, 5, 900, at + interval '1 second', 1,
      (input - cached) * 150 + cached * 75 + output * 600,
      case when model = 'model-0' then 'big@rented' end, case when model = 'model-0' then 5000 end
    from (${rows}) as r`,
  )
}

async function loadMinutes(database: TestDatabase): Promise<number> {
  const minute = `to_timestamp(${FROM_MS / 1000} + m * 60)`
  const perMonth = MONTH_MS / 60_000
  const count = MONTHS * perMonth
  await unbounded(
    database,
    `insert into engine_minutes (engine_id, minute_at, recorder, registered_s, up_s, idle_s,
      slot_s, cap_slot_s, free_s, drained_s, loading_s, down_s)
    select 'eng_' || e, ${minute}, 'one', 60, 60, 0, 0, 0, 10, 0, 0, 0
    from generate_series(0, ${ENGINES - 1}) as e, generate_series(0, ${count - 1}) as m`,
    `insert into engine_minute_tenants (engine_id, minute_at, recorder, tenant_id, engine_s,
      interactive_units, background_units, entitled_units, waste)
    select 'eng_' || e, ${minute}, 'one',
      'ten_' || (m * 7 + e * 13 + t * 17) % ${TENANTS} + 1, 10, 100, 0, 0,
      case when t = 0 then '{"client_gone": 3}' else '{}' end::jsonb
    from generate_series(0, ${ENGINES - 1}) as e,
      generate_series(${count - perMonth}, ${count - 1}) as m, generate_series(0, 4) as t`,
  )
  return ENGINES * count
}

/** Statements that may take longer than those of people; each is a transaction. */
async function unbounded(database: TestDatabase, ...statements: string[]): Promise<void> {
  const connection = await database.sql.reserve()
  try {
    await connection.unsafe('set statement_timeout = 0')
    for (const statement of statements) await connection.unsafe(statement)
    await connection.unsafe('reset statement_timeout')
  } finally {
    connection.release()
  }
}

async function usagePages(
  { sql }: TestDatabase,
  random: Random,
  by: 'day' | 'hour',
): Promise<number[]> {
  const times: number[] = []
  for (let page = 0; page < PAGES; page++) {
    const month = Math.floor(random.next() * MONTHS)
    const tenantIds = [`ten_${1 + Math.floor(random.next() * TENANTS)}`]
    const fromMs = FROM_MS + month * MONTH_MS
    const filter = { fromMs, toMs: fromMs + MONTH_MS, tenantIds }
    const beganMs = systemClock.monotonicMs()
    await queryUsage(sql, filter, [by, 'model'], { limit: 1000 })
    times.push(systemClock.monotonicMs() - beganMs)
  }
  return times
}

async function costPages({ sql }: TestDatabase): Promise<number[]> {
  const times: number[] = []
  for (let page = 0; page < COST_PAGES; page++) {
    const beganMs = systemClock.monotonicMs()
    costMonths(await costDays(sql, FROM_MS, FROM_MS + MONTHS * MONTH_MS))
    times.push(systemClock.monotonicMs() - beganMs)
  }
  return times
}

async function proveRequests({ sql }: TestDatabase): Promise<string | null> {
  for (let after: string | null = ''; after !== null; ) {
    const { next, broken } = await verifyRequests(sql, after)
    if (broken) return `${broken.id}: ${broken.what}`
    after = next
  }
  return null
}

async function proveHours({ sql }: TestDatabase): Promise<string | null> {
  for (let after: string | null = ''; after !== null; ) {
    const { next, broken } = await verifyUsage(sql, after)
    if (broken) return `${broken.id}: ${broken.what}`
    after = next
  }
  return null
}

async function proveStatements({ sql }: TestDatabase): Promise<string | null> {
  for (let after: number | null = 0; after !== null; ) {
    const { next, broken } = await verifyStatements(sql, after)
    if (broken) return `${broken.id}: ${broken.what}`
    after = next === null ? null : Number(next)
  }
  return null
}
