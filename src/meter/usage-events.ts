/**
 * Settled requests one by one, in the order in which they were settled, for whoever bills by them
 * elsewhere. They are given out only once nothing can come before them, so that a reader who goes
 * on from a cursor misses none and gets none twice.
 */
import type { ServiceClass } from '../base/index.ts'
import { type Queries, textArray } from '../store/index.ts'
import { badCursor, decodeCursor, encodeCursor } from './cursor.ts'
import { isOpen, lowWater } from './low-water.ts'
import type { EndReason, SettlementGroup } from './types.ts'

export interface SettledRequest {
  id: string
  tenantId: string
  projectId: string
  /** The name that was asked for, of a model or a route. */
  model: string
  serviceClass: ServiceClass
  engineId: string | null
  rentedTarget: string | null
  group: SettlementGroup
  end: EndReason
  estimated: boolean
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  reasoningTokens: number | null
  hitInputTokens: number | null
  hitOutputTokens: number | null
  engineMs: number
  queueMs: number
  chargeNanos: string
  spendNanos: string
  priceVersion: number | null
  /** Microseconds since the epoch. */
  settledAtUs: string
}

export interface SettledFilter {
  fromMs: number
  /** Undefined: whatever comes. */
  toMs?: number | undefined
  /** Only these tenants; undefined means all. */
  tenantIds?: readonly string[] | undefined
}

export interface SettledPage {
  rows: SettledRequest[]
  /** Where to go on, now or later; null where all of the time was given out. */
  next: string | null
  /** True where the following page is there already. */
  hasMore: boolean
}

/** So long after a moment its settlements are in the database, as when a period is closed. */
const SETTLED_MS = 120_000
/**
 * What came so long before the mark was told last is in the database: it is told by who has written
 * all else, once a minute. While the database is away it is not, and requests are in a journal.
 */
const TOLD_MS = 60_000

/**
 * One page of what is final.
 * @throws GristmillError `invalid_value` for a foreign cursor
 */
export async function settledPage(
  sql: Queries,
  filter: SettledFilter,
  { limit, cursor, nowMs }: { limit: number; cursor?: string | undefined; nowMs: number },
): Promise<SettledPage> {
  const after = startOf(filter, cursor)
  // Before the rows: what is settled between the two is only given out later.
  const finalMs = await finalBefore(sql, filter.tenantIds, nowMs)
  return pageBefore(sql, filter, finalMs, { limit, after })
}

/** Pages of what was final when the first was asked for, each as it is asked for. */
export async function* settledPages(
  sql: Queries,
  filter: SettledFilter,
  { cursor, nowMs }: { cursor?: string | undefined; nowMs: number },
  pageRows = 1000,
): AsyncGenerator<SettledRequest[]> {
  let after = startOf(filter, cursor)
  // Once: it only becomes later, and whatever came in the last minutes is looked at for it.
  const finalMs = await finalBefore(sql, filter.tenantIds, nowMs)
  for (;;) {
    const { rows, hasMore } = await pageBefore(sql, filter, finalMs, { limit: pageRows, after })
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (!hasMore || last === undefined) return
    after = [last.settledAtUs, last.id]
  }
}

function startOf({ fromMs }: SettledFilter, cursor: string | undefined): string[] {
  if (cursor !== undefined) return parse(cursor)
  return [String(Math.max(0, Math.floor(fromMs * 1000))), '']
}

/** @param after time and identifier of the last row of the page before */
async function pageBefore(
  sql: Queries,
  { toMs, tenantIds }: SettledFilter,
  finalMs: number,
  { limit, after }: { limit: number; after: string[] },
): Promise<SettledPage> {
  const untilMs = Math.min(finalMs, toMs ?? finalMs)
  const [us = '', id = ''] = after
  const page = (tenant: Fragment): Fragment => sql`
    select * from ledger_settlements as s
    where ${tenant} and (s.settled_at, s.request_id) > (${moment(sql, us)}, ${id})
      and s.settled_at >= ${moment(sql, us)}
      and s.settled_at < to_timestamp(${untilMs}::float8 / 1000)
    order by s.settled_at, s.request_id limit ${limit + 1}`
  const chosen: Fragment =
    tenantIds === undefined
      ? page(sql`true`)
      : sql`select page.* from unnest(${textArray(tenantIds)}::text[]) as given (tenant_id),
          lateral (${page(sql`s.tenant_id = given.tenant_id`)}) as page`
  const found = await select(sql, chosen, limit + 1)
  const rows = [...found].slice(0, limit)
  const hasMore = found.length > limit
  const last = rows.at(-1)
  const isOver = !hasMore && toMs !== undefined && toMs <= finalMs
  const next = last === undefined ? after : [last.settledAtUs, last.id]
  return { rows, hasMore, next: isOver ? null : encodeCursor(next) }
}

type Fragment = ReturnType<Queries>

/** No request that is open came before it, and what came or ended before it is in the database. */
async function finalBefore(
  sql: Queries,
  tenantIds: readonly string[] | undefined,
  nowMs: number,
): Promise<number> {
  const wanted = sql`${isOpen(sql)}
    ${tenantIds ? sql`and i.tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}`
  const ms = (time: Fragment) => sql`(extract(epoch from ${time}) * 1000)::float8`
  const [row] = await sql<{ openMs: number | null; toldMs: number | null }[]>`
    select ${ms(sql`min(arrived_at)`)} as "openMs",
      (select ${ms(sql`next_since`)} from ledger_mark) as "toldMs"
    from (
      select i.arrived_at from ledger_intents as i
      where i.request_id >= ${lowWater(sql)} and ${wanted}
      union all
      select i.arrived_at from ledger_open as o join ledger_intents as i using (request_id)
      where ${wanted}) as open`
  const { openMs, toldMs } = row ?? {}
  return Math.min(nowMs - SETTLED_MS, openMs ?? Infinity, (toldMs ?? Infinity) - TOLD_MS)
}

function select(sql: Queries, chosen: Fragment, limit: number) {
  return sql<SettledRequest[]>`
    select s.request_id as id, s.tenant_id as "tenantId", s.project_id as "projectId", s.model,
      s.served_class as "serviceClass", s.engine_id as "engineId",
      s.rented_target as "rentedTarget", s.settlement_group as "group", s.end_reason as "end",
      s.estimated, s.input_tokens as "inputTokens", s.cached_tokens as "cachedTokens",
      s.output_tokens as "outputTokens", s.reasoning_tokens as "reasoningTokens",
      s.hit_input_tokens as "hitInputTokens", s.hit_output_tokens as "hitOutputTokens",
      s.engine_ms as "engineMs", s.queue_ms as "queueMs",
      coalesce(s.charge_nanos, 0)::text as "chargeNanos",
      coalesce(s.spend_nanos, 0)::text as "spendNanos", s.price_version as "priceVersion",
      (extract(epoch from s.settled_at) * 1000000)::int8::text as "settledAtUs"
    from (${chosen}) as s order by s.settled_at, s.request_id limit ${limit}`
}

const moment = (sql: Queries, us: string) =>
  sql`('epoch'::timestamptz + ${us}::text::int8 * interval '1 microsecond')`

function parse(cursor: string): string[] {
  const values = decodeCursor(cursor, 2)
  if (!/^\d{1,16}$/.test(values[0] ?? '')) throw badCursor()
  return values
}
