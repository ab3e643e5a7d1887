/** What a batch on its way to its end is given; no behaviour. */
import type { Clock, Limits, Logger, Random } from '../base/index.ts'
import type { Gateway } from '../gateway/index.ts'
import type { Database, Fence, Transaction } from '../store/index.ts'
import type { Room } from './batch-lane.ts'
import type { BatchRow } from './batch-types.ts'
import type { FileStore } from './file-store.ts'

export interface RunServices {
  database: Database
  files: FileStore
  gateway: Pick<Gateway, 'runLine' | 'checkLine'>
  clock: Clock
  random: Random
  limits: Limits
  logger: Logger
  /** The right to schedule as it is now; answers are stored only while it is still ours. */
  fence(): Fence
  /** Batches that run at the moment, this one included. */
  runs(): number
  /** What the engines of a model could do; null: of all models. */
  roomFor(model: string | null): Room
  /** Runs in the transaction that ends a batch. */
  onEnded(sql: Transaction, batch: BatchRow): Promise<void>
}
