/** The pool of this gateway, with what it records of its engines. */
import type { Clock, Config, createRegistry, Logger } from '../base/index.ts'
import { CapacityWriter, recordChange } from '../meter/index.ts'
import { Pool } from '../pool/index.ts'
import type { Calibrations } from './calibrations.ts'
import { isRecorder } from './cluster-part.ts'
import type { DatabasePart } from './database-part.ts'

export interface PoolPartOptions {
  config: Config
  part: DatabasePart
  calibrations: Calibrations
  clock: Clock
  logger: Logger
  registry: ReturnType<typeof createRegistry>
  stack: AsyncDisposableStack
}

export function openPool(options: PoolPartOptions): Pool {
  const { config, part, calibrations, clock, logger, registry, stack } = options
  const { database, member } = part
  const minutes = new CapacityWriter(database, `${process.pid}@${clock.nowMs()}`, logger)
  stack.defer(() => minutes.close())
  const pool = new Pool({
    cost: calibrations.cost,
    clock,
    logger,
    registry,
    order: config.schedulerOrder,
    ...(member && { mayStart: () => member.mayStart() }),
    recordCapacity: (rows) => {
      if (isRecorder(member)) minutes.add(rows)
    },
    recordChange: (change) => {
      if (!isRecorder(member)) return
      recordChange(database.sql, change).catch((error: Error) =>
        logger.warn({ error: error.message, ...change }, 'a change of health was not written'),
      )
    },
  })
  stack.defer(() => pool.close())
  return pool
}
