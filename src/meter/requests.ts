/**
 * Single requests as the ledger knows them: the intent with its settlement. No prompts, no answers.
 */

import type { ServiceClass } from '../base/index.ts'
import type { GuardResult } from '../guard/index.ts'
import { type Queries, textArray } from '../store/index.ts'
import { badCursor, decodeCursor, encodeCursor } from './cursor.ts'
import { isOpen, lowWater } from './low-water.ts'
import type { EndReason, SettlementGroup } from './types.ts'

/** Both rows of a request in one; what only a settlement knows is null (counts: 0) before it. */
export interface RequestRow {
  id: string
  tenantId: string
  projectId: string
  keyId: string
  endUser: string | null
  sessionId: string | null
  model: string
  endpoint: string
  serviceClass: ServiceClass
  servedClass: ServiceClass | null
  /** ISO 8601, UTC. */
  arrivedAt: string
  settledAt: string | null
  group: SettlementGroup | null
  end: EndReason | null
  estimated: boolean
  /** Of an open request: its last durable progress. */
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  queueMs: number | null
  engineMs: number | null
  ttftMs: number | null
  tokenGapMs: number | null
  engineId: string | null
  /** The rented target that served it; null: own engines. */
  rentedTarget: string | null
  spendNanos: number | null
  /** What it is charged, nanos as text, and by which version of a price; null: none held. */
  chargeNanos: string | null
  priceVersion: number | null
  /** Tokens that have prices of their own; null: none were told apart. */
  cacheWriteTokens: number | null
  reasoningTokens: number | null
  /** Tokens of an answer out of the response cache; null: it is none. */
  hitInputTokens: number | null
  hitOutputTokens: number | null
  /** The guards that looked at it; null: none did. */
  guards: GuardResult[] | null
}

export interface RequestFilter {
  /** Only these tenants; undefined means all, an empty list none. */
  tenantIds?: readonly string[] | undefined
  keyId?: string | undefined
  sessionId?: string | undefined
  model?: string | undefined
  /** Settled from here (inclusive) to there (exclusive), milliseconds; open ones are left out. */
  settled?: { fromMs: number; toMs: number } | undefined
}

type Part = 'open' | 'ended'
type Fragment = ReturnType<Queries>

/**
 * Requests: those that are open, the newest first, then those that have ended, the last first. A
 * request that ends while its list is read page by page may be on two pages, never on none.
 * @param page `before` is the cursor of an earlier page
 * @throws GristmillError `invalid_value` for a foreign cursor
 */
export async function listRequests(
  sql: Queries,
  filter: RequestFilter,
  page: { limit: number; before?: string | undefined },
): Promise<{ rows: RequestRow[]; next: string | null }> {
  const first = filter.settled === undefined ? 'open' : 'ended'
  const [part, before] = page.before ? cursorValues(page.before) : ([first, undefined] as const)
  const limit = page.limit + 1
  const open = sql`select * from (${openPage(sql, filter, before, limit)}) as open`
  const ended = endedPage(sql, filter, part === 'ended' ? before : undefined, limit)
  const chosen: Fragment =
    part === 'ended' ? ended : sql`${open} union all select * from (${ended}) as ended`
  const found = await selectRequests(sql, chosen, limit)
  const rows = [...found].slice(0, page.limit)
  const last = rows.at(-1)
  if (found.length <= page.limit || !last) return { rows, next: null }
  return { rows, next: encodeCursor([last.settledAt === null ? 'open' : 'ended', last.id]) }
}

/** One request, or undefined where the ledger has none of that identifier. */
export async function findRequest(
  sql: Queries,
  requestId: string,
): Promise<RequestRow | undefined> {
  const chosen: Fragment = sql`select ${requestId}::text as request_id, null::timestamptz as settled_at`
  const [row] = await selectRequests(sql, chosen, 1)
  return row
}

function cursorValues(cursor: string): [Part, string] {
  const [part, id] = decodeCursor(cursor, 2) as [string, string]
  if (part !== 'open' && part !== 'ended') throw badCursor()
  return [part, id]
}

/** Where open requests can be: in the last minutes of the intents, else in `ledger_open`. */
function openPage(
  sql: Queries,
  filter: RequestFilter,
  before: string | undefined,
  limit: number,
): Fragment {
  const wanted = sql`${conditions(sql, sql`i`, filter)} and ${isOpen(sql)}
    ${before === undefined ? sql`` : sql`and i.request_id < ${before}`}`
  return sql`
    select request_id, null::timestamptz as settled_at from (
      (select i.request_id from ledger_intents as i
        where i.request_id >= ${lowWater(sql)} and ${wanted}
        order by i.request_id desc limit ${limit})
      union
      select i.request_id from ledger_open as o join ledger_intents as i using (request_id)
      where ${wanted}
    ) as open
    order by request_id desc limit ${limit}`
}

/**
 * By one index on whom it is for and when it ended; of several tenants, a page of each. No index
 * knows models, so that rows of a rare one are looked for once and not once for each tenant.
 */
function endedPage(
  sql: Queries,
  filter: RequestFilter,
  before: string | undefined,
  limit: number,
): Fragment {
  const { tenantIds, keyId, sessionId, model, settled } = filter
  const within: Fragment =
    settled === undefined
      ? sql``
      : sql`and s.settled_at >= to_timestamp(${settled.fromMs}::float8 / 1000)
          and s.settled_at < to_timestamp(${settled.toMs}::float8 / 1000)`
  const after: Fragment =
    before === undefined
      ? sql``
      : sql`and (s.settled_at, s.request_id) < (
          (select settled_at from ledger_settlements where request_id = ${before}), ${before})`
  const page = (condition: Fragment, narrowed: RequestFilter): Fragment => sql`
    select s.request_id, s.settled_at from ledger_settlements as s
    where ${condition} and ${conditions(sql, sql`s`, narrowed)} ${within} ${after}
    order by s.settled_at desc, s.request_id desc limit ${limit}`
  const isOneScan = tenantIds === undefined || (keyId ?? sessionId ?? model) !== undefined
  if (isOneScan) return page(sql`true`, filter)
  return sql`
    select page.* from unnest(${textArray(tenantIds)}::text[]) as given (tenant_id),
      lateral (${page(sql`s.tenant_id = given.tenant_id`, {})}) as page
    order by page.settled_at desc, page.request_id desc limit ${limit}`
}

function conditions(
  sql: Queries,
  row: Fragment,
  { tenantIds, keyId, sessionId, model }: RequestFilter,
): Fragment {
  return sql`true
    ${tenantIds ? sql`and ${row}.tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}
    ${keyId === undefined ? sql`` : sql`and ${row}.key_id = ${keyId}`}
    ${sessionId === undefined ? sql`` : sql`and ${row}.session_id = ${sessionId}`}
    ${model === undefined ? sql`` : sql`and ${row}.model = ${model}`}`
}

/** @param chosen identifiers and times of settlement (null while open), from one snapshot */
function selectRequests(sql: Queries, chosen: Fragment, limit: number) {
  const iso = (column: Fragment) =>
    sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
  return sql<RequestRow[]>`
    with chosen as (
      select * from (${chosen}) as chosen
      order by settled_at desc nulls first, request_id desc limit ${limit}
    )
    select i.request_id as id, i.tenant_id as "tenantId", i.project_id as "projectId",
      i.key_id as "keyId", i.end_user as "endUser", i.session_id as "sessionId",
      i.model, i.endpoint, i.service_class as "serviceClass",
      coalesce(s.served_class, o.served_class) as "servedClass",
      ${iso(sql`i.arrived_at`)} as "arrivedAt", ${iso(sql`s.settled_at`)} as "settledAt",
      s.settlement_group as "group", s.end_reason as "end",
      coalesce(s.estimated, false) as estimated,
      coalesce(s.input_tokens, o.input_tokens, 0) as "inputTokens",
      coalesce(s.cached_tokens, o.cached_tokens, 0) as "cachedTokens",
      coalesce(s.output_tokens, o.output_tokens, 0) as "outputTokens",
      s.queue_ms as "queueMs", s.engine_ms as "engineMs",
      s.ttft_ms as "ttftMs", s.token_gap_ms as "tokenGapMs",
      coalesce(s.engine_id, o.engine_id) as "engineId",
      s.rented_target as "rentedTarget", s.spend_nanos as "spendNanos",
      s.charge_nanos::text as "chargeNanos", s.price_version as "priceVersion",
      s.cache_write_tokens as "cacheWriteTokens", s.reasoning_tokens as "reasoningTokens",
      s.hit_input_tokens as "hitInputTokens", s.hit_output_tokens as "hitOutputTokens", s.guards
    from chosen
    join ledger_intents as i using (request_id)
    left join ledger_settlements as s using (request_id)
    left join ledger_open as o using (request_id)
    order by chosen.settled_at desc nulls first, i.request_id desc`
}
