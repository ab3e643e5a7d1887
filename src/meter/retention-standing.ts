/** How the keeping of requests stands: the months there are, which goes when, and what went. */
import { idTimeMs } from '../base/index.ts'
import { type Queries, readTableSizes } from '../store/index.ts'
import { type Month, readMonths } from './ledger-months.ts'
import { unclosedBefore } from './retention.ts'

export interface KeptMonth {
  /** null: all before as well. */
  fromMs: number | null
  untilMs: number
  requests: number
  /** True where `requests` is PostgreSQL's estimate. */
  isEstimate: boolean
  /** On disk, indexes included. */
  bytes: number
  /** From when on it goes. */
  dueMs: number
}

export interface DroppedMonth {
  untilMs: number
  requests: number
  inputTokens: number
  outputTokens: number
  spendNanos: string
  chargeNanos: string
  at: Date
}

export interface RetentionStanding {
  /** Whole months that requests are kept for. */
  months: number
  /** The oldest first; those that nothing came in yet included. */
  kept: KeptMonth[]
  /** The first hour of the oldest month that is not as a whole on a statement that stands. */
  unclosed: { tenantId: string; hour: Date } | null
  /** When this gateway last looked for what is due, and why the next one stayed. */
  looked: { atMs: number; reason: string | null } | null
  /** The newest first. */
  dropped: DroppedMonth[]
}

export async function readStanding(
  sql: Queries,
  months: number,
  looked: RetentionStanding['looked'],
): Promise<RetentionStanding> {
  const kept = await readKept(sql, months)
  const [oldest] = kept
  const unclosed = oldest === undefined ? undefined : await unclosedBefore(sql, oldest.untilMs)
  return { months, kept, unclosed: unclosed ?? null, looked, dropped: await readDrops(sql) }
}

async function readKept(sql: Queries, months: number): Promise<KeptMonth[]> {
  const found = await readMonths(sql)
  const tables = ({ name }: Month) => [`ledger_intents_${name}`, `ledger_settlements_${name}`]
  const sizes = await readTableSizes(sql, found.flatMap(tables))
  return found.flatMap((month, at) => {
    const untilMs = idTimeMs(month.untilId)
    const [intents, settlements] = tables(month).map((table) => sizes.get(table))
    if (untilMs === null || !intents || !settlements) return []
    const before = at === 0 ? null : idTimeMs(found[at - 1]?.untilId ?? '')
    const isFirst = month.name === 'first'
    return {
      fromMs: isFirst ? null : (before ?? monthStartMs(untilMs, -1)),
      untilMs,
      requests: intents.rows,
      isEstimate: intents.isEstimate,
      bytes: intents.bytes + settlements.bytes,
      dueMs: monthStartMs(untilMs - 1, months + 1),
    }
  })
}

/** The beginning of the month so many after that of `atMs`, UTC. */
function monthStartMs(atMs: number, after: number): number {
  const date = new Date(atMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + after)
}

async function readDrops(sql: Queries): Promise<DroppedMonth[]> {
  const rows = await sql<(Omit<DroppedMonth, 'untilMs'> & { untilId: string })[]>`
    select until_id as "untilId", requests, input_tokens as "inputTokens",
      output_tokens as "outputTokens", spend_nanos::text as "spendNanos",
      charge_nanos::text as "chargeNanos", at
    from ledger_drops order by until_id desc`
  return rows.flatMap(({ untilId, ...row }) => {
    const untilMs = idTimeMs(untilId)
    return untilMs === null ? [] : { ...row, untilMs }
  })
}
