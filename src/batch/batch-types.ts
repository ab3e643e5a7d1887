/** What a batch is to those who run, show and change one; no behaviour. */
import type { DoorPath } from '../gateway/index.ts'
import type { TokenCounts } from '../meter/index.ts'

/** Doors whose requests may stand in a batch. */
export const batchEndpoints = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/messages',
] as const satisfies readonly DoorPath[]

export const batchStatuses = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const
export type BatchStatus = (typeof batchStatuses)[number]

/**
 * Why a batch does not go on; lines without an answer are reported with it. The first two are the
 * codes that OpenAI's clients know.
 */
export type EndCode = 'batch_expired' | 'batch_cancelled' | 'key_revoked' | 'input_file_missing'

/** Something wrong with a line of the input, or (`line` null) with all of it. */
export interface BatchError {
  code: string
  line: number | null
  message: string
  param: string | null
}

export interface BatchRow {
  id: string
  tenantId: string
  projectId: string
  keyId: string
  status: BatchStatus
  endCode: EndCode | null
  /** `endCode` in a sentence; while it runs, what its lines wait for. */
  reason: string | null
  endpoint: DoorPath
  /** Model of its lines; null before validation and where they name several. */
  model: string | null
  serviceClass: 'flex' | 'batch'
  /** As it was given, `24h`. */
  completionWindow: string
  /** Life of the files it makes, seconds; null: as long as any file. */
  outputExpiresAfterS: number | null
  metadata: Record<string, string> | null
  inputFileId: string
  outputFileId: string | null
  errorFileId: string | null
  errors: BatchError[]
  linesTotal: number
  linesCompleted: number
  /** Lines that ran and have no answer; not those given up at cancelling or expiry. */
  linesFailed: number
  /** Sums over the answers that are stored, which is what was charged. */
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Of the output tokens, where it was said. */
  reasoningTokens: number
  createdAt: Date
  expiresAt: Date
  inProgressAt: Date | null
  finalizingAt: Date | null
  cancellingAt: Date | null
  endedAt: Date | null
}

/** A line whose end is ready to be stored. */
export interface EndedLine extends TokenCounts {
  /** Number in the input file, from 1. */
  line: number
  outcome: 'completed' | 'failed' | 'given_up'
  /** Request that answered it; null where none was made. */
  requestId: string | null
  /** The line of the output or error file, without its end. */
  text: string
}
