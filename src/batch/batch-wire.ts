/** Batches as OpenAI's clients send and read them. Pure. */
import { z } from 'zod'
import { checked, GristmillError, type Limits } from '../base/index.ts'
import { type BatchRow, batchEndpoints } from './batch-types.ts'

const METADATA_KEYS_MAX = 16
const METADATA_KEY_LENGTH_MAX = 64
const METADATA_VALUE_LENGTH_MAX = 512
const HOUR_S = 3600
const OUTPUT_LIFE_S_MAX = 30 * 24 * HOUR_S
const PAGE_MAX = 100
const PAGE_DEFAULT = 20

/** The database cannot store everything that JSON can say. */
const storable = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\0]*$/, { error: 'it must not have the character NUL' })
    .refine((text) => text.isWellFormed(), { error: 'it must not have half a character' })

const creation = z.object({
  input_file_id: z
    .string({ error: 'the identifier of an uploaded file is needed' })
    .regex(/^[\w-]{1,100}$/, { error: 'the identifier of an uploaded file is needed' }),
  endpoint: z.enum(batchEndpoints, { error: `one of ${batchEndpoints.join(', ')}` }),
  completion_window: z
    .string({ error: 'a duration such as 24h is needed' })
    .regex(/^[1-9]\d{0,8}[smhd]$/, { error: 'it must be a duration such as 24h' }),
  metadata: z
    .record(storable(METADATA_KEY_LENGTH_MAX), storable(METADATA_VALUE_LENGTH_MAX), {
      error: 'an object of strings is needed',
    })
    .refine((pairs) => Object.keys(pairs).length <= METADATA_KEYS_MAX, {
      error: `it may have ${METADATA_KEYS_MAX} pairs`,
    })
    .nullish(),
  output_expires_after: z
    .object({
      anchor: z.literal('created_at'),
      seconds: z.number().int().min(HOUR_S).max(OUTPUT_LIFE_S_MAX),
    })
    .nullish(),
})

export interface BatchCreation {
  inputFileId: string
  endpoint: BatchRow['endpoint']
  completionWindow: string
  windowMs: number
  metadata: Record<string, string> | null
  outputExpiresAfterS: number | null
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** @throws GristmillError `invalid_value` naming the field */
export function readCreation(
  fields: unknown,
  { batchWindowMsMax }: Pick<Limits, 'batchWindowMsMax'>,
): BatchCreation {
  const given = checked(creation, fields)
  const { completion_window: completionWindow, metadata, output_expires_after: after } = given
  const unit = completionWindow.at(-1) as keyof typeof UNIT_MS
  const windowMs = Number(completionWindow.slice(0, -1)) * UNIT_MS[unit]
  if (windowMs > batchWindowMsMax) {
    const reason = `it may be ${Math.floor(batchWindowMsMax / 60_000)} minutes at most`
    throw new GristmillError('invalid_value', { param: 'completion_window', reason })
  }
  return {
    inputFileId: given.input_file_id,
    endpoint: given.endpoint,
    completionWindow,
    windowMs,
    metadata: metadata ?? null,
    outputExpiresAfterS: after?.seconds ?? null,
  }
}

const paging = z.object({
  after: z
    .string()
    .max(100)
    .regex(/^[\w-]*$/, { error: 'it must be an identifier' })
    .optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
})

/** @throws GristmillError `invalid_value` naming the parameter */
export function readPaging(query: URLSearchParams): z.output<typeof paging> {
  return checked(paging, Object.fromEntries(query))
}

/** The object that OpenAI's clients call a Batch. */
export function batchObject(batch: BatchRow): object {
  const endedAt = (status: BatchRow['status']) =>
    batch.status === status ? seconds(batch.endedAt) : null
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    ...(batch.model !== null && { model: batch.model }),
    errors: batch.errors.length === 0 ? null : { object: 'list', data: batch.errors },
    input_file_id: batch.inputFileId,
    completion_window: batch.completionWindow,
    status: batch.status,
    // Until the batch has ended its files are still being written.
    output_file_id: batch.endedAt === null ? null : batch.outputFileId,
    error_file_id: batch.endedAt === null ? null : batch.errorFileId,
    created_at: seconds(batch.createdAt),
    in_progress_at: seconds(batch.inProgressAt),
    expires_at: seconds(batch.expiresAt),
    finalizing_at: seconds(batch.finalizingAt),
    completed_at: endedAt('completed'),
    failed_at: endedAt('failed'),
    expired_at: endedAt('expired'),
    cancelling_at: seconds(batch.cancellingAt),
    cancelled_at: endedAt('cancelled'),
    request_counts: {
      total: batch.linesTotal,
      completed: batch.linesCompleted,
      failed: batch.linesFailed,
    },
    usage: {
      input_tokens: batch.inputTokens,
      input_tokens_details: { cached_tokens: batch.cachedTokens },
      output_tokens: batch.outputTokens,
      output_tokens_details: { reasoning_tokens: batch.reasoningTokens },
      total_tokens: batch.inputTokens + batch.outputTokens,
    },
    metadata: batch.metadata,
    ...(batch.reason !== null && { gristmill: { reason: batch.reason } }),
  }
}

/** A page as OpenAI's clients read it. */
export function batchPage(rows: readonly BatchRow[], hasMore: boolean): object {
  return {
    object: 'list',
    data: rows.map(batchObject),
    first_id: rows[0]?.id ?? null,
    last_id: rows.at(-1)?.id ?? null,
    has_more: hasMore,
  }
}

function seconds(at: Date | null): number | null {
  return at && Math.floor(at.getTime() / 1000)
}
