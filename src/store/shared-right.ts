/**
 * The right to be one of several gateways on a database: the lock of a gateway that is alone,
 * shared. It is kept on a connection of its own, on which the gateways agree about everything else.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import { connectionError, type Sql } from './connection.ts'
import { type Fence, fenceOf, holderIn, type LeaseState, LOCK_KEY, nextEpoch } from './lease.ts'
import { Session } from './session.ts'

/** A server that is silent for so long is asked over another connection. */
const CUT_MS = 2000
const HOLDER_GOES_MS = 1000

export interface SharedRightOptions {
  url: string
  clock: Clock
  gatewayUrl: string
}

export interface SharedRight {
  /** The connection, while it is up. */
  sql(): Sql | undefined
  /** `taken` where a gateway that wants to be alone has the database. */
  state(): LeaseState
  /**
   * Makes the work of this database ours alone from now on; waits for what others have begun.
   * @throws what the database throws
   */
  takeWork(sql: Sql): Promise<Fence>
  close(): Promise<void>
}

/** @throws GristmillError `scheduler_held` naming who is alone there; `database_unreachable` */
export async function shareDatabase(options: SharedRightOptions): Promise<SharedRight> {
  const { url, clock, gatewayUrl } = options
  const since = new Date(clock.nowMs())
  const startMs = clock.monotonicMs()
  let state: LeaseState = { kind: 'lost' }
  const session = new Session({
    url,
    name: 'gateways',
    clock,
    cutMs: CUT_MS,
    prepare: async (sql) => {
      const [lock] = await sql<{ taken: boolean }[]>`
        select pg_try_advisory_lock_shared(${LOCK_KEY}) as taken`
      if (!lock?.taken) throw new GristmillError('scheduler_held', { holder: await holderIn(sql) })
    },
    onUp: () => {
      state = { kind: 'held' }
    },
    onDown: (reason) => {
      const isTaken = reason instanceof GristmillError && reason.code === 'scheduler_held'
      state = isTaken ? { kind: 'taken', holder: String(reason.details.holder) } : { kind: 'lost' }
    },
  })
  for (;;) {
    try {
      await session.open()
      break
    } catch (error) {
      const isHeld = error instanceof GristmillError && error.code === 'scheduler_held'
      if (!isHeld || clock.monotonicMs() - startMs > HOLDER_GOES_MS) {
        await session.close()
        throw connectionError(url, error)
      }
      await clock.sleep(100)
    }
  }
  return {
    sql: () => session.sql(),
    state: () => state,
    takeWork: async (sql) => fenceOf(await nextEpoch(sql, gatewayUrl, since)),
    close: () => session.close(),
  }
}
