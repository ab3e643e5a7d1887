/**
 * The admin API's answers about engines, models, usage and the demo as schemas for the OpenAPI
 * document. They must say the same as `contract.ts`, which the compiler checks.
 */

import { z } from '@hono/zod-openapi'
import { guardOutcomes } from '../guard/index.ts'
import type * as contract from './contract.ts'
import { serviceClass } from './schemas.ts'

const count = z.number().int()

const served = z.object({
  name: z.string(),
  contextTokens: count.nullable(),
  toy: z.boolean(),
  embedsOnly: z.boolean(),
})

export const engine = z
  .object({
    id: z.string(),
    name: z.string(),
    url: z.string(),
    kind: z.string(),
    service: z.string().nullable(),
    version: z.string().nullable(),
    summary: z.string(),
    embedded: z.boolean(),
    replicaOf: z.object({ id: z.string(), name: z.string() }).nullable(),
    state: z.enum(['starting', 'up', 'down', 'draining']),
    stateReason: z.string(),
    sinceAt: z.iso.datetime(),
    models: z.array(served),
    cap: count,
    express: count,
    inFlight: count,
    capacityUnitsPerS: z.number().nullable(),
    calibratedAt: z.iso.datetime().nullable(),
    capReason: z.string(),
    quotaPlaces: count.nullable(),
    reserve: count,
    reserveReason: z.string(),
    lastChange: z.string(),
    takesPriority: z.boolean(),
    takesCacheSalt: z.boolean(),
    promptSlots: z.int().nullable(),
    sharedCache: z.boolean(),
    tellsLoad: z.boolean(),
    advice: z.string().nullable(),
    errorsLastHour: count,
    restarts: count,
  })
  .openapi('Engine') satisfies z.ZodType<contract.EngineView>

export const engineHistory = z
  .object({
    engineId: z.string(),
    fromAt: z.iso.datetime(),
    stepS: count,
    stepCount: count,
    steps: z.array(
      z.object({
        at: z.iso.datetime(),
        registeredS: z.number(),
        upS: z.number(),
        degradedS: z.number(),
        drainingS: z.number(),
        attempts: count,
        failed: count,
      }),
    ),
    changes: z.array(
      z.object({
        at: z.iso.datetime(),
        state: z.enum(['up', 'degraded', 'draining', 'down']),
        reason: z.string(),
      }),
    ),
    errors: z.array(
      z.object({
        spanS: count,
        attempts: count,
        failed: count,
        causes: z.array(z.object({ cause: z.string(), count })),
      }),
    ),
  })
  .openapi('EngineHistory') satisfies z.ZodType<contract.EngineHistoryView>

export const engineFound = z
  .object({
    kind: z.string(),
    service: z.string().nullable(),
    version: z.string().nullable(),
    summary: z.string(),
    models: z.array(served),
    cap: count,
    capReason: z.string(),
    takesPriority: z.boolean(),
    sharedCache: z.boolean(),
    tellsLoad: z.boolean(),
    advice: z.string().nullable(),
  })
  .openapi('EngineFound') satisfies z.ZodType<contract.EngineFoundView>

export const engineKey = z
  .object({
    id: z.string(),
    fingerprint: z.string(),
    createdAt: z.iso.datetime(),
    rest: z.enum(['refused', 'limited']).nullable(),
  })
  .openapi('EngineKey') satisfies z.ZodType<contract.EngineKeyView>

const calibrationResult = z.object({
  model: z.string(),
  measuredAt: z.iso.datetime(),
  cause: z.string(),
  capacityUnitsPerS: z.number(),
  knee: count,
  kneeUnitsPerS: z.number(),
  tokenGapMs: z.number().nullable(),
  readTokensPerS: z.number(),
  writeTokensPerS: z.number(),
  weights: z.object({ input: z.number(), cached: z.number(), output: z.number() }),
  points: z.array(
    z.object({
      concurrency: count,
      unitsPerS: z.number(),
      tokenGapP95Ms: z.number().nullable(),
    }),
  ),
})

export const engineProfile = z
  .object({
    name: z.string(),
    basis: z.string(),
    cap: count,
    express: count,
    readTokensPerS: z.number(),
    chunkTokens: count,
    chunkTokensAlone: count,
    decode: z.array(z.object({ streams: count, stepMs: z.number() })),
    kvTokens: count,
    contextTokens: count,
    prefixCache: z.boolean(),
    yields: z.enum(['step', 'prompts', 'none']),
    spare: count,
    lockstep: z.object({ enough: count }).optional(),
  })
  .openapi('EngineProfile') satisfies z.ZodType<contract.EngineProfileView>

export const calibration = z
  .object({
    engineId: z.string(),
    state: z.enum(['none', 'running', 'done', 'failed']),
    failure: z.string().nullable(),
    progress: z.number(),
    last: calibrationResult.nullable(),
  })
  .openapi('Calibration') satisfies z.ZodType<contract.CalibrationView>

export const model = z
  .object({
    ...served.shape,
    engines: z.array(z.string()),
  })
  .openapi('Model') satisfies z.ZodType<contract.ModelView>

export const usage = z
  .object({
    hour: z.string().nullable(),
    day: z.string().nullable(),
    tenantId: z.string().nullable(),
    projectId: z.string().nullable(),
    keyId: z.string().nullable(),
    model: z.string().nullable(),
    serviceClass: serviceClass.nullable(),
    requests: count,
    finished: count,
    cut: count,
    recovered: count,
    inputTokens: count,
    cachedTokens: count,
    outputTokens: count,
    engineMs: count,
    queueMs: count,
    rented: count,
    spendNanos: count,
    chargeNanos: z.string(),
    unpriced: count,
    hits: count,
    hitInputTokens: count,
    hitOutputTokens: count,
  })
  .openapi('Usage') satisfies z.ZodType<contract.UsageRow>

export const request = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    projectId: z.string(),
    keyId: z.string(),
    endUser: z.string().nullable(),
    sessionId: z.string().nullable(),
    model: z.string(),
    endpoint: z.string(),
    serviceClass,
    servedClass: serviceClass.nullable(),
    arrivedAt: z.string(),
    settledAt: z.string().nullable(),
    group: z.enum(['finished', 'cut', 'recovered']).nullable(),
    end: z.string().nullable(),
    estimated: z.boolean(),
    inputTokens: count,
    cachedTokens: count,
    outputTokens: count,
    queueMs: z.number().nullable(),
    engineMs: z.number().nullable(),
    ttftMs: z.number().nullable(),
    tokenGapMs: z.number().nullable(),
    engineId: z.string().nullable(),
    rentedTarget: z.string().nullable(),
    spendNanos: count.nullable(),
    chargeNanos: z.string().nullable(),
    priceVersion: count.nullable(),
    cacheWriteTokens: count.nullable(),
    reasoningTokens: count.nullable(),
    hitInputTokens: count.nullable(),
    hitOutputTokens: count.nullable(),
    guards: z.array(z.object({ name: z.string(), outcome: z.enum(guardOutcomes) })).nullable(),
  })
  .openapi('Request') satisfies z.ZodType<contract.RequestView>

const half = z.enum(['fcfs', 'fair'])
export const demo = z
  .object({
    state: z.enum(['running', 'done', 'cancelled']),
    half,
    secondsLeft: z.number(),
    rows: z.array(
      z.object({
        tenant: z.string(),
        half,
        requests: count,
        unfinished: count,
        ttftP50Ms: z.number().nullable(),
        ttftP99Ms: z.number().nullable(),
        ttftP99AtLeast: z.boolean(),
        outputTokens: count,
        share: z.number(),
      }),
    ),
  })
  .openapi('Demo') satisfies z.ZodType<contract.DemoView>
