/** The database of this run: started or connected to, migrated, and ours to schedule on. */
import { hkdfSync } from 'node:crypto'
import {
  type Clock,
  type Config,
  GristmillError,
  type Logger,
  newId,
  systemRandom,
} from '../base/index.ts'
import { Member } from '../cluster/index.ts'
import type { Home } from '../host/index.ts'
import {
  type Database,
  type Fence,
  type Lease,
  migrate,
  openDatabase,
  shareDatabase,
  startEmbedded,
  takeSchedulerLease,
} from '../store/index.ts'
import { sendAudit } from './audit-syslog.ts'
import { otherHolder } from './scheduling-right.ts'

export interface DatabasePart {
  database: Database
  /** The right to be on it, alone or among others, ours unless its state says otherwise. */
  lease: Pick<Lease, 'state'>
  /** The right to do what only one gateway may do. */
  work: { isOurs(): boolean; fence(): Fence }
  /** This gateway among others; undefined where it is alone. */
  member: Member | undefined
  /** Tells the data home from others. */
  gatewayId: string
  /** How long this gateway goes on without the database, milliseconds; 0 where it is not alone. */
  awayMsMax: number
}

export interface DatabasePartOptions {
  config: Config
  home: Home
  clock: Clock
  logger: Logger
  version: string
}

/**
 * @param stack takes what must be closed, in the order in which it was opened
 * @throws GristmillError `database_unreachable`, `database_failed`, `database_too_old`,
 *   `database_too_new`, `scheduler_held`, `home_unusable`
 */
export async function openDatabasePart(
  options: DatabasePartOptions,
  stack: AsyncDisposableStack,
): Promise<DatabasePart> {
  const { config, home, clock, logger } = options
  const url = config.databaseUrl ?? (await startOwn(home, clock, logger, stack))
  const database = await openDatabase({ url, clock, logger })
  stack.defer(() => database.close())
  await migrate({ url, logger })
  const target = config.auditSyslog
  const sending = target && sendAudit({ database, clock, logger, target })
  stack.defer(() => sending?.stop())
  const { clusterUrl } = config
  if (clusterUrl !== undefined) return await openShared(options, database, clusterUrl, stack)
  // A free port is known only once we listen.
  const port = config.port === 0 ? '' : `:${config.port}`
  const gatewayUrl = config.publicUrl ?? `http://${config.host}${port}`
  const lease = await takeSchedulerLease({ url, clock, logger, gatewayUrl })
  stack.defer(() => lease.release())
  const isOurs = () => otherHolder(lease) === undefined
  return {
    database,
    lease,
    work: { isOurs, fence: () => lease.fence() },
    member: undefined,
    gatewayId: gatewayIdOf(home),
    awayMsMax: config.limits.databaseAwayMsMax,
  }
}

const gatewayIdOf = (home: Home) => `gw_${home.secret('gateway').toString('hex').slice(0, 16)}`

/** A secret of this gateway; the same at all of them where several share the database. */
export function sharedSecret(config: Config, home: Home, name: string): Buffer {
  if (config.clusterUrl === undefined || config.secretKey === undefined) return home.secret(name)
  return derived(config.secretKey, name)
}

const derived = (key: Buffer, name: string) =>
  Buffer.from(hkdfSync('sha256', key, '', `gristmill ${name}`, 32))

async function openShared(
  { config, home, clock, logger, version }: DatabasePartOptions,
  database: Database,
  clusterUrl: string,
  stack: AsyncDisposableStack,
): Promise<DatabasePart> {
  const right = await shareDatabase({ url: database.url, clock, gatewayUrl: clusterUrl })
  stack.defer(() => right.close())
  const own = {
    id: gatewayIdOf(home),
    run: newId('run', clock, systemRandom),
    url: clusterUrl,
    version,
  }
  const { secretKeyBefore } = config
  const secrets = [sharedSecret(config, home, 'gateways')]
  if (secretKeyBefore !== undefined) secrets.push(derived(secretKeyBefore, 'gateways'))
  const random = systemRandom
  const member = new Member({ own, secrets, right, database, clock, random, logger })
  const twin = await member.membership.twin()
  if (twin !== undefined) {
    const { url, host, pid } = twin
    const reason = `a gateway runs with a copy of it, process ${pid} on ${host} at ${url}`
    throw new GristmillError('home_unusable', { home: home.path, reason })
  }
  await member.join()
  const lease = { state: () => right.state() }
  // Another gateway may schedule by then, and have what this one has leased.
  return { database, lease, work: member, member, gatewayId: own.id, awayMsMax: 0 }
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
