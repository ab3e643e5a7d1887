/**
 * The admin API's answers about batches as schemas for the OpenAPI document. They must say the
 * same as `contract-batches.ts`, which the compiler checks.
 */
import { z } from '@hono/zod-openapi'
import type * as contract from './contract.ts'

const count = z.number().int()
const time = z.iso.datetime()

export const batchStatus = z.enum([
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
])

const forecast = z
  .object({
    remaining: count,
    linesPerS: z.number().nullable(),
    endsAt: time.nullable(),
    basis: z.string(),
    standing: z.enum(['on_time', 'late', 'hopeless']),
  })
  .openapi('BatchForecast') satisfies z.ZodType<contract.BatchForecast>

export const batch = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    projectId: z.string(),
    keyId: z.string(),
    status: batchStatus,
    reason: z.string().nullable(),
    endpoint: z.string(),
    model: z.string().nullable(),
    serviceClass: z.enum(['batch', 'flex']),
    inputFileId: z.string(),
    outputFileId: z.string().nullable(),
    errorFileId: z.string().nullable(),
    metadata: z.record(z.string(), z.string()).nullable(),
    createdAt: time,
    expiresAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    lines: z.object({
      total: count,
      completed: count,
      failed: count,
      queued: count,
      running: count,
    }),
    tokens: z.object({ input: count, cached: count, output: count }),
    errors: z.array(
      z.object({
        line: count.nullable(),
        code: z.string(),
        message: z.string(),
        param: z.string().nullable(),
      }),
    ),
    forecast,
  })
  .openapi('Batch') satisfies z.ZodType<contract.BatchView>
