/**
 * Sums of use by the hour. The statement that writes settlements notes them in `usage_fresh` (a
 * trigger, so that whoever writes is counted); folding moves them into `usage_hours`. Both are one
 * transaction each, so whatever dies at whatever moment, every settlement is in the sums once.
 */
import { type Clock, type Logger, Rounds } from '../base/index.ts'
import { type Database, type Queries, textArray } from '../store/index.ts'

type Fragment = ReturnType<Queries>

/** How often it is looked whether there is enough to fold. */
const LOOK_EVERY_MS = 10_000
/**
 * Folded when there are so many rows, or the last time is so long ago: the more of them together,
 * the less each of them costs, but whoever reads usage reads what is not folded as well.
 */
const FOLD_ROWS = 50_000
const FOLD_EVERY_MS = 300_000
/** Moved in one transaction, and how long after it is rested: answers share the disk with it. */
const PIECE_ROWS = 2000
const REST_MS = 200
/** Any number, the same for every gateway. */
const LOCK_KEY = 7_147_010

/** What tells the rows of `usage_hours` apart, and what is summed up in them. */
const KEYS = 'tenant_id, hour, project_id, key_id, model, served_class, rented_target'
const SUMS = [
  ...['requests', 'finished', 'cut', 'recovered', 'input_tokens', 'cached_tokens', 'output_tokens'],
  ...['engine_ms', 'queue_ms', 'spend_nanos', 'charge_nanos', 'unpriced'],
  ...['hits', 'hit_input_tokens', 'hit_output_tokens'],
]
const COLUMNS = `${KEYS}, ${SUMS.join(', ')}`

/**
 * Moves what was noted into the hours, tenant by tenant, so that those of one come together.
 * @param pieceRows moved in one transaction at most
 * @param goesOn asked after each, and waited for
 * @returns rows that were moved; it ends early where another gateway is at it
 */
export async function foldUsage(
  database: Pick<Database, 'transaction'> & { sql: Queries },
  pieceRows = PIECE_ROWS,
  goesOn: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<number> {
  let folded = 0
  for (;;) {
    const noted = await firstNoted(database.sql)
    let seen = 0
    for (const { tenantIds, rows, upTo } of pieces(noted, pieceRows)) {
      seen += rows
      for (let left = rows; left > 0; left -= pieceRows) {
        const count = await foldPiece(database, tenantIds, upTo, pieceRows)
        folded += count ?? 0
        if (count === undefined || !(await goesOn())) return folded
      }
    }
    if (seen < FOLD_ROWS) return folded
  }
}

interface Noted {
  tenantId: string
  rows: number
  /** Last of all that were looked at. */
  upTo: string
}

interface Piece extends Omit<Noted, 'tenantId'> {
  tenantIds: string[]
}

/** Whose the first rows are, of which as many are looked at as are folded at a time. */
function firstNoted(sql: Queries): Promise<Noted[]> {
  return sql<Noted[]>`
    select tenant_id as "tenantId", count(*)::float8 as rows, max(max(id)) over ()::text as "upTo"
    from (select tenant_id, id from usage_fresh order by id limit ${FOLD_ROWS}) as first
    group by tenant_id order by tenant_id`
}

/** Tenants that have about so many rows together, or one that has more. */
function pieces(noted: readonly Noted[], pieceRows: number): Piece[] {
  const found: Piece[] = []
  for (const { tenantId, rows, upTo } of noted) {
    const last = found.at(-1)
    if (last === undefined || last.rows + rows > pieceRows) {
      found.push({ tenantIds: [tenantId], rows, upTo })
      continue
    }
    last.tenantIds.push(tenantId)
    last.rows += rows
  }
  return found
}

/** @returns rows that were moved; undefined where another gateway is at it */
function foldPiece(
  database: Pick<Database, 'transaction'>,
  tenantIds: readonly string[],
  upTo: string,
  rowsMax: number,
): Promise<number | undefined> {
  return database.transaction(async (sql) => {
    const [lock] = await sql<{ taken: boolean }[]>`
      select pg_try_advisory_xact_lock(${LOCK_KEY}) as taken`
    if (!lock?.taken) return undefined
    const sums = SUMS.map((name) => `sum(${name})`).join(', ')
    const added = SUMS.map((name) => `${name} = h.${name} + excluded.${name}`).join(', ')
    const [moved] = await sql<{ count: number }[]>`
      with taken as (
        delete from usage_fresh
        where id = any (array(
          select id from usage_fresh
          where id <= ${upTo}::int8 and tenant_id = any (${textArray(tenantIds)}::text[])
          order by id limit ${rowsMax}))
        returning *
      ), added as (
        insert into usage_hours as h (${sql.unsafe(COLUMNS)})
        select ${sql.unsafe(KEYS)}, ${sql.unsafe(sums)} from taken
        group by ${sql.unsafe(KEYS)} order by tenant_id, hour
        on conflict (${sql.unsafe(KEYS)}) do update set ${sql.unsafe(added)}
      ), rented as (
        insert into rented_days as d (day_at, spend_nanos)
        select date_bin('1 day', hour, 'epoch'), sum(spend_nanos) from taken
        where rented_target is not null group by 1 order by 1
        on conflict (day_at) do update set spend_nanos = d.spend_nanos + excluded.spend_nanos
      )
      select count(*) from taken`
    return moved?.count ?? 0
  })
}

/** Folds now and then until it is stopped. */
export function keepUsageFolded(
  database: Pick<Database, 'transaction' | 'sql'>,
  clock: Clock,
  logger: Logger,
): Rounds {
  let foldedAtMs = Number.NEGATIVE_INFINITY
  const rounds = new Rounds(clock, LOOK_EVERY_MS, async () => {
    try {
      const isDue = clock.monotonicMs() - foldedAtMs >= FOLD_EVERY_MS
      if (!isDue && (await freshRows(database.sql)) < FOLD_ROWS) return
      await foldUsage(database, PIECE_ROWS, async () => {
        await clock.sleep(REST_MS)
        return !rounds.isStopped
      })
      foldedAtMs = clock.monotonicMs()
    } catch (error) {
      logger.warn({ err: error }, 'hours of usage were not summed up; it is tried again')
    }
  })
  rounds.start()
  return rounds
}

/** Rows that are not folded, about. */
async function freshRows(sql: Queries): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`
    select coalesce(max(id) - min(id) + 1, 0)::float8 as rows from usage_fresh`
  return row?.rows ?? 0
}

const HOUR_MS = 3_600_000

/**
 * Rows as of `usage_hours` that add up to what was settled in a time: whole hours from the sums,
 * what is left of hours at both ends from the settlements.
 * @param filter conditions on columns that settlements have as well
 */
export function usedWithin(sql: Queries, fromMs: number, toMs: number, filter: Fragment): Fragment {
  const fromHourMs = Math.ceil(fromMs / HOUR_MS) * HOUR_MS
  const toHourMs = Math.max(fromHourMs, Math.floor(toMs / HOUR_MS) * HOUR_MS)
  const edge = (from: number, to: number): Fragment =>
    from < to ? sql`union all ${settled(sql, at(sql, from), at(sql, to), filter)}` : sql``
  return sql`
    ${hoursWithin(sql, at(sql, fromHourMs), at(sql, toHourMs), filter)}
    ${edge(fromMs, Math.min(fromHourMs, toMs))} ${edge(Math.max(toHourMs, fromMs), toMs)}`
}

/**
 * The same from the settlements, as long as there are any: hours whose requests were dropped count
 * where they begin within the time.
 */
export function settledWithin(
  sql: Queries,
  fromMs: number,
  toMs: number,
  filter: Fragment,
): Fragment {
  const [from, to] = [at(sql, fromMs), at(sql, toMs)]
  const kept = keptFrom(sql)
  return sql`
    ${settled(sql, sql`greatest(${from}, ${kept})`, to, filter)}
    union all ${hoursWithin(sql, from, sql`least(${to}, ${kept})`, filter)}`
}

/** All settlements from then on are there. */
export const keptFrom = (sql: Queries): Fragment =>
  sql`(select coalesce(max(hours_before), '-infinity') from ledger_drops)`

/**
 * The first hour in which the sums are not those of the settlements, in words; null where there is
 * none. Both ends are whole hours, and later than what was dropped.
 */
export async function differingHour(
  sql: Queries,
  fromMs: number,
  toMs: number,
): Promise<string | null> {
  const from: Fragment = sql`greatest(${at(sql, fromMs)}, ${keptFrom(sql)})`
  const to = at(sql, toMs)
  const taken = SUMS.map((name) => `-${name}`).join(', ')
  const isOff = SUMS.map((name) => `sum(${name}) <> 0`).join(' or ')
  const [row] = await sql<{ tenantId: string; hour: Date }[]>`
    select tenant_id as "tenantId", hour from (
      ${settled(sql, from, to, sql``)}
      union all select ${sql.unsafe(`${KEYS}, ${taken}`)} from (
        ${hoursWithin(sql, from, to, sql``)}) as summed) as both_sides
    group by ${sql.unsafe(KEYS)} having ${sql.unsafe(isOff)} order by hour, tenant_id limit 1`
  return row ? `usage of ${row.tenantId} in the hour ${row.hour.toISOString()}` : null
}

/** What is in the hours of a time, and what is not in them yet. */
export function hoursWithin(
  sql: Queries,
  from: Fragment,
  to: Fragment,
  filter: Fragment,
): Fragment {
  const part = (table: string): Fragment => sql`
    select ${sql.unsafe(COLUMNS)} from ${sql(table)}
    where hour >= ${from} and hour < ${to} ${filter}`
  return sql`${part('usage_hours')} union all ${part('usage_fresh')}`
}

/** Whether a tenant has had an answer of a model since then, to the hour. */
export async function hasAnswered(
  sql: Queries,
  { tenantId, model, sinceMs }: { tenantId: string; model: string; sinceMs: number },
): Promise<boolean> {
  const filter: Fragment = sql`and tenant_id = ${tenantId} and model = ${model} and finished > 0`
  const [row] = await sql<{ isKnown: boolean }[]>`
    select exists (${hoursWithin(sql, at(sql, sinceMs), sql`'infinity'`, filter)}) as "isKnown"`
  return row?.isKnown === true
}

/**
 * What rented services cost by day.
 * @param fromMs start of a day; @param toMs as well, or now; @param tenantIds undefined: of all
 */
export function rentedDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
  tenantIds?: readonly string[],
): Promise<{ dayMs: number; nanos: string }[]> {
  const mine = sql`and tenant_id = any (${textArray(tenantIds ?? [])}::text[])`
  const folded =
    tenantIds === undefined
      ? sql`select day_at, spend_nanos from rented_days`
      : sql`
          select date_bin('1 day', hour, 'epoch') as day_at, spend_nanos from usage_hours
          where rented_target is not null ${mine}`
  return sql`
    select (extract(epoch from day_at) * 1000)::float8 as "dayMs", sum(spend_nanos)::text as nanos
    from (
      ${folded}
      union all select date_bin('1 day', hour, 'epoch'), spend_nanos from usage_fresh
      where rented_target is not null ${tenantIds === undefined ? sql`` : mine}) as spent
    where day_at >= ${at(sql, fromMs)} and day_at < ${at(sql, toMs)}
    group by 1`
}

/** A settlement as a row of `usage_hours`. */
function settled(sql: Queries, from: Fragment, to: Fragment, filter: Fragment): Fragment {
  return sql`
    select tenant_id, date_bin('1 hour', settled_at, 'epoch') as hour, project_id, key_id,
      model collate "C" as model, served_class collate "C" as served_class,
      rented_target collate "C" as rented_target, 1 as requests,
      (settlement_group = 'finished')::int as finished,
      (settlement_group = 'cut')::int as cut, (settlement_group = 'recovered')::int as recovered,
      input_tokens, cached_tokens, output_tokens, engine_ms, queue_ms,
      coalesce(spend_nanos, 0) as spend_nanos, coalesce(charge_nanos, 0) as charge_nanos,
      (charge_nanos is null)::int as unpriced, (hit_input_tokens is not null)::int as hits,
      coalesce(hit_input_tokens, 0) as hit_input_tokens,
      coalesce(hit_output_tokens, 0) as hit_output_tokens
    from ledger_settlements
    where settled_at >= ${from} and settled_at < ${to} ${filter}`
}

const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
