/**
 * Proof of the hours of usage, day by day: they are what the settlements come to. Of requests that
 * were dropped it proves that all hours of before come to what was noted when they went.
 */
import type { Queries } from '../../store/index.ts'
import { badCursor } from '../cursor.ts'
import { differingHour, hoursWithin, keptFrom } from '../usage-hours.ts'
import type { VerifiedPart } from './verify-requests.ts'

/** Requests that were dropped. */
export interface Dropped {
  requests: number
  /** Of hours before that, only sums are left. */
  before: Date
}

const DAY_MS = 86_400_000

/**
 * @param after `next` of the part before; empty at the beginning
 * @throws GristmillError `invalid_value` where it is none
 */
export async function verifyUsage(sql: Queries, after: string): Promise<VerifiedPart> {
  const drop = after === '' ? await wrongDrop(sql) : null
  const days = after === '' ? await daysOf(sql) : daysLeft(after)
  if (days === undefined) return { checked: 0, open: 0, next: null, broken: brokenIn(drop) }
  const { firstMs, lastMs } = days
  const id = drop ?? (await differingHour(sql, firstMs, firstMs + DAY_MS))
  // The last day is found once, since that reads all hours.
  const next = firstMs < lastMs ? `${firstMs + DAY_MS}-${lastMs}` : null
  return { checked: 1, open: 0, next, broken: brokenIn(id) }
}

function brokenIn(id: string | null): VerifiedPart['broken'] {
  return id === null ? null : { id, what: 'it is not what its requests come to' }
}

interface Days {
  firstMs: number
  lastMs: number
}

function daysLeft(after: string): Days {
  const [, firstMs, lastMs] = /^(\d{1,14})-(\d{1,14})$/.exec(after) ?? []
  if (lastMs === undefined) throw badCursor()
  return { firstMs: Number(firstMs), lastMs: Number(lastMs) }
}

/** Days that have settlements or hours, and all between. */
async function daysOf(sql: Queries): Promise<Days | undefined> {
  const day = (time: ReturnType<Queries>) => sql`
    (extract(epoch from date_bin('1 day', ${time}, 'epoch')) * 1000)::float8`
  const [span] = await sql<{ firstMs: number | null; lastMs: number }[]>`
    select ${day(sql`min(first)`)} as "firstMs", ${day(sql`max(last)`)} as "lastMs" from (
      select min(settled_at) as first, max(settled_at) as last from ledger_settlements
      union all select min(hour), max(hour) from usage_hours where hour >= ${keptFrom(sql)}
      union all select min(hour), max(hour) from usage_fresh) as times`
  return span?.firstMs == null ? undefined : { firstMs: span.firstMs, lastMs: span.lastMs }
}

export async function readDropped(sql: Queries): Promise<Dropped | null> {
  const [row] = await sql<{ requests: number; before: Date | null }[]>`
    select coalesce(sum(requests), 0)::int8 as requests, max(hours_before) as before
    from ledger_drops`
  return row?.before ? { requests: row.requests, before: row.before } : null
}

/** What was dropped, and what is left of the same hours, is what these hours say. */
async function wrongDrop(sql: Queries): Promise<string | null> {
  const [found] = await sql<{ isWrong: boolean; before: Date | null }[]>`
    with sums as (
      select requests, input_tokens, output_tokens, spend_nanos, charge_nanos from ledger_drops
      union all select 1, input_tokens, output_tokens, coalesce(spend_nanos, 0),
        coalesce(charge_nanos, 0)
      from ledger_settlements where settled_at < ${keptFrom(sql)}
      union all select -requests, -input_tokens, -output_tokens, -spend_nanos, -charge_nanos
      from (${hoursWithin(sql, sql`'-infinity'`, keptFrom(sql), sql``)}) as hours
    )
    select count(*) > 0 and (sum(requests), sum(input_tokens), sum(output_tokens),
      sum(spend_nanos), sum(charge_nanos)) <> (0, 0, 0, 0, 0) as "isWrong",
      (select max(hours_before) from ledger_drops) as before
    from sums`
  return found?.isWrong ? `hours before ${found.before?.toISOString()}` : null
}
