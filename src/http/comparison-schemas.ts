/** Comparisons as schemas for the OpenAPI document; what `contract-comparison.ts` says as types. */
import { z } from '@hono/zod-openapi'
import { nanosOf } from '../base/index.ts'
import type * as contract from './contract.ts'
import { wholeMinute } from './schemas.ts'

const count = z.number().int()
const factor = z.coerce.number().min(0.1).max(10).optional()
const id = z.string().max(100).optional()

const span = {
  from: wholeMinute.optional().openapi({ description: 'A day before `to` where absent.' }),
  to: wholeMinute.optional().openapi({ description: 'Now where absent.' }),
}

export const listQuery = z
  .object({
    ...span,
    tenant: id,
    service: z.string().max(200).optional().openapi({
      description: 'Only this one: provider and model of a list price, with a slash between.',
    }),
    tokenFactorLow: factor.openapi({ description: 'Their tokens for one of ours, at least.' }),
    tokenFactorHigh: factor.openapi({ description: 'At most.' }),
  })
  .refine(({ tokenFactorLow: low = 0, tokenFactorHigh: high = 10 }) => low <= high, {
    message: 'it must be at least the low factor',
    path: ['tokenFactorHigh'],
  })

const cost = z.object({ amount: z.string(), currency: z.string(), basis: z.string() })

export const listComparison = z
  .object({
    fromAt: z.iso.datetime(),
    toAt: z.iso.datetime(),
    cost,
    requests: count,
    inputTokens: count,
    cachedTokens: count,
    outputTokens: count,
    hitTokens: count,
    tokenFactor: z.object({ low: z.number(), high: z.number(), basis: z.string() }),
    services: z.array(
      z.object({
        provider: z.string(),
        model: z.string(),
        currency: z.string(),
        asCounted: z.string(),
        low: z.string(),
        high: z.string(),
        asOf: z.iso.date(),
        ageDays: count,
        isOutdated: z.boolean(),
        source: z.string(),
        via: z.string().nullable(),
      }),
    ),
    caveat: z.string(),
  })
  .openapi('ListComparison') satisfies z.ZodType<contract.ListComparisonView>

export const engineQuestion = z.strictObject({
  ...span,
  tenant: id,
  engine: z.string().max(100).default('h100-8b').openapi({ description: 'A built-in profile.' }),
  ttftP99Ms: z.number().min(10).max(600_000).default(1000),
  costPerEngineHour: z
    .string()
    .refine((text) => (nanosOf(text) ?? 0n) > 0n, 'it must be a decimal above 0')
    .optional()
    .openapi({ description: 'The mean of the engines of this time where absent.' }),
  draws: count.min(0).max(20).default(4).openapi({
    description: 'Other traces that are drawn from these requests, for the interval.',
  }),
})

const engines = { asItWas: count, low: count, high: count }

export const engineComparison = z
  .object({
    fromAt: z.iso.datetime(),
    toAt: z.iso.datetime(),
    cost,
    engine: z.object({ name: z.string(), basis: z.string() }),
    ttftP99Ms: z.number(),
    draws: count,
    costPerEngineHour: z.string(),
    costBasis: z.string(),
    engines: z.object(engines),
    amount: z.object({ asItWas: z.string(), low: z.string(), high: z.string() }),
    tenants: z.array(z.object({ tenantId: z.string(), requests: count, ...engines })),
    cannot: z.string().nullable(),
    caveat: z.string(),
  })
  .openapi('EngineComparison') satisfies z.ZodType<contract.EngineComparisonView>
