/**
 * The end of a batch: lines that have no answer are reported with the reason, the files become
 * visible, and the batch says how it ended. Can be begun again after a crash at any point.
 */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Database, Transaction } from '../store/index.ts'
import { endBatch, findBatch } from './batch-store.ts'
import type { BatchRow, EndCode } from './batch-types.ts'
import type { FileStore } from './file-store.ts'
import { customIdOf, errorLine, isBlank } from './line-format.ts'
import { endedLines } from './line-store.ts'
import type { LineWriter } from './line-writer.ts'

export interface CloseServices {
  database: Database
  files: FileStore
  clock: Clock
  writer: LineWriter
  onEnded(sql: Transaction, batch: BatchRow): Promise<void>
}

const GROUP_LINES = 200

const statusOf = {
  batch_expired: 'expired',
  batch_cancelled: 'cancelled',
  key_revoked: 'failed',
  input_file_missing: 'failed',
} as const satisfies Record<EndCode, BatchRow['status']>

const wordsFor: Record<EndCode, string> = {
  batch_expired: 'This line could not be run before the completion window ended.',
  batch_cancelled: 'The batch was cancelled before this line was run.',
  key_revoked: 'The key that the batch was made with ended before this line was run.',
  input_file_missing: 'The input file was deleted before this line was run.',
}

/** @throws what the database throws; GristmillError where a file of the batch is gone */
export async function closeBatch(services: CloseServices, batch: BatchRow): Promise<void> {
  const { database, clock, onEnded } = services
  const { id, endCode, reason } = batch
  if (endCode !== null && batch.inProgressAt !== null) await reportRest(services, batch, endCode)
  await database.transaction(async (sql) => {
    const current = await findBatch(sql, id)
    // Ended meanwhile, where the row that we go by was read just before.
    if (current === undefined || current.endedAt !== null) return
    const files = await publish(sql, services.files, current)
    const status = endCode === null ? 'completed' : statusOf[endCode]
    const isFailed = endCode !== null && status === 'failed'
    const errors = isFailed
      ? [{ code: endCode, line: null, message: reason ?? wordsFor[endCode], param: null }]
      : []
    const ended = await endBatch(sql, id, status, files, errors, new Date(clock.nowMs()))
    if (ended) await onEnded(sql, ended)
  })
}

/** Gives every line that has no end its place in the error file. */
async function reportRest(
  { database, files, writer }: CloseServices,
  batch: BatchRow,
  code: EndCode,
): Promise<void> {
  const ended = await endedLines(database.sql, batch.id)
  let group: Promise<string>[] = []
  const flush = async () => {
    const fates = await Promise.all(group)
    group = []
    if (fates.includes('unknown')) throw new Error('closing while the rest is reported')
    // Dropped because it cannot be stored is not dropped because the line had its end.
    if (writer.broken) throw writer.broken
  }
  try {
    for await (const line of files.checkedLines(batch, batch.inputFileId)) {
      if (isBlank(line) || ended.has(line.number)) continue
      const customId = customIdOf(line)
      const place = { batchId: batch.id, line: line.number, customId }
      const text = errorLine(place, { code, message: wordsFor[code] })
      const counts = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
      const end = { line: line.number, outcome: 'given_up', requestId: null, ...counts } as const
      group.push(writer.add({ ...end, text }))
      if (group.length >= GROUP_LINES) await flush()
    }
  } catch (error) {
    // A file that is gone names nobody who could be told.
    if (!(error instanceof GristmillError && error.code === 'not_found')) throw error
  }
  await flush()
}

async function publish(
  sql: Transaction,
  files: FileStore,
  batch: BatchRow,
): Promise<Pick<BatchRow, 'outputFileId' | 'errorFileId'>> {
  const { id, tenantId, outputFileId, errorFileId, outputExpiresAfterS } = batch
  const expiresAfterS = outputExpiresAfterS ?? undefined
  const about = { purpose: 'batch_output', expiresAfterS } as const
  for (const [fileId, what] of [
    [outputFileId, 'output'],
    [errorFileId, 'error'],
  ] as const) {
    if (fileId === null) continue
    const filename = `${id}_${what}.jsonl`
    await files.publish(sql, { id: fileId, tenantId }, { ...about, filename })
  }
  return { outputFileId, errorFileId }
}
