/**
 * Proof of the requests of the ledger, piece by piece in the order of their identifiers: each
 * intent is closed once, each settlement has its intent and is charged by the price that held when
 * the request came. What it is charged is worked out anew in SQL, which shares nothing with the
 * code that charges.
 */
import type { Queries } from '../../store/index.ts'
import { lowWater } from '../low-water.ts'

export interface Broken {
  /** Request or statement. */
  id: string
  /** What is wrong, a sentence. */
  what: string
}

export interface VerifiedPart {
  /** Rows that were looked at. */
  checked: number
  /** Of these, requests that are still open. */
  open: number
  /** Where the next part begins; null at the end. */
  next: string | null
  /** The first row that is wrong; nothing behind it was looked at. */
  broken: Broken | null
}

const ROWS = 20_000

type Fragment = ReturnType<Queries>

/** @param after the last request of the part before; empty at the beginning */
export async function verifyRequests(sql: Queries, after: string): Promise<VerifiedPart> {
  const [edge] = await sql<{ last: string }[]>`
    select request_id as last from ledger_intents where request_id > ${after}
    order by request_id offset ${ROWS - 1} limit 1`
  const last = edge?.last ?? null
  const part = (table: Fragment) => sql`
    select * from ${table} where request_id > ${after}
      ${last === null ? sql`` : sql`and request_id <= ${last}`}`
  const [row] = await sql<{ checked: number; open: number; id: string | null; what: string }[]>`
    with price as materialized (
      select *, lead(effective_at) over (
        partition by model, service_class, plan order by effective_at, version) as until_at
      from prices
    ), looked as materialized (
      select coalesce(i.request_id, s.request_id) as id,
        s.request_id is null as is_open, ${problemOf(sql)} as what
      from (${part(sql`ledger_intents`)}) as i
      full join (${part(sql`ledger_settlements`)}) as s using (request_id)
      left join price as p on p.version = s.price_version
    ), first as (
      select id, what from looked where what is not null order by id limit 1
    )
    select count(*) as checked, count(*) filter (where is_open) as open,
      (select id from first), (select what from first) from looked`
  const { checked = 0, open = 0, id = null, what = '' } = row ?? {}
  const broken = id === null ? null : { id, what }
  return { checked, open, next: broken === null ? last : null, broken }
}

function problemOf(sql: Queries) {
  return sql`
    case
      when i.request_id is null then 'settled without an intent'
      when s.request_id is null then case
        when i.request_id < ${lowWater(sql)} and not exists (
          select from ledger_open as o where o.request_id = i.request_id)
        then 'never closed' end
      when (s.tenant_id, s.project_id, s.key_id, s.model)
        <> (i.tenant_id, i.project_id, i.key_id, i.model) then 'booked for somebody else'
      when s.price_version is null then null
      when p.version is null or p.ends then 'charged by a price that there is not'
      when p.effective_at > i.arrived_at then 'charged by a price that did not hold yet'
      when p.until_at <= i.arrived_at then 'charged by a price that held no longer'
      when p.service_class is distinct from s.service_class and p.service_class is not null
        then 'charged by the price of another class'
      when s.charge_nanos is distinct from ${chargeOf(sql)}
        then 'charged another amount than its price comes to'
    end`
}

/** Half to even, of millionths of a nano; of hits a share of that. */
function chargeOf(sql: Queries) {
  const isEmbedding = sql`i.endpoint = '/v1/embeddings'`
  const input = sql`case when ${isEmbedding} then p.embedding_nanos else p.input_nanos end`
  const cached = sql`least(s.cached_tokens, s.input_tokens)`
  const written = sql`least(coalesce(s.cache_write_tokens, 0), s.input_tokens - ${cached})`
  const reasoning = sql`least(coalesce(s.reasoning_tokens, 0), s.output_tokens)`
  const own: Fragment = sql`
    case when s.input_tokens + s.output_tokens = 0 then 0 else
      (s.input_tokens - ${cached} - ${written})::numeric * ${input}
      + ${cached}::numeric * p.cached_input_nanos + ${written}::numeric * p.cache_write_nanos
      + (s.output_tokens - ${reasoning})::numeric * p.output_nanos
      + ${reasoning}::numeric * p.reasoning_nanos + p.request_nanos::numeric * 1000000
      + s.engine_ms::numeric * p.engine_second_nanos * 1000 end`
  const hit: Fragment = sql`(
    case when s.hit_input_tokens + s.hit_output_tokens = 0 then 0 else
      s.hit_input_tokens::numeric * ${input} + s.hit_output_tokens::numeric * p.output_nanos
      + p.request_nanos::numeric * 1000000 end) * p.hit_millionths`
  const halfEven = (value: Fragment, by: number): Fragment => sql`(
    select div(v, b) + case when 2 * mod(v, b) > b
        or (2 * mod(v, b) = b and mod(div(v, b), 2) = 1) then 1 else 0 end
    from (select (${value})::numeric as v, ${by}::int8::numeric as b) as given)`
  return sql`
    case when s.hit_input_tokens is null then ${halfEven(own, 1e6)}
      else ${halfEven(hit, 1e12)} end`
}
