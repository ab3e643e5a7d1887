/**
 * Single requests as the ledger knows them: the intent with its settlement. No prompts, no answers.
 */
import type { ServiceClass } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { textArray } from './text-array.ts'
import type { EndReason, SettlementGroup } from './types.ts'

/** Both rows of a request in one; what only a settlement knows is null (counts: 0) before it. */
export interface RequestRow {
  id: string
  tenantId: string
  projectId: string
  keyId: string
  endUser: string | null
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
}

export interface RequestFilter {
  /** Only these tenants; undefined means all, an empty list none. */
  tenantIds?: readonly string[] | undefined
  keyId?: string | undefined
  model?: string | undefined
}

/**
 * Requests, the newest first.
 * @param page `before` is the cursor of an earlier page
 * @throws GristmillError `invalid_value` for a foreign cursor
 */
export async function listRequests(
  sql: Queries,
  filter: RequestFilter,
  page: { limit: number; before?: string | undefined },
): Promise<{ rows: RequestRow[]; next: string | null }> {
  const { tenantIds, keyId, model } = filter
  const [before] = page.before ? decodeCursor(page.before, 1) : []
  const found = await selectRequests(
    sql,
    sql`true
      ${tenantIds ? sql`and i.tenant_id = any (${textArray(tenantIds)}::text::text[])` : sql``}
      ${keyId === undefined ? sql`` : sql`and i.key_id = ${keyId}`}
      ${model === undefined ? sql`` : sql`and i.model = ${model}`}
      ${before === undefined ? sql`` : sql`and i.request_id < ${before}`}`,
    page.limit + 1,
  )
  const rows = [...found].slice(0, page.limit)
  const last = rows.at(-1)
  return { rows, next: found.length > page.limit && last ? encodeCursor([last.id]) : null }
}

/** One request, or undefined where the ledger has none of that identifier. */
export async function findRequest(
  sql: Queries,
  requestId: string,
): Promise<RequestRow | undefined> {
  const [row] = await selectRequests(sql, sql`i.request_id = ${requestId}`, 1)
  return row
}

/** Chosen and limited before the settlements are joined, so that a page costs one look-up a row. */
function selectRequests(sql: Queries, condition: ReturnType<Queries>, limit: number) {
  const iso = (column: ReturnType<Queries>) =>
    sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
  return sql<RequestRow[]>`
    with chosen as (
      select * from ledger_intents i where ${condition} order by i.request_id desc limit ${limit}
    )
    select c.request_id as id, c.tenant_id as "tenantId", c.project_id as "projectId",
      c.key_id as "keyId", c.end_user as "endUser", c.model, c.endpoint,
      c.service_class as "serviceClass",
      coalesce(s.served_class, o.served_class) as "servedClass",
      ${iso(sql`c.arrived_at`)} as "arrivedAt", ${iso(sql`s.settled_at`)} as "settledAt",
      s.settlement_group as "group", s.end_reason as "end",
      coalesce(s.estimated, false) as estimated,
      coalesce(s.input_tokens, o.input_tokens, 0) as "inputTokens",
      coalesce(s.cached_tokens, o.cached_tokens, 0) as "cachedTokens",
      coalesce(s.output_tokens, o.output_tokens, 0) as "outputTokens",
      s.queue_ms as "queueMs", s.engine_ms as "engineMs",
      s.ttft_ms as "ttftMs", s.token_gap_ms as "tokenGapMs",
      coalesce(s.engine_id, o.engine_id) as "engineId"
    from chosen c
    left join ledger_settlements s using (request_id)
    left join ledger_open o using (request_id)
    order by c.request_id desc`
}
