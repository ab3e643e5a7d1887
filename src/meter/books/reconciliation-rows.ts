/** The tables of reconciliations: written once, and read by page. */
import { GristmillError } from '../../base/index.ts'
import type { Queries, Transaction } from '../../store/index.ts'
import type { DifferenceClass, ReconciledLine } from './reconcile.ts'

export interface Reconciliation {
  id: number
  source: string
  sha256: string
  /** Days in UTC; `toDay` exclusive. */
  fromDay: string
  toDay: string
  thresholdNanos: bigint
  actor: string
  at: Date
  /** Lines of each class, and what was billed above what the ledger has. */
  classes: { class: DifferenceClass; lines: number; differenceNanos: bigint }[]
  /** Lines that keep their days from being closed. */
  blocking: number
}

export interface ReconciliationLine {
  line: number
  day: string
  model: string
  key: string
  class: DifferenceClass
  ours: { requests: number; tokens: number; nanos: bigint } | null
  theirs: { tokens: number | null; nanos: bigint } | null
  /** What was billed above what the ledger has. */
  differenceNanos: bigint
  isBlocking: boolean
  /** Who answers for it. */
  variance: { reason: string; actor: string; at: Date } | null
}

const DAY_MS = 86_400_000

type Fragment = ReturnType<Queries>

interface Head {
  source: string
  sha256: string
  fromDay: string
  toDay: string
  thresholdNanos: bigint
  actor: string
  atMs: number
}

export async function insertReconciliation(sql: Transaction, head: Head): Promise<number> {
  const { source, sha256, fromDay, toDay, thresholdNanos, actor, atMs } = head
  const [row] = await sql<{ id: number }[]>`
    insert into reconciliations (source, sha256, from_day, to_day, threshold_nanos, actor, at)
    values (${source}, ${sha256}, ${fromDay}, ${toDay}, ${String(thresholdNanos)}, ${actor},
      to_timestamp(${atMs}::float8 / 1000)) returning id`
  return row?.id ?? 0
}

export async function insertLines(
  sql: Transaction,
  id: number,
  lines: readonly ReconciledLine[],
): Promise<void> {
  const rows = lines.map(({ ours, theirs, ...line }, index) => ({
    ...line,
    line: index + 1,
    ours_requests: ours?.requests,
    ours_tokens: ours?.tokens,
    ours_nanos: ours?.nanos.toString(),
    theirs_tokens: theirs?.tokens,
    theirs_nanos: theirs?.nanos.toString(),
  }))
  await sql`
    insert into reconciliation_lines (reconciliation_id, line, day, model, key, class,
      ours_requests, ours_tokens, ours_nanos, theirs_tokens, theirs_nanos)
    select ${id}, given.* from json_to_recordset(${JSON.stringify(rows)}::text::json) as given (
      line int, day date, model text, key text, class text, ours_requests int8, ours_tokens int8,
      ours_nanos numeric, theirs_tokens int8, theirs_nanos numeric)`
}

/** The newest first. @param before only with lower numbers */
export async function readReconciliations(
  sql: Queries,
  page: { before?: number | undefined; limit: number },
): Promise<Reconciliation[]> {
  const { before, limit } = page
  const older: Fragment = before === undefined ? sql`true` : sql`r.id < ${before}`
  return selectReconciliations(sql, older, limit)
}

export async function readReconciliation(
  sql: Queries,
  id: number,
): Promise<Reconciliation | undefined> {
  const [found] = await selectReconciliations(sql, sql`r.id = ${id}`, 1)
  return found
}

async function selectReconciliations(
  sql: Queries,
  wanted: Fragment,
  limit: number,
): Promise<Reconciliation[]> {
  type Sums = { class: DifferenceClass; lines: number; difference: string }[]
  type Row = Omit<Reconciliation, 'thresholdNanos' | 'classes'> & { threshold: string; sums: Sums }
  const rows = await sql<Row[]>`
    select r.id, r.source, r.sha256, r.from_day::text as "fromDay", r.to_day::text as "toDay",
      r.threshold_nanos::text as threshold, r.actor, r.at,
      (select coalesce(json_agg(s order by class), '[]') from (
        select class, count(*) as lines, sum(${difference(sql)})::text as difference
        from reconciliation_lines as l where l.reconciliation_id = r.id group by class) as s
      ) as sums,
      (select count(*) from reconciliation_lines as l
        where l.reconciliation_id = r.id and ${isBlocking(sql)}) as blocking
    from reconciliations as r where ${wanted} order by r.id desc limit ${limit}`
  return rows.map(({ threshold, sums, ...row }) => ({
    ...row,
    thresholdNanos: BigInt(threshold),
    classes: sums.map(({ difference: nanos, ...sum }) => {
      return { ...sum, differenceNanos: BigInt(nanos) }
    }),
  }))
}

export interface LineFilter {
  class?: DifferenceClass | undefined
  /** Only with higher numbers. */
  after?: number | undefined
}

export async function readLines(
  sql: Queries,
  id: number,
  filter: LineFilter,
  limit: number,
): Promise<ReconciliationLine[]> {
  const { class: wanted, after = 0 } = filter
  const only: Fragment = wanted === undefined ? sql`` : sql`and l.class = ${wanted}`
  return selectLines(sql, sql`r.id = ${id} and l.line > ${after} ${only}`, limit)
}

export async function readLine(
  sql: Queries,
  id: number,
  line: number,
): Promise<ReconciliationLine | undefined> {
  const [found] = await selectLines(sql, sql`r.id = ${id} and l.line = ${line}`, 1)
  return found
}

async function selectLines(
  sql: Queries,
  wanted: Fragment,
  limit: number,
): Promise<ReconciliationLine[]> {
  interface Row extends Pick<ReconciliationLine, 'line' | 'day' | 'model' | 'key' | 'class'> {
    requests: number | null
    tokens: number
    nanos: string
    theirTokens: number | null
    theirNanos: string | null
    difference: string
    isBlocking: boolean
    reason: string | null
    actor: string
    at: Date
  }
  const rows = await sql<Row[]>`
    select l.line, l.day::text as day, l.model, l.key, l.class, l.ours_requests as requests,
      l.ours_tokens as tokens, l.ours_nanos::text as nanos, l.theirs_tokens as "theirTokens",
      l.theirs_nanos::text as "theirNanos", ${difference(sql)}::text as difference,
      ${isBlocking(sql)} as "isBlocking", v.reason, v.actor, v.at
    from reconciliations as r join reconciliation_lines as l on l.reconciliation_id = r.id
    left join ledger_variances as v on ${isBookedBy(sql)}
    where ${wanted} order by l.line limit ${limit}`
  return rows.map((row) => {
    const { line, day, model, key, requests, tokens, nanos, theirTokens, theirNanos } = row
    const { reason, actor, at } = row
    return {
      ...{ line, day, model, key, class: row.class, isBlocking: row.isBlocking },
      ours: requests === null ? null : { requests, tokens, nanos: BigInt(nanos) },
      theirs: theirNanos === null ? null : { tokens: theirTokens, nanos: BigInt(theirNanos) },
      differenceNanos: BigInt(row.difference),
      variance: reason === null ? null : { reason, actor, at },
    }
  })
}

/**
 * Keeps a period open whose days have differences that nobody answers for.
 * @throws GristmillError `period_refused`
 */
export async function refuseUnreconciled(
  sql: Queries,
  fromMs: number,
  toMs: number,
): Promise<void> {
  const [found] = await sql<{ id: number; line: number; source: string; count: number }[]>`
    select r.id, l.line, r.source, count(*) over () as count
    from reconciliations as r join reconciliation_lines as l on l.reconciliation_id = r.id
    where ${isBlocking(sql)}
      and l.day < (to_timestamp(${toMs}::float8 / 1000) at time zone 'UTC')
      and l.day + 1 > (to_timestamp(${fromMs}::float8 / 1000) at time zone 'UTC')
    order by r.id, l.line limit 1`
  if (found === undefined) return
  const { id, line, source, count } = found
  const more = count > 1 ? ` and ${count - 1} more` : ''
  const reason = `${source} billed something else: line ${line} of reconciliation ${id}${more}`
  throw new GristmillError('period_refused', { reason })
}

const difference = (sql: Queries): Fragment =>
  sql`(coalesce(l.theirs_nanos, 0) - coalesce(l.ours_nanos, 0))`

const isBookedBy = (sql: Queries): Fragment => sql`
  v.source = r.source and v.day = l.day and v.model = l.model and v.key = l.key
  and v.amount_nanos = ${difference(sql)}`

/** Of the newest reconciliation of its source and day, too large, and nobody answers for it. */
const isBlocking = (sql: Queries): Fragment => sql`(
  l.class <> 'matched' and abs(${difference(sql)}) > r.threshold_nanos
  and not exists (select from ledger_variances as v where ${isBookedBy(sql)})
  and not exists (
    select from reconciliations as n where n.source = r.source and n.id > r.id
      and l.day >= n.from_day and l.day < n.to_day))`

export interface LineRequest {
  id: string
  /** ISO 8601, UTC. */
  settledAt: string
  tenantId: string
  tokens: number
  spendNanos: string
}

/** The requests that are our side of a line, as far as they are kept. */
export async function readLineRequests(
  sql: Queries,
  { day, model, key }: Pick<ReconciliationLine, 'day' | 'model' | 'key'>,
  page: { after?: string | undefined; limit: number },
): Promise<LineRequest[]> {
  const { after = '', limit } = page
  const target: Fragment =
    key === ''
      ? sql`regexp_replace(rented_target, '@[^@]*$', '') = ${model}`
      : sql`rented_target = ${`${model}@${key}`}`
  const fromMs = Date.parse(day)
  const rows = await sql<LineRequest[]>`
    select request_id as id,
      to_char(settled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "settledAt",
      tenant_id as "tenantId", input_tokens + output_tokens as tokens,
      coalesce(spend_nanos, 0)::text as "spendNanos"
    from ledger_settlements
    where rented_target is not null and ${target} and request_id > ${after}
      and settled_at >= to_timestamp(${fromMs}::float8 / 1000)
      and settled_at < to_timestamp(${fromMs + DAY_MS}::float8 / 1000)
    order by request_id limit ${limit}`
  return [...rows]
}
