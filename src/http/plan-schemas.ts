/**
 * The admin API's answers about plans as schemas for the OpenAPI document. They must say the same
 * as `contract-plan.ts`, which the compiler checks.
 */
import { z } from '@hono/zod-openapi'
import type * as contract from './contract.ts'

const count = z.number().int()

const planTenant = z
  .object({
    tenant: z.string(),
    engines: count.nullable(),
    requests: count,
    ttftP50Ms: z.number(),
    ttftP99Ms: z.number(),
    waitP50Ms: z.number(),
    waitP99Ms: z.number(),
  })
  .openapi('PlanTenant') satisfies z.ZodType<contract.PlanTenant>

const arrangement = z
  .object({
    kind: z.enum(['dedicated', 'pooled', 'pooled_with_batch']),
    engines: count,
    utilisation: z.number(),
    costPerMillionTokens: z.number().nullable(),
    millionTokens: z.number(),
    batchShare: z.number(),
    batchPastWindow: count,
    tenants: z.array(planTenant),
  })
  .openapi('PlanArrangement') satisfies z.ZodType<contract.PlanArrangement>

const report = z
  .object({
    trace: z.object({
      requests: count,
      tenants: count,
      hours: z.number(),
      backgroundShare: z.number(),
    }),
    engine: z.object({
      name: z.string(),
      basis: z.string(),
      cap: count,
      capacityUnitsPerS: z.number(),
      cost: z.object({ input: z.number(), output: z.number() }),
    }),
    promise: z.object({ ttftP99Ms: z.number(), tokenGapMs: z.number() }),
    costPerEngineHour: z.number().nullable(),
    arrangements: z.array(arrangement),
    sensitivity: z.array(
      z.object({
        load: z.number(),
        dedicatedEngines: count.nullable(),
        pooledEngines: count.nullable(),
      }),
    ),
    verdict: z.object({ pays: z.boolean(), sentence: z.string() }),
    cannot: z.string().nullable(),
    seed: count,
  })
  .openapi('PlanReport') satisfies z.ZodType<contract.PlanReport>

export const change = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('tenant'), like: z.string().min(1).max(200) }),
    z.strictObject({ kind: z.literal('load'), factor: z.number().min(0.1).max(10) }),
    z.strictObject({ kind: z.literal('engines'), more: count.min(-1000).max(1000) }),
  ])
  .openapi('PlanChange') satisfies z.ZodType<contract.PlanChangeView>

const outcome = z
  .object({
    engines: count,
    requests: count,
    utilisation: z.number(),
    late: z.array(z.string()),
    tenants: z.array(planTenant),
  })
  .openapi('WhatIfOutcome') satisfies z.ZodType<contract.WhatIfOutcome>

const answer = z
  .object({
    change,
    sentence: z.string(),
    basis: z.string(),
    before: outcome,
    after: outcome,
    enginesNeeded: count.nullable(),
    cannot: z.string().nullable(),
  })
  .openapi('WhatIf') satisfies z.ZodType<contract.WhatIfReport>

const source = z.enum(['trace', 'ledger', 'example'])

export const plan = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'done', 'failed', 'cancelled']),
    step: z.string(),
    progress: z.number(),
    startedAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
    failure: z.string().nullable(),
    input: z.object({
      source,
      name: z.string().nullable(),
      hours: z.number().nullable(),
      engine: z.string(),
      ttftP99Ms: z.number(),
      costPerEngineHour: z.number().nullable(),
      tenants: count,
      seed: count,
    }),
    report: report.nullable(),
    answers: z.array(answer),
  })
  .openapi('Plan') satisfies z.ZodType<contract.PlanView>

export const planEngine = z
  .object({ name: z.string(), basis: z.string() })
  .openapi('PlanEngine') satisfies z.ZodType<contract.PlanEngineView>

const number = z.coerce.number()

export const planQuery = z.strictObject({
  source: source.default('trace'),
  name: z.string().max(200).optional().openapi({ description: 'What the trace is called.' }),
  hours: number.int().min(1).max(744).default(24).openapi({ description: 'Of the ledger.' }),
  engine: z.string().max(100).default('h100-8b').openapi({ description: 'A built-in profile.' }),
  ttftP99Ms: number.min(10).max(600_000).default(1000),
  costPerEngineHour: number.positive().max(1e6).optional(),
  tenants: number
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .openapi({ description: 'Tenants that a trace without any is split over.' }),
  seed: number
    .int()
    .min(0)
    .max(2 ** 31)
    .default(1),
})
