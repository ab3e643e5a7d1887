/**
 * The right to schedule: one gateway per database. It is an advisory lock on a connection kept
 * for it, so it ends with its holder, however that ends; a row beside it names the holder.
 */
import { hostname } from 'node:os'
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { connectionError, type Queries, type Sql, type Transaction } from './connection.ts'
import { Session } from './session.ts'

/**
 * `held`: ours. `lost`: the database is away, and with it the lock; it is taken again as soon as
 * possible. `taken`: another gateway was quicker.
 */
export type LeaseState = { kind: 'held' } | { kind: 'lost' } | { kind: 'taken'; holder: string }

export interface LeaseOptions {
  url: string
  clock: Clock
  logger: Logger
  /** Address of this gateway, for the message to whoever comes second. */
  gatewayUrl: string
  onState?: (state: LeaseState) => void
}

export interface Lease {
  state(): LeaseState
  /**
   * The right as it is now, to be made sure of later: inside a transaction the answer says whether
   * nobody else has had it since, and nobody else gets it before the transaction has ended.
   */
  fence(): Fence
  release(): Promise<void>
}

/** @throws what the database throws */
export type Fence = (sql: Transaction) => Promise<boolean>

/** Any number, the same for every gateway. */
export const LOCK_KEY = 7_147_002
/** A holder that was just killed loses its connection within this time. */
const HOLDER_GOES_MS = 1000

/**
 * Takes the right to schedule and keeps it over restarts of the database.
 * @throws GristmillError `scheduler_held` naming the holder; `database_unreachable`
 */
export async function takeSchedulerLease(options: LeaseOptions): Promise<Lease> {
  const { url, clock, logger, onState } = options
  const since = new Date(clock.nowMs())
  const startMs = clock.monotonicMs()
  let state: LeaseState = { kind: 'lost' }
  let epoch = -1
  const change = (next: LeaseState) => {
    if (next.kind === state.kind) return
    state = next
    if (next.kind !== 'held') logger.warn(next, 'the right to schedule is gone')
    onState?.(next)
  }
  const session = new Session({
    url,
    name: 'scheduler lease',
    clock,
    prepare: async (sql) => {
      epoch = await takeLock(sql, options.gatewayUrl, since)
    },
    onUp: () => change({ kind: 'held' }),
    onDown: (reason) => change(stateAfter(reason)),
  })
  for (;;) {
    try {
      await session.open()
      return { state: () => state, fence: () => fenceOf(epoch), release: () => session.close() }
    } catch (error) {
      const held = error instanceof GristmillError && error.code === 'scheduler_held'
      if (!held || clock.monotonicMs() - startMs > HOLDER_GOES_MS) {
        await session.close()
        throw connectionError(url, error)
      }
      await clock.sleep(100)
    }
  }
}

/** @returns the epoch that the right is ours in; the same again where nobody had it between */
async function takeLock(sql: Sql, gatewayUrl: string, since: Date): Promise<number> {
  const [lock] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${LOCK_KEY}) as taken`
  if (!lock?.taken) throw new GristmillError('scheduler_held', { holder: await holderIn(sql) })
  return await nextEpoch(sql, gatewayUrl, since)
}

/** Names who has the right; the epoch grows where that was somebody else before. */
export async function nextEpoch(sql: Sql, gatewayUrl: string, since: Date): Promise<number> {
  const row = { host: hostname(), pid: process.pid, url: gatewayUrl, since }
  const [taken] = await sql<{ epoch: number }[]>`
    insert into gateway_lease ${sql(row)}
    on conflict (only_row) do update
      set host = excluded.host, pid = excluded.pid, url = excluded.url, since = excluded.since,
        epoch = gateway_lease.epoch + case when
          (gateway_lease.host, gateway_lease.pid, gateway_lease.url, gateway_lease.since)
          is distinct from (excluded.host, excluded.pid, excluded.url, excluded.since)
          then 1 else 0 end
    returning epoch::float8 as epoch`
  return taken?.epoch ?? 0
}

/** Whoever takes the right changes the row, and so waits for those that hold it shared. */
export function fenceOf(epoch: number): Fence {
  return async (sql) => {
    const rows = await sql`select from gateway_lease where epoch = ${epoch} for share`
    return rows.length > 0
  }
}

export async function holderIn(sql: Queries): Promise<string> {
  const [row] = await sql<{ host: string; pid: number; url: string; since: Date }[]>`
    select host, pid, url, since from gateway_lease`
  if (!row) return 'not yet named'
  return `${row.url}, process ${row.pid} on ${row.host}, since ${row.since.toISOString()}`
}

function stateAfter(reason: unknown): LeaseState {
  const held = reason instanceof GristmillError && reason.code === 'scheduler_held'
  return held ? { kind: 'taken', holder: String(reason.details.holder) } : { kind: 'lost' }
}
