/**
 * Dropping old requests, a month at a time and for good. Hours and statements tell what they came
 * to. Only what is closed goes: every hour is on a statement that stands, and no request is open.
 */
import { type Clock, idsFrom, idTimeMs } from '../base/index.ts'
import type { Database, Queries, Transaction } from '../store/index.ts'
import type { AuditLog } from '../tenancy/index.ts'
import { lockStatements } from './books/statement-rows.ts'
import { dropMonth, type Month, readMonths } from './ledger-months.ts'
import { differingHour, keptFrom } from './usage-hours.ts'

export interface RetentionOptions {
  database: Database
  audit: Pick<AuditLog, 'record'>
  clock: Clock
  /** Whole months that requests are kept for. */
  months: number
}

/** A month of a few ten million requests is read in minutes. */
const READ_MS_MAX = 600_000
const SYSTEM = { name: 'system', from: 'local' }

/**
 * Drops the oldest months that are over for so long.
 * @returns how many, and why the next one stays; null where it is not due
 */
export async function dropOld(
  options: RetentionOptions,
): Promise<{ dropped: number; reason: string | null }> {
  const { database, clock, months } = options
  const now = new Date(clock.nowMs())
  const dueId = idsFrom('req', Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months))
  for (let dropped = 0; ; dropped++) {
    const [oldest] = await readMonths(database.sql)
    if (oldest === undefined || oldest.untilId > dueId) return { dropped, reason: null }
    const reason = await database.transaction((sql) => dropIfClosed(sql, options, oldest))
    if (reason !== null) return { dropped, reason }
  }
}

/** @returns why not, a sentence; null where it was dropped */
async function dropIfClosed(
  sql: Transaction,
  { audit, clock }: RetentionOptions,
  month: Month,
): Promise<string | null> {
  await lockStatements(sql)
  await sql.unsafe(`set local statement_timeout = ${READ_MS_MAX}`)
  const isLeft = (await readMonths(sql)).some(({ name }) => name === month.name)
  if (!isLeft) return null
  // As long as nobody closes it, which is looked at every hour, its requests need not be read.
  const unclosed = await unclosedBefore(sql, idTimeMs(month.untilId) ?? 0)
  if (unclosed) return sentence(unclosed)
  const open = await someOpen(sql, month)
  if (open !== undefined) return `${open} is open`
  const sums = await sumsOf(sql, month)
  const reason = sums.requests === 0 ? null : await whyNot(sql, sums.hoursBefore)
  if (reason !== null) return reason
  if (sums.requests > 0) await note(sql, month, sums, { audit, clock })
  await dropMonth(sql, month)
  return null
}

async function note(
  sql: Transaction,
  month: Month,
  sums: Sums,
  { audit, clock }: Pick<RetentionOptions, 'audit' | 'clock'>,
): Promise<void> {
  await sql`
    insert into ledger_drops (until_id, hours_before, requests, input_tokens, output_tokens,
      spend_nanos, charge_nanos, at)
    values (${month.untilId}, greatest(${sums.hoursBefore}::timestamptz,
      (select max(hours_before) from ledger_drops)), ${sums.requests}, ${sums.inputTokens},
      ${sums.outputTokens}, ${sums.spendNanos}, ${sums.chargeNanos},
      to_timestamp(${clock.nowMs()}::float8 / 1000))`
  const detail = { ...sums, hoursBefore: sums.hoursBefore.toISOString() }
  const subject = `requests:${month.name}`
  await audit.record(SYSTEM, { action: 'ledger.drop', subject, tenantId: null, detail }, sql)
}

interface Sums {
  requests: number
  inputTokens: number
  outputTokens: number
  spendNanos: string
  chargeNanos: string
  /** The hour after the last one in which one of them was settled. */
  hoursBefore: Date
}

async function sumsOf(sql: Transaction, { name }: Month): Promise<Sums> {
  const [sums] = await sql<Sums[]>`
    select count(*) as requests, coalesce(sum(input_tokens), 0)::int8 as "inputTokens",
      coalesce(sum(output_tokens), 0)::int8 as "outputTokens",
      coalesce(sum(spend_nanos), 0)::text as "spendNanos",
      coalesce(sum(charge_nanos), 0)::text as "chargeNanos",
      date_bin('1 hour', max(settled_at), 'epoch') + interval '1 hour' as "hoursBefore"
    from ${sql(`ledger_settlements_${name}`)}`
  return sums as Sums
}

async function someOpen(sql: Transaction, { name }: Month): Promise<string | undefined> {
  const [open] = await sql<{ id: string }[]>`
    select i.request_id as id from ${sql(`ledger_intents_${name}`)} as i
    where not exists (
      select from ${sql(`ledger_settlements_${name}`)} as s where s.request_id = i.request_id)
    limit 1`
  return open?.id
}

async function whyNot(sql: Transaction, hoursBefore: Date): Promise<string | null> {
  const used: ReturnType<Queries> = sql`
    select distinct tenant_id, date_bin('1 hour', settled_at, 'epoch') as hour
    from ledger_settlements where settled_at < ${hoursBefore}`
  const unclosed = await unclosedHour(sql, used)
  if (unclosed) return sentence(unclosed)
  const differing = await differingHour(sql, 0, hoursBefore.getTime())
  return differing === null ? null : `${differing} is not what its requests come to`
}

interface UnclosedHour {
  tenantId: string
  hour: Date
}

const sentence = ({ tenantId, hour }: UnclosedHour) =>
  `no statement of ${tenantId} has the whole hour ${hour.toISOString()}`

/** By the sums of hours, which are quick; before a month goes its settlements are looked at. */
export function unclosedBefore(sql: Queries, untilMs: number): Promise<UnclosedHour | undefined> {
  const until = new Date(untilMs)
  return unclosedHour(
    sql,
    sql`
      select tenant_id, hour from usage_hours where hour >= ${keptFrom(sql)} and hour < ${until}
      union select tenant_id, hour from usage_fresh where hour < ${until}`,
  )
}

/**
 * The first hour of those in which something was used that is not as a whole on a statement that
 * stands.
 * @param used rows of `tenant_id` and `hour`
 */
async function unclosedHour(
  sql: Queries,
  used: ReturnType<Queries>,
): Promise<UnclosedHour | undefined> {
  const [unclosed] = await sql<UnclosedHour[]>`
    select tenant_id as "tenantId", hour from (${used}) as used
    where not exists (
      select from ledger_statements as s
      where s.kind = 'statement' and s.tenant_id = used.tenant_id and s.from_at <= hour
        and s.to_at >= hour + interval '1 hour'
        and not exists (select from ledger_statements as c where c.corrects = s.number))
    order by hour, tenant_id limit 1`
  return unclosed
}
