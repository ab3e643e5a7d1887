/**
 * Dropping old minutes of engines, day by day: their sums stay, and are what costs are worked out
 * from and statements are proved by. Only what is closed goes, and only with sums that hold.
 */
import type { Clock } from '../../base/index.ts'
import type { Database, Queries, Transaction } from '../../store/index.ts'
import type { AuditLog } from '../../tenancy/index.ts'
import { changeTimes, holds } from './cost-sums.ts'
import { lockStatements } from './statement-rows.ts'

export interface MinuteRetentionOptions {
  database: Pick<Database, 'sql' | 'transaction'>
  audit: Pick<AuditLog, 'record'>
  clock: Clock
  /** Whole days that minutes are kept for. */
  minuteDays: number
}

type Fragment = ReturnType<Queries>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SYSTEM = { name: 'system', from: 'local' }

/**
 * Drops the minutes of the oldest days.
 * @returns how many days, and why the next one stays; null where it is not due
 */
export async function dropMinutes(
  options: MinuteRetentionOptions,
): Promise<{ dropped: number; reason: string | null }> {
  const { database, clock, minuteDays } = options
  const dueMs = (Math.floor(clock.nowMs() / DAY_MS) - minuteDays) * DAY_MS
  for (let dropped = 0; ; dropped++) {
    await removeMinutes(database.sql)
    const dayMs = await oldestDay(database.sql)
    if (dayMs === null || dayMs + DAY_MS > dueMs) return { dropped, reason: null }
    const reason = await database.transaction((sql) => leaveAlone(sql, options, dayMs))
    if (reason !== null) return { dropped, reason }
  }
}

async function oldestDay(sql: Queries): Promise<number | null> {
  const [row] = await sql<{ dayMs: number | null }[]>`
    select (extract(epoch from date_bin('1 day', min(minute_at), 'epoch')) * 1000)::float8
      as "dayMs" from engine_minutes`
  return row?.dayMs ?? null
}

/** From then on only the sums count. @returns why not, a sentence */
async function leaveAlone(
  sql: Transaction,
  { audit }: MinuteRetentionOptions,
  dayMs: number,
): Promise<string | null> {
  await lockStatements(sql)
  // Minutes that are being written would be in no sum.
  await sql`lock table engine_minutes in share mode`
  const day = new Date(dayMs).toISOString().slice(0, 10)
  const [sum] = await sql<{ id: string }[]>`
    with ${changeTimes(sql)}
    select id::text from cost_sums, change_times
    where ${holds(sql)} and from_at = ${at(sql, dayMs)} and until_at = ${at(sql, dayMs + DAY_MS)}
    for update of cost_sums`
  if (sum === undefined) return `minutes of ${day} are not summed up`
  const unclosed = await unclosedPart(sql, sum.id)
  if (unclosed !== undefined) return `no statement has the time from ${unclosed} on`
  await sql`update cost_sums set is_alone = true where id = ${sum.id}`
  const [counts] = await sql<{ minutes: number }[]>`
    select count(*) as minutes from engine_minutes
    where minute_at >= ${at(sql, dayMs)} and minute_at < ${at(sql, dayMs + DAY_MS)}`
  const entry = { action: 'ledger.drop', subject: `minutes:${day}`, tenantId: null }
  await audit.record(SYSTEM, { ...entry, detail: { minutes: counts?.minutes ?? 0 } }, sql)
  return null
}

/** The first part of the day that is not as a whole on a statement that stands. */
async function unclosedPart(sql: Transaction, id: string): Promise<string | undefined> {
  const [part] = await sql<{ fromAt: Date }[]>`
    with bounds as (
      select bound, lead(bound) over (order by bound) as next
      from cost_sums, unnest(array[from_at, until_at] || splits) as bound where id = ${id}
    )
    select bound as "fromAt" from bounds
    where next is not null and not exists (
      select from ledger_statements as s
      where s.kind = 'statement' and s.from_at <= bound and s.to_at >= next
        and not exists (select from ledger_statements as c where c.corrects = s.number))
    order by bound limit 1`
  return part?.fromAt.toISOString()
}

/** Removes what only sums tell of, an hour at a time: others write to the tables as well. */
async function removeMinutes(sql: Queries): Promise<void> {
  const hours = await sql<{ hourMs: number }[]>`
    select (extract(epoch from hour) * 1000)::float8 as "hourMs"
    from cost_sums, generate_series(from_at, until_at - interval '1 hour', '1 hour') as hour
    where is_alone and exists (
      select from engine_minutes where minute_at >= hour and minute_at < hour + interval '1 hour')
    order by 1`
  for (const { hourMs } of hours) {
    const within: Fragment = sql`
      minute_at >= ${at(sql, hourMs)} and minute_at < ${at(sql, hourMs + HOUR_MS)}`
    await sql`delete from engine_minute_tenants where ${within}`
    await sql`delete from engine_minutes where ${within}`
  }
}

const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
