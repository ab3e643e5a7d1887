/** What was used, summed up from settlements; each belongs to the hour in which it was settled. */
import type { ServiceClass } from '../base/index.ts'
import { type Queries, type Sql, textArray } from '../store/index.ts'
import { type CsvValue, csvRecord } from './csv.ts'
import { badCursor, decodeCursor, encodeCursor } from './cursor.ts'
import { hoursWithin, usedWithin } from './usage-hours.ts'

export const usageGroups = ['hour', 'day', 'tenant', 'project', 'key', 'model', 'class'] as const
export type UsageGroup = (typeof usageGroups)[number]

export interface UsageFilter {
  /** Settled from here (inclusive) to there (exclusive), milliseconds since the epoch. */
  fromMs: number
  toMs: number
  /** Only these tenants; undefined means all, an empty list none. */
  tenantIds?: readonly string[] | undefined
  /** Only these projects or keys; undefined means all. */
  projectIds?: readonly string[] | undefined
  keyIds?: readonly string[] | undefined
  model?: string | undefined
}

/** Sums over one group; what was not grouped by is null. */
export interface UsageRow {
  /** Start of the hour in UTC, ISO 8601. */
  hour: string | null
  /** In UTC, such as 2026-11-29. */
  day: string | null
  tenantId: string | null
  projectId: string | null
  keyId: string | null
  model: string | null
  serviceClass: ServiceClass | null
  requests: number
  finished: number
  cut: number
  recovered: number
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  engineMs: number
  queueMs: number
  /** Requests that rented targets served, and what that cost, nanos: from 2^53 on, about. */
  rented: number
  spendNanos: number
  /** What is charged, nanos as text, and how many requests had no price. */
  chargeNanos: string
  unpriced: number
  /** Requests that the response cache answered, and the tokens of these answers. */
  hits: number
  hitInputTokens: number
  hitOutputTokens: number
}

export interface UsagePage {
  rows: UsageRow[]
  /** Cursor of the following page, null at the end. */
  next: string | null
}

/** Sorts before every time and every name. */
const FIRST_CURSOR = ['-infinity', '', '', '', '', '']

/**
 * One page of sums, ordered by hour or day, tenant, project, key, model and class served.
 * @param limit rows of the page
 * @throws GristmillError `invalid_value` for a foreign cursor
 */
export async function queryUsage(
  sql: Queries,
  filter: UsageFilter,
  groupBy: readonly UsageGroup[],
  page: { limit: number; cursor?: string | undefined },
): Promise<UsagePage> {
  const after = page.cursor ? cursorValues(page.cursor) : FIRST_CURSOR
  // Times before the cursor's are on earlier pages.
  const isByTime = groupBy.includes('hour') || groupBy.includes('day')
  const timeMs = isByTime ? Date.parse(after[0] ?? '') : Number.NaN
  const fromMs = Number.isNaN(timeMs) ? filter.fromMs : Math.max(filter.fromMs, timeMs)
  const found = await selectUsage(sql, { ...filter, fromMs }, groupBy, after, page.limit + 1)
  const rows = [...found].slice(0, page.limit)
  const last = rows.at(-1)
  return { rows, next: found.length > page.limit && last ? encodeCursor(keyOf(last)) : null }
}

/** Rows that an export reads at once; between two reads it holds no connection. */
const EXPORT_ROWS = 10_000

/**
 * The same rows as CSV, a header first, page by page: however slowly the client reads, it keeps
 * nothing of the database.
 */
export async function* exportUsageCsv(
  sql: Sql,
  filter: UsageFilter,
  groupBy: readonly UsageGroup[],
  pageRows = EXPORT_ROWS,
): AsyncGenerator<string> {
  yield csvRecord(CSV_COLUMNS)
  let cursor: string | undefined
  do {
    const page = await queryUsage(sql, filter, groupBy, { limit: pageRows, cursor })
    if (page.rows.length > 0) yield usageCsvRecords(page.rows)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
}

const CSV_COLUMNS = [
  'hour',
  'tenantId',
  'projectId',
  'keyId',
  'model',
  'serviceClass',
  'requests',
  'finished',
  'cut',
  'recovered',
  'inputTokens',
  'cachedTokens',
  'outputTokens',
  'engineMs',
  'queueMs',
  'rented',
  'spendNanos',
  'chargeNanos',
  'unpriced',
  'hits',
  'hitInputTokens',
  'hitOutputTokens',
  'day',
] as const satisfies (keyof UsageRow)[]

function usageCsvRecords(rows: readonly UsageRow[]): string {
  return rows.map((row) => csvRecord(CSV_COLUMNS.map((column): CsvValue => row[column]))).join('')
}

/**
 * What tenants have spent on rented targets since an hour began, by the name that was asked for.
 */
export async function spendSince(
  sql: Queries,
  fromMs: number,
): Promise<{ tenantId: string; model: string; spendNanos: number }[]> {
  const from: ReturnType<Queries> = sql`to_timestamp(${fromMs}::float8 / 1000)`
  const rented: ReturnType<Queries> = sql`and rented_target is not null`
  const rows = await sql<{ tenantId: string; model: string; spendNanos: number }[]>`
    select tenant_id as "tenantId", model, sum(spend_nanos)::float8 as "spendNanos"
    from (${hoursWithin(sql, from, sql`'infinity'`, rented)}) as used group by 1, 2`
  return [...rows]
}

function selectUsage(
  sql: Queries,
  filter: UsageFilter,
  groupBy: readonly UsageGroup[],
  after: readonly string[],
  limit: number,
) {
  const has = (group: UsageGroup) => groupBy.includes(group)
  const by = (group: UsageGroup, column: ReturnType<Queries>) => (has(group) ? column : sql`null`)
  const day = by('day', sql`date_bin('1 day', hour, 'epoch')`)
  return sql<UsageRow[]>`
    with sums as (
      select ${has('hour') ? sql`hour` : day}::timestamptz as start,
        ${by('tenant', sql`tenant_id`)}::text as tenant_id,
        ${by('project', sql`project_id`)}::text as project_id,
        ${by('key', sql`key_id`)}::text as key_id,
        ${by('model', sql`model`)}::text as model,
        ${by('class', sql`served_class`)}::text as served_class,
        sum(requests)::int8 as requests, sum(finished)::int8 as finished, sum(cut)::int8 as cut,
        sum(recovered)::int8 as recovered, sum(input_tokens)::int8 as input_tokens,
        sum(cached_tokens)::int8 as cached_tokens, sum(output_tokens)::int8 as output_tokens,
        sum(engine_ms)::int8 as engine_ms, sum(queue_ms)::int8 as queue_ms,
        coalesce(sum(requests) filter (where rented_target is not null), 0)::int8 as rented,
        sum(spend_nanos)::float8 as spend_nanos, sum(charge_nanos)::text as charge_nanos,
        sum(unpriced)::int8 as unpriced, sum(hits)::int8 as hits,
        sum(hit_input_tokens)::int8 as hit_input_tokens,
        sum(hit_output_tokens)::int8 as hit_output_tokens
      from (${usedWithin(sql, filter.fromMs, filter.toMs, narrowed(sql, filter))}) as used
      group by 1, 2, 3, 4, 5, 6
      having count(*) > 0
    )
    select ${by('hour', sql`to_char(start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`)} as hour,
      ${by('day', sql`to_char(start at time zone 'UTC', 'YYYY-MM-DD')`)} as day,
      tenant_id as "tenantId", project_id as "projectId", key_id as "keyId", model,
      served_class as "serviceClass", requests, finished, cut, recovered,
      input_tokens as "inputTokens", cached_tokens as "cachedTokens",
      output_tokens as "outputTokens", engine_ms as "engineMs", queue_ms as "queueMs",
      rented, spend_nanos as "spendNanos", charge_nanos as "chargeNanos", unpriced, hits,
      hit_input_tokens as "hitInputTokens",
      hit_output_tokens as "hitOutputTokens"
    from sums
    where (coalesce(start, 'epoch'), ${sortedNames(sql)})
      > (${after[0] ?? ''}::text::timestamptz, ${after[1] ?? ''}, ${after[2] ?? ''},
         ${after[3] ?? ''}, ${after[4] ?? ''}, ${after[5] ?? ''})
    order by coalesce(start, 'epoch'), ${sortedNames(sql)}
    limit ${limit}`
}

const sortedNames = (sql: Queries) => sql`
  coalesce(tenant_id, '') collate "C", coalesce(project_id, '') collate "C",
  coalesce(key_id, '') collate "C", coalesce(model, '') collate "C",
  coalesce(served_class, '') collate "C"`

function narrowed(
  sql: Queries,
  { tenantIds, projectIds, keyIds, model }: UsageFilter,
): ReturnType<Queries> {
  return sql`
    ${tenantIds ? sql`and tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}
    ${projectIds ? sql`and project_id = any (${textArray(projectIds)}::text[])` : sql``}
    ${keyIds ? sql`and key_id = any (${textArray(keyIds)}::text[])` : sql``}
    ${model === undefined ? sql`` : sql`and model = ${model}`}`
}

function keyOf(row: UsageRow): string[] {
  const { hour, day, tenantId, projectId, keyId, model, serviceClass } = row
  const names = [tenantId, projectId, keyId, model, serviceClass].map((name) => name ?? '')
  return [hour ?? `${day ?? '1970-01-01'}T00:00:00Z`, ...names]
}

function cursorValues(cursor: string): string[] {
  const values = decodeCursor(cursor, FIRST_CURSOR.length)
  const hour = values[0] ?? ''
  if (!/^\d{4}-\d\d-\d\dT\d\d:00:00Z$/.test(hour) || Number.isNaN(Date.parse(hour)))
    throw badCursor()
  return values
}
