/** The database of this run: started or connected to, migrated, and ours to schedule on. */
import type { Clock, Config, Logger } from '../base/index.ts'
import type { Home } from '../host/index.ts'
import {
  type Database,
  type Lease,
  migrate,
  openDatabase,
  startEmbedded,
  takeSchedulerLease,
} from '../store/index.ts'

export interface DatabasePart {
  database: Database
  /** The right to schedule on it, ours alone unless its state says otherwise. */
  lease: Lease
}

/**
 * @param stack takes what must be closed, in the order in which it was opened
 * @throws GristmillError `database_unreachable`, `database_failed`, `database_too_old`,
 *   `database_too_new`, `scheduler_held`
 */
export async function openDatabasePart(
  config: Config,
  home: Home,
  clock: Clock,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<DatabasePart> {
  const url = config.databaseUrl ?? (await startOwn(home, clock, logger, stack))
  const database = await openDatabase({ url, clock, logger })
  stack.defer(() => database.close())
  await migrate({ url, logger })
  // A free port is known only once we listen.
  const port = config.port === 0 ? '' : `:${config.port}`
  const gatewayUrl = config.publicUrl ?? `http://${config.host}${port}`
  const lease = await takeSchedulerLease({ url, clock, logger, gatewayUrl })
  stack.defer(() => lease.release())
  return { database, lease }
}

async function startOwn(
  home: Home,
  clock: Clock,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<string> {
  const server = await startEmbedded({ home, clock, logger })
  stack.defer(() => server.stop())
  return server.url
}
