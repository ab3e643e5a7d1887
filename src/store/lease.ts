/**
 * The right to schedule: one gateway per database. It is an advisory lock on a connection kept
 * for it, so it ends with its holder, however that ends; a row beside it names the holder.
 */
import { hostname } from 'node:os'
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { connectionError, type Queries, type Sql } from './connection.ts'
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
  release(): Promise<void>
}

/** Any number, the same for every gateway. */
const LOCK_KEY = 7_147_002
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
    prepare: (sql) => takeLock(sql, options.gatewayUrl, since),
    onUp: () => change({ kind: 'held' }),
    onDown: (reason) => change(stateAfter(reason)),
  })
  for (;;) {
    try {
      await session.open()
      return { state: () => state, release: () => session.close() }
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

async function takeLock(sql: Sql, gatewayUrl: string, since: Date): Promise<void> {
  const [lock] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${LOCK_KEY}) as taken`
  if (!lock?.taken) throw new GristmillError('scheduler_held', { holder: await holderIn(sql) })
  const row = { host: hostname(), pid: process.pid, url: gatewayUrl, since }
  await sql`
    insert into gateway_lease ${sql(row)}
    on conflict (only_row) do update
      set host = excluded.host, pid = excluded.pid, url = excluded.url, since = excluded.since`
}

async function holderIn(sql: Queries): Promise<string> {
  const [row] = await sql<{ host: string; pid: number; url: string; since: Date }[]>`
    select host, pid, url, since from gateway_lease`
  if (!row) return 'not yet named'
  return `${row.url}, process ${row.pid} on ${row.host}, since ${row.since.toISOString()}`
}

function stateAfter(reason: unknown): LeaseState {
  const held = reason instanceof GristmillError && reason.code === 'scheduler_held'
  return held ? { kind: 'taken', holder: String(reason.details.holder) } : { kind: 'lost' }
}
