/** The database as the rooms see it: queries, transactions, notifications, and whether it is up. */
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { Channels, type OnState } from './channels.ts'
import {
  connect,
  connectionError,
  NO_ANSWER,
  publicAddress,
  type Queries,
  type Sql,
  type Transaction,
} from './connection.ts'
import { Session } from './session.ts'
import { runTransaction } from './transaction.ts'

export interface Database {
  /** Tagged templates on the pool of connections. */
  readonly sql: Sql
  /** Address without the password, for people. */
  readonly address: string
  /** With the password; for children and tools that connect by themselves. */
  readonly url: string
  /** PostgreSQL's major version. */
  readonly majorVersion: number
  /** Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. */
  transaction<T>(work: (sql: Transaction) => Promise<T>): Promise<T>
  /**
   * Calls back for every notification on a channel. While the state is `down` notifications are
   * lost, so what was cached because of them must not be trusted for long; after `up` read anew.
   */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onState?: OnState,
  ): Promise<Unlisten>
  /** Whether the server gave a sign of life within the last second. */
  isUp(): boolean
  close(): Promise<void>
}

type Unlisten = () => void

export interface OpenDatabaseOptions {
  url: string
  clock: Clock
  logger: Logger
  /** Connections of the pool; one more is kept for notifications. */
  connections?: number
  /** Longest run of one statement, milliseconds. */
  statementMsMax?: number
  /** Longest wait for the first answer, milliseconds. */
  answerMsMax?: number
}

const OLDEST_MAJOR = 15
const ANSWER_MS_MAX = 15_000

/**
 * Connects to a server and checks its version; migrations are a step of their own.
 * @throws GristmillError `database_unreachable`, `database_too_old`
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { url, clock, logger } = options
  const pool = connect(url, {
    connections: options.connections ?? 8,
    name: 'gateway',
    statementMsMax: options.statementMsMax ?? 15_000,
  })
  const channels = new Channels()
  const session: Session = new Session({
    url,
    name: 'notifications',
    clock,
    prepare: (sql) => channels.listenAll(sql),
    onUp: () => channels.up(session),
    onDown: (reason) => {
      if (!channels.down()) return
      logger.warn({ reason: (reason as Error).message }, 'the database is away')
    },
    onNotify: (channel, payload) => channels.deliver(channel, payload),
    onSilent: () => pool.cut(),
  })
  try {
    const answerMsMax = options.answerMsMax ?? ANSWER_MS_MAX
    const majorVersion = await answered(clock, answerMsMax, checkVersion(pool.sql))
    await session.open()
    return {
      sql: pool.sql,
      address: publicAddress(url),
      url,
      majorVersion,
      transaction: (work) => runTransaction(pool.sql, work),
      listen: (channel, onPayload, onState) =>
        channels.add(session, { channel, onPayload, onState }),
      isUp: () => session.isUp(),
      close: async () => {
        // Bounded: the driver waits for ever for a query that a crash of the server took along.
        await Promise.all([session.close(), pool.sql.end({ timeout: 1 })])
      },
    }
  } catch (error) {
    await Promise.all([session.close(), pool.sql.end({ timeout: 0 })])
    throw connectionError(url, error)
  }
}

/** The driver tries for ever where connections are taken and closed before a word is said. */
async function answered<T>(clock: Clock, msMax: number, asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = clock.after(msMax, () => {
    late.reject(Object.assign(new Error('no answer of a PostgreSQL'), { code: NO_ANSWER }))
  })
  try {
    return await Promise.race([asked, late.promise])
  } finally {
    timer.cancel()
  }
}

async function checkVersion(sql: Queries): Promise<number> {
  const [row] = await sql<{ number: number; text: string }[]>`
    select current_setting('server_version_num')::int as number,
           current_setting('server_version') as text`
  const majorVersion = Math.floor((row?.number ?? 0) / 10_000)
  if (majorVersion < OLDEST_MAJOR) {
    throw new GristmillError('database_too_old', { found: row?.text })
  }
  return majorVersion
}
