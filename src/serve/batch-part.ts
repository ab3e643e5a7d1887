/** Files and batches of this gateway, joined with pool, tenants and the right to schedule. */
import type { Clock, Config, Logger, Random } from '../base/index.ts'
import {
  BatchDoor,
  BatchRunner,
  FileDoor,
  FileStore,
  FileSweep,
  livesBy,
  WebhookSender,
  WebhookStore,
} from '../batch/index.ts'
import type { Gateway } from '../gateway/index.ts'
import type { Home, OutboundAddresses } from '../host/index.ts'
import type { BatchService } from '../http/index.ts'
import type { Pool } from '../pool/index.ts'
import type { RouteBook } from '../route/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import { batchRoom } from './batch-room.ts'
import { batchService } from './batch-service.ts'
import type { DatabasePart } from './database-part.ts'

export interface BatchPart {
  files: FileStore
  runner: BatchRunner
  door: BatchDoor
  fileDoor: FileDoor
  sweep: FileSweep
  webhooks: WebhookStore
  sender: WebhookSender
  service: BatchService
}

export interface BatchPartOptions {
  config: Config
  home: Home
  part: DatabasePart
  tenancy: Tenancy
  gateway: Gateway
  pool: Pool
  routes: RouteBook
  clock: Clock
  random: Random
  logger: Logger
  /** Where webhooks may go. */
  targets: OutboundAddresses
}

/** Nothing runs before `runner.start()`. */
export function batchPart(options: BatchPartOptions): BatchPart {
  const { config, home, part, tenancy, gateway, pool, routes } = options
  const { clock, random, logger, targets } = options
  const { limits } = config
  const { database, work } = part
  const masterKey = config.contentKey ?? home.secret('content')
  const base = { database, clock, random, logger, limits }
  const files = new FileStore({ ...base, masterKey })
  const webhooks = new WebhookStore({ ...base, masterKey, targets })
  const runner = new BatchRunner({
    ...base,
    files,
    gateway,
    principalsOf: (keyIds) => tenancy.principalsOfKeys(keyIds),
    roomFor: (model) => batchRoom(pool, routes, model),
    isOurs: () => work.isOurs(),
    fence: () => work.fence(),
    // Named as OpenAI names it: batch.completed, batch.failed, batch.expired, batch.cancelled.
    onEnded: (sql, { id, tenantId, status }) =>
      webhooks.enqueue(sql, tenantId, `batch.${status}`, { id }),
  })
  const door = new BatchDoor({ ...base, files, wake: () => runner.wake() })
  const fileDoor = new FileDoor({ files, limits })
  // Memory may be a moment late with the end of a tenant, but is never early.
  const isLiving = async (id: string) =>
    tenancy.labels().get(id)?.archived === false ||
    (await livesBy((tenantId) => tenancy.tenants.get(tenantId), id))
  const sweep = new FileSweep({ ...base, files, isLiving })
  const sender = new WebhookSender({ ...base, store: webhooks, targets })
  const service = batchService(database, runner, clock)
  return { files, runner, door, fileDoor, sweep, webhooks, sender, service }
}
