/**
 * The ledger's tables: the statements that write and read them and how a row is made fit for them.
 * A group of rows travels as one JSON parameter: measured against arrays for `unnest` it costs the
 * client a quarter less, and `COPY` can neither skip what is there already nor answer quickly.
 */
import type { ServiceClass } from '../base/index.ts'
import { type Queries, textArray } from '../store/index.ts'
import type { Intent, Progress, Settlement } from './types.ts'

/** A row that was not written because the request has a settlement, or (`false`) has no intent. */
export interface NotWritten {
  requestId: string
  hasIntent: boolean
}

/** A request that was open when a gateway died. */
export interface OpenRow extends Omit<Progress, 'engineId'> {
  requestId: string
  engineId: string | null
  batchId: string | null
  tenantId: string
  model: string
  endpoint: string
  /** As it was asked for. */
  serviceClass: ServiceClass
  arrivedAtMs: number
  /** True where something is set aside for it in budgets. */
  isBudgeted: boolean
}

/** Longest text kept of a name that comes from outside, characters. */
const TEXT_MAX = 256
const INT4_MAX = 2_147_483_647

/**
 * Writes intents that are not there yet. One that comes so late that the low-water mark may pass it
 * brings its row of working state.
 * @param given rows as `rowOfIntent` makes them
 */
export async function writeIntents(sql: Queries, given: readonly string[]): Promise<void> {
  const rows = `[${given.join(',')}]`
  await sql`
    with given as materialized (
      select * from json_to_recordset(${rows}::text::json) as given (
        request_id text, tenant_id text, project_id text, key_id text, end_user text,
        session_id text, model text, endpoint text, service_class text, batch_id text,
        estimated_input_tokens int, output_tokens_max int, arrived_at_ms float8, gateway int,
        reserved jsonb)
    ), written as (
      insert into ledger_intents (request_id, tenant_id, project_id, key_id, end_user,
        session_id, model, endpoint, service_class, batch_id, estimated_input_tokens,
        output_tokens_max, arrived_at, gateway, reserved)
      select request_id, tenant_id, project_id, key_id, end_user, session_id, model, endpoint,
        service_class, batch_id, estimated_input_tokens, output_tokens_max,
        to_timestamp(arrived_at_ms / 1000), gateway, reserved
      from given
      on conflict (request_id) do nothing
      returning request_id
    )
    insert into ledger_open (request_id)
    select request_id from written where request_id < (select next_low_water from ledger_mark)`
}

/** Notes how far running requests are; the first note of a request makes its row. */
export async function writeProgress(
  sql: Queries,
  notes: readonly (readonly [requestId: string, progress: Progress])[],
): Promise<void> {
  await writeProgressRows(sql, notes.map(rowOfProgress))
}

/** @param given rows as `rowOfProgress` makes them, one for a request */
export async function writeProgressRows(sql: Queries, given: readonly string[]): Promise<void> {
  const rows = `[${given.join(',')}]`
  await sql`
    insert into ledger_open (request_id, engine_id, served_class, input_tokens, cached_tokens,
      output_tokens, queue_ms, engine_ms, ttft_ms)
    select * from json_to_recordset(${rows}::text::json) as given (
      request_id text, engine_id text, served_class text, input_tokens int, cached_tokens int,
      output_tokens int, queue_ms int, engine_ms int, ttft_ms float8)
    on conflict (request_id) do update
    set engine_id = excluded.engine_id, served_class = excluded.served_class,
        input_tokens = excluded.input_tokens, cached_tokens = excluded.cached_tokens,
        output_tokens = excluded.output_tokens, queue_ms = excluded.queue_ms,
        engine_ms = excluded.engine_ms, ttft_ms = excluded.ttft_ms
    where excluded.output_tokens >= ledger_open.output_tokens`
}

/**
 * Writes settlements that are not there yet and removes their working state, in one statement.
 * @returns those it did not write
 */
export async function writeSettlements(
  sql: Queries,
  settlements: readonly Settlement[],
): Promise<NotWritten[]> {
  const isBudgeted = settlements.some((settlement) => settlement.isBudgeted === true)
  return await writeSettlementRows(sql, encode(settlements.map(settlementRow)), isBudgeted)
}

/**
 * The same for rows as `rowOfSettlement` makes them.
 * @param rows a list in JSON
 * @param isBudgeted whether what they have spent of budgets is to be noted
 */
export async function writeSettlementRows(
  sql: Queries,
  rows: string,
  isBudgeted: boolean,
): Promise<NotWritten[]> {
  // Lateral with a limit, so that each row is one look-up by key whatever the planner believes
  // about the size of the intents.
  const refused = await sql<NotWritten[]>`
    with given as materialized (
      select * from json_to_recordset(${rows}::text::json) as given (
        request_id text, served_class text, engine_id text, settlement_group text,
        end_reason text, estimated boolean, input_tokens int, cached_tokens int,
        output_tokens int, queue_ms int, engine_ms int, ttft_ms float8, token_gap_ms float8,
        settled_at_ms float8, rented_target text, spend_nanos int8, hit_input_tokens int,
        hit_output_tokens int, guards jsonb, charge_nanos int8, price_version int,
        cache_write_tokens int, reasoning_tokens int)
    ), found as materialized (
      select given.*, i.tenant_id, i.project_id, i.key_id, i.model, i.service_class, i.session_id,
        i.reserved, case
          when given.at < (select max(to_at) from ledger_statements)
          then open_from(i.tenant_id, given.at) else given.at end as settled_at
      from (select *, to_timestamp(settled_at_ms / 1000) as at from given) as given, lateral (
        select * from ledger_intents
        where ledger_intents.request_id = given.request_id limit 1) as i
    ), written as (
      insert into ledger_settlements (request_id, tenant_id, project_id, key_id, model,
        service_class, served_class, engine_id, settlement_group, end_reason, estimated,
        input_tokens, cached_tokens, output_tokens, queue_ms, engine_ms, ttft_ms, token_gap_ms,
        settled_at, rented_target, spend_nanos, hit_input_tokens, hit_output_tokens, session_id,
        guards, charge_nanos, price_version, cache_write_tokens, reasoning_tokens)
      select request_id, tenant_id, project_id, key_id, model, service_class, served_class,
        engine_id, settlement_group, end_reason, estimated, input_tokens, cached_tokens,
        output_tokens, queue_ms, engine_ms, ttft_ms, token_gap_ms,
        settled_at, rented_target, spend_nanos, hit_input_tokens, hit_output_tokens, session_id,
        guards, charge_nanos, price_version, cache_write_tokens, reasoning_tokens
      from found
      on conflict (request_id) do nothing
      returning request_id
    ), closed as (
      delete from ledger_open where request_id = any (array(select request_id from written))
    )${isBudgeted ? spending(sql) : sql``}
    select request_id as "requestId", (
      select true from ledger_intents
      where ledger_intents.request_id = given.request_id limit 1
    ) is not null as "hasIntent"
    from given where not exists (
      select from written where written.request_id = given.request_id)`
  return [...refused]
}

/** Notes what the settlements that are written have spent of budgets, in the same statement. */
const spending = (sql: Queries) => sql`, units as materialized (
      -- Those of the group alone, however many budgets there are.
      select id, unit from budgets where id = any (array(
        select distinct split_part(r ->> 0, '|', 1)
        from found, jsonb_array_elements(found.reserved) as r))
    ), spent as (
      insert into budget_spends (counter_id, holder, amount)
      select r ->> 0, r ->> 1,
        sum(case b.unit when 'money' then coalesce(found.charge_nanos, 0)
          when 'tokens' then found.input_tokens::int8 + found.output_tokens
          else found.engine_ms::int8 end)::int8
      from written join found using (request_id), jsonb_array_elements(found.reserved) as r
      join units as b on b.id = split_part(r ->> 0, '|', 1)
      group by 1, 2
    )`

/**
 * Up to `rowsMax` rows of working state after `after` in order of their identifiers; all that is
 * open once `bookOpen` has run.
 * @param gateways only theirs and those of before there were several; all where absent
 */
export async function readOpen(
  sql: Queries,
  after: string,
  rowsMax: number,
  gateways?: readonly number[],
): Promise<OpenRow[]> {
  const isMeant =
    gateways === undefined
      ? sql`true`
      : sql`(i.gateway is null or i.gateway = any(${textArray(gateways.map(String))}::int[]))`
  return await sql<OpenRow[]>`
    select o.request_id as "requestId", o.engine_id as "engineId", i.batch_id as "batchId",
      i.tenant_id as "tenantId", i.model, i.endpoint, i.service_class as "serviceClass",
      round(extract(epoch from i.arrived_at) * 1000)::int8 as "arrivedAtMs",
      i.reserved is not null as "isBudgeted",
      coalesce(o.served_class, i.service_class) as "servedClass",
      o.input_tokens as "inputTokens", o.cached_tokens as "cachedTokens",
      o.output_tokens as "outputTokens", o.queue_ms as "queueMs", o.engine_ms as "engineMs",
      o.ttft_ms as "ttftMs"
    from ledger_open o join ledger_intents i using (request_id)
    where o.request_id > ${after} and ${isMeant}
    order by o.request_id
    limit ${rowsMax}`
}

/** Numbers of gateways whose requests have working state. */
export async function openGateways(sql: Queries): Promise<number[]> {
  const rows = await sql<{ gateway: number }[]>`
    select distinct i.gateway from ledger_open as o, lateral (
      select gateway from ledger_intents where ledger_intents.request_id = o.request_id limit 1
    ) as i
    where i.gateway is not null`
  return rows.map(({ gateway }) => gateway)
}

/** An intent as a row of JSON, fit for the database whatever came from outside. */
export function rowOfIntent(intent: Intent, gateway?: number): string {
  return encode({
    request_id: intent.requestId,
    tenant_id: intent.tenantId,
    project_id: intent.projectId,
    key_id: intent.keyId,
    end_user: intent.endUser?.slice(0, TEXT_MAX) ?? null,
    // Undefined, and so not written, for all but agent programs.
    session_id: intent.sessionId ?? undefined,
    model: intent.model.slice(0, TEXT_MAX),
    endpoint: intent.endpoint.slice(0, TEXT_MAX),
    service_class: intent.serviceClass,
    batch_id: intent.batchId ?? null,
    estimated_input_tokens: whole(intent.estimatedInputTokens),
    output_tokens_max: whole(intent.outputTokensMax),
    arrived_at_ms: intent.arrivedAtMs,
    // Undefined, and so not written, where a gateway is alone.
    gateway,
    reserved: intent.reserved,
  })
}

/** A settlement as a row of JSON. */
export function rowOfSettlement(settlement: Settlement): string {
  return encode(settlementRow(settlement))
}

/** How far a request is, as a row of JSON. */
export function rowOfProgress(note: readonly [requestId: string, progress: Progress]): string {
  return encode(progressRow(note))
}

function progressRow([requestId, progress]: readonly [string, Progress]) {
  return {
    request_id: requestId,
    engine_id: progress.engineId,
    served_class: progress.servedClass,
    input_tokens: whole(progress.inputTokens),
    cached_tokens: whole(progress.cachedTokens),
    output_tokens: whole(progress.outputTokens),
    queue_ms: whole(progress.queueMs),
    engine_ms: whole(progress.engineMs),
    ttft_ms: positive(progress.ttftMs),
  }
}

function settlementRow(settlement: Settlement) {
  return {
    request_id: settlement.requestId,
    served_class: settlement.servedClass,
    engine_id: settlement.engineId,
    settlement_group: settlement.group,
    end_reason: settlement.end,
    estimated: settlement.estimated,
    input_tokens: whole(settlement.inputTokens),
    cached_tokens: whole(settlement.cachedTokens),
    output_tokens: whole(settlement.outputTokens),
    queue_ms: whole(settlement.queueMs),
    engine_ms: whole(settlement.engineMs),
    ttft_ms: positive(settlement.ttftMs),
    token_gap_ms: positive(settlement.tokenGapMs),
    settled_at_ms: settlement.settledAtMs,
    // Undefined, and so not written, for nearly all.
    rented_target: settlement.rentedTarget?.slice(0, TEXT_MAX),
    spend_nanos: settlement.spendNanos ?? undefined,
    hit_input_tokens: settlement.hit && whole(settlement.hit.inputTokens),
    hit_output_tokens: settlement.hit && whole(settlement.hit.outputTokens),
    guards: settlement.guards,
    // As text, since a number of JSON is none of 64 bits.
    charge_nanos: settlement.chargeNanos?.toString(),
    price_version: settlement.priceVersion,
    cache_write_tokens: kind(settlement.cacheWriteTokens),
    reasoning_tokens: kind(settlement.reasoningTokens),
  }
}

/** The nearest integer that its column can hold; an engine's nonsense must not stop a group. */
export function whole(value: number): number {
  if (!(value > 0)) return 0
  return value < INT4_MAX ? Math.round(value) : INT4_MAX
}

/** Tokens of a kind that most requests have none of. */
const kind = (tokens: number | undefined) => (tokens ? whole(tokens) : undefined)

function positive(value: number | null): number | null {
  return value === null || Number.isNaN(value) ? null : Math.max(0, value)
}

/** NUL and halves of surrogate pairs are valid in JavaScript and JSON but not in PostgreSQL. */
function encode(rows: object): string {
  const text = JSON.stringify(rows)
  if (!/\\u(?:0000|d[89a-f])/.test(text)) return text
  return JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', '\ufffd').toWellFormed() : value,
  )
}
