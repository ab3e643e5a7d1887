/** Files, and the batches that are made of them. */

export { BatchDoor, type BatchDoorOptions } from './batch-door.ts'
export type { Room } from './batch-lane.ts'
export type { Forecast } from './batch-pace.ts'
export { BatchRunner, type BatchRunnerOptions, LINES_KEPT_MS } from './batch-runner.ts'
export { cancelBatch, findBatch, listBatches } from './batch-store.ts'
export type * from './batch-types.ts'
export { batchEndpoints } from './batch-types.ts'
export { ContentKeys, type ContentKeysOptions, type SealedKey } from './content-keys.ts'
export { notAllowed, sendView } from './door.ts'
export { CHUNK_BYTES } from './file-chunks.ts'
export { FileDoor, type FileDoorOptions } from './file-door.ts'
export { splitLines } from './file-lines.ts'
export { FileStore, type FileStoreOptions } from './file-store.ts'
export { FileSweep, type FileSweepOptions, livesBy } from './file-sweep.ts'
export type * from './file-types.ts'
export { uploadPurposes } from './file-types.ts'
export { isBlank, readLine } from './line-format.ts'
export { storedAnswers } from './line-store.ts'
export { type Again, againOf } from './line-verdict.ts'
export { whyOf } from './line-writer.ts'
export { destroyAll, Sweep } from './sweep.ts'
export {
  DELIVERIES_KEPT_MS,
  WebhookSender,
  type WebhookSenderOptions,
} from './webhook-sender.ts'
export {
  type Webhook,
  type WebhookDelivery,
  WebhookStore,
  type WebhookStoreOptions,
} from './webhook-store.ts'
