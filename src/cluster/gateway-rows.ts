/** The tables of gateways, of the lease to schedule, and of who took it when. */
import { hostname } from 'node:os'
import { type Queries, textArray } from '../store/index.ts'
import { LEASE_MS } from './lease-term.ts'

const TAKEOVERS_KEPT = 1000

/** A gateway as it tells of itself. */
export interface OwnGateway {
  id: string
  /** New with every start. */
  run: string
  /** Address for other gateways. */
  url: string
  version: string
}

export interface GatewayRow extends OwnGateway {
  number: number
  /** Engines that answer it. */
  reach: number
  host: string
  pid: number
  startedAt: Date
  /** Since its last sign of life, by the database's clock. */
  beatAgeMs: number
  /** It shuts down: it takes nothing new. */
  isLeaving: boolean
}

export interface LeaseRow {
  gatewayId: string
  run: string
  token: number
  since: Date
  /** Until it ends, by the database's clock; negative once it has. */
  leftMs: number
}

export interface TakeoverRow {
  token: number
  gatewayId: string
  at: Date
  idleMs: number
  running: number
  waiting: number
  held: number
}

/** @returns its number, the same over restarts */
export async function join(sql: Queries, own: OwnGateway): Promise<number> {
  const row = { ...own, host: hostname(), pid: process.pid }
  const [joined] = await sql<{ number: number }[]>`
    insert into gateways ${sql(row, 'id', 'run', 'url', 'version', 'host', 'pid')}
    on conflict (id) do update
      set run = excluded.run, url = excluded.url, version = excluded.version,
        host = excluded.host, pid = excluded.pid, started_at = now(),
        beat_at = clock_timestamp(), left_at = null, is_settled = false, is_leaving = false
    returning number`
  return joined?.number ?? 0
}

/**
 * A sign of life. Where its row was forgotten it gets it back, with the number that it has.
 * @param reach engines that answer it
 */
export async function beat(
  sql: Queries,
  own: OwnGateway,
  number: number,
  reach: number,
): Promise<void> {
  const { id, run } = own
  const told = await sql`
    update gateways
    set beat_at = clock_timestamp(), left_at = null, is_settled = false, reach = ${reach}
    where id = ${id} and run = ${run}`
  if (told.count > 0) return
  await sql`
    insert into gateways (id, number, run, url, version, host, pid) overriding system value
    values (${id}, ${number}, ${run}, ${own.url}, ${own.version}, ${hostname()}, ${process.pid})
    on conflict do nothing`
}

/** It shuts down, which the others hear at once. */
export async function sayLeaving(sql: Queries, { id, run }: OwnGateway): Promise<void> {
  await sql`
    update gateways set is_leaving = true where id = ${id} and run = ${run}
    returning pg_notify('gateways', '')`
}

export async function leave(sql: Queries, { id, run }: OwnGateway): Promise<void> {
  await sql`update gateways set left_at = clock_timestamp() where id = ${id} and run = ${run}`
}

/** Gateways that gave a sign of life within `withinS` and have not left. */
export async function readGateways(sql: Queries, withinS: number): Promise<GatewayRow[]> {
  const rows = await sql<GatewayRow[]>`
    select ${columns(sql)} from gateways
    where left_at is null and beat_at > clock_timestamp() - make_interval(secs => ${withinS})
    order by number`
  return [...rows]
}

/** Whoever has our identifier, unless it has left. */
export async function readOwn(sql: Queries, { id }: OwnGateway): Promise<GatewayRow | undefined> {
  const [row] = await sql<GatewayRow[]>`
    select ${columns(sql)} from gateways where left_at is null and id = ${id}`
  return row
}

const columns = (sql: Queries) => sql`
  id, number, run, url, version, reach, host, pid, started_at as "startedAt",
  is_leaving as "isLeaving",
  (1000 * extract(epoch from clock_timestamp() - beat_at))::float8 as "beatAgeMs"`

/**
 * Numbers of gateways with requests to settle: not heard of for so long, left, or forgotten.
 * @param numbers that open requests have, read before this
 */
export async function readGone(
  sql: Queries,
  forS: number,
  numbers: readonly number[],
): Promise<number[]> {
  const rows = await sql<{ number: number }[]>`
    select number from gateways
    where not is_settled
      and (left_at is not null or beat_at < clock_timestamp() - make_interval(secs => ${forS}))
    union
    select number from unnest(${textArray(numbers.map(String))}::int[]) as open (number)
    where number not in (select number from gateways)`
  return rows.map(({ number }) => number)
}

/** What these have left open is settled, unless they came back. */
export async function markSettled(sql: Queries, numbers: readonly number[], forS: number) {
  for (const number of numbers) {
    await sql`
      update gateways set is_settled = true
      where number = ${number}
        and (left_at is not null or beat_at < clock_timestamp() - make_interval(secs => ${forS}))`
  }
}

/** Forgets gateways that left, or gave their last sign of life, so long ago. */
export async function forgetGateways(sql: Queries, agoS: number): Promise<void> {
  await sql`
    delete from gateways
    where is_settled
      and coalesce(left_at, beat_at) < clock_timestamp() - make_interval(secs => ${agoS})
      and not exists (select from scheduler_lease where gateway_id = gateways.id)`
}

export async function readLease(sql: Queries): Promise<LeaseRow | null> {
  const [row] = await sql<LeaseRow[]>`
    select gateway_id as "gatewayId", run, token, since,
      (1000 * extract(epoch from expires_at - clock_timestamp()))::float8 as "leftMs"
    from scheduler_lease`
  return row ?? null
}

/** @returns false where the lease is somebody else's */
export async function renewLease(
  sql: Queries,
  { id, run }: OwnGateway,
  token: number,
): Promise<boolean> {
  const rows = await sql`
    update scheduler_lease
    set expires_at = clock_timestamp() + make_interval(secs => ${LEASE_MS / 1000})
    where gateway_id = ${id} and run = ${run} and token = ${token}
    returning token`
  return rows.length > 0
}

/**
 * Takes a lease that has ended.
 * @param seen the highest token that was ever seen; one of a database that was restored to an
 *   earlier time may be lower, and nobody would heed it
 * @returns its token; null where somebody was quicker
 */
export async function takeLease(
  sql: Queries,
  { id, run }: OwnGateway,
  seen: number,
): Promise<number | null> {
  const until = sql`clock_timestamp() + make_interval(secs => ${LEASE_MS / 1000})`
  const [row] = await sql<{ token: number }[]>`
    insert into scheduler_lease (gateway_id, run, token, since, expires_at)
    values (${id}, ${run}, ${seen}::int8 + 1, clock_timestamp(), ${until})
    on conflict (only_row) do update
      set gateway_id = excluded.gateway_id, run = excluded.run,
        token = greatest(scheduler_lease.token, ${seen}::int8) + 1,
        since = clock_timestamp(), expires_at = ${until}
      where scheduler_lease.expires_at < clock_timestamp()
    returning token, pg_notify('gateways', '')`
  return row?.token ?? null
}

/** Ends our lease now, so that nobody waits for it. */
export async function giveLease(
  sql: Queries,
  { id, run }: OwnGateway,
  token: number,
): Promise<void> {
  await sql`
    update scheduler_lease set expires_at = clock_timestamp() - interval '1 ms'
    where gateway_id = ${id} and run = ${run} and token = ${token}
    returning pg_notify('gateways', '')`
}

/** Puts it down, and forgets those of long before. */
export async function noteTakeover(sql: Queries, row: Omit<TakeoverRow, 'at'>): Promise<void> {
  const { token, gatewayId, idleMs, running, waiting, held } = row
  await sql`
    insert into scheduler_takeovers (token, gateway_id, idle_ms, running, waiting, held)
    values (${token}, ${gatewayId}, ${idleMs}, ${running}, ${waiting}, ${held})
    on conflict (token) do nothing`
  await sql`delete from scheduler_takeovers where token <= ${token} - ${TAKEOVERS_KEPT}::int8`
}

/** Newest first. */
export async function readTakeovers(sql: Queries, rowsMax: number): Promise<TakeoverRow[]> {
  const rows = await sql<TakeoverRow[]>`
    select token, gateway_id as "gatewayId", at, idle_ms as "idleMs", running, waiting, held
    from scheduler_takeovers order by token desc limit ${rowsMax}`
  return [...rows]
}
