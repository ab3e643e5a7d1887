/**
 * The admin API's answers about tenants, keys, engines and people as schemas for the OpenAPI
 * document. They must say the same as `contract.ts`, which the compiler checks.
 */
import { z } from '@hono/zod-openapi'
import { serviceClasses } from '../base/index.ts'
import { roles } from '../tenancy/index.ts'
import type * as contract from './contract.ts'

export const serviceClass = z.enum(serviceClasses)
const time = z.iso.datetime()

/** Capacity is measured by the minute. */
export const wholeMinute = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) % 60_000 === 0, 'it must be the beginning of a minute')

export const limits = z
  .object({
    queueDepthMax: z.number().int().nullable(),
    concurrencyMax: z.number().int().nullable(),
    tokensPerMinute: z.number().int().nullable(),
    waitMsMax: z.number().int().nullable(),
  })
  .openapi('Limits') satisfies z.ZodType<contract.LimitsView>

export const tenant = z
  .object({
    id: z.string(),
    name: z.string(),
    weight: z.number(),
    classes: z.array(serviceClass),
    defaultClass: serviceClass,
    models: z.array(z.string()).nullable(),
    limits,
    responseDays: z.number().int(),
    pricePlan: z.string().nullable(),
    timeZone: z.string(),
    hue: z.number().int(),
    createdAt: time,
    projectCount: z.number().int(),
    keyCount: z.number().int(),
  })
  .openapi('Tenant') satisfies z.ZodType<contract.TenantView>

export const project = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    weight: z.number(),
    createdAt: time,
  })
  .openapi('Project') satisfies z.ZodType<contract.ProjectView>

export const key = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    projectId: z.string(),
    name: z.string(),
    hint: z.string(),
    scopes: z.array(z.string()),
    defaultClass: serviceClass.nullable(),
    limits,
    responseCache: z.boolean(),
    tags: z.array(z.string()),
    serviceAccountId: z.string().nullable(),
    subject: z.string().nullable(),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
    overlapEndsAt: time.nullable(),
    state: z.enum(['active', 'expired', 'revoked', 'rotating', 'suspended']),
  })
  .openapi('Key') satisfies z.ZodType<contract.KeyView>

export const keyCreated = key
  .extend({ key: z.string() })
  .openapi('KeyCreated') satisfies z.ZodType<contract.KeyCreated>

export const serviceAccount = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    tokenSubject: z.string().nullable(),
    isDisabled: z.boolean(),
    createdAt: time,
    keyCount: z.number().int(),
  })
  .openapi('ServiceAccount') satisfies z.ZodType<contract.ServiceAccountView>

export const audit = z
  .object({
    id: z.string(),
    at: time,
    actor: z.string(),
    action: z.string(),
    subject: z.string(),
    detail: z.record(z.string(), z.unknown()),
    from: z.string(),
  })
  .openapi('AuditRecord') satisfies z.ZodType<contract.AuditView>

export const auditCheck = z
  .object({
    rows: z.number().int(),
    head: z.object({ seq: z.number().int(), hash: z.string() }).nullable(),
    broken: z
      .object({
        seq: z.number().int().nullable(),
        auditId: z.string().nullable(),
        reason: z.string(),
      })
      .nullable(),
  })
  .openapi('AuditCheck') satisfies z.ZodType<contract.AuditCheckView>

const origin = z.enum(['local', 'directory'])

export const person = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role: z.enum(roles),
    tenantIds: z.array(z.string()),
    origin,
    groups: z.array(z.string()),
    state: z.enum(['active', 'deactivated', 'no_rule']),
    isBreakGlass: z.boolean(),
    createdAt: time,
  })
  .openapi('User') satisfies z.ZodType<contract.UserView>

export const personInvited = person
  .extend({ link: z.string() })
  .openapi('UserInvited') satisfies z.ZodType<contract.UserInvited>

export const session = z
  .object({
    user: z
      .object({
        id: z.string(),
        name: z.string(),
        email: z.string(),
        role: z.enum(roles),
        tenantIds: z.array(z.string()),
        origin,
      })
      .nullable(),
    permissions: z.array(z.string()),
    firstRun: z.boolean(),
    csrfToken: z.string(),
    version: z.string(),
    currency: z.string(),
    signIn: z.object({ provider: z.string().nullable(), password: z.boolean() }),
  })
  .openapi('Session') satisfies z.ZodType<contract.SessionView>

export const accessRules = z
  .object({
    rules: z.array(
      z.object({ group: z.string(), role: z.enum(roles), tenantIds: z.array(z.string()) }),
    ),
    provider: z
      .object({ name: z.string(), issuer: z.string(), groupsClaim: z.string() })
      .nullable(),
  })
  .openapi('AccessRules') satisfies z.ZodType<contract.AccessRulesView>

export const link = z
  .object({
    kind: z.enum(['owner', 'invite']),
    name: z.string().nullable(),
    email: z.string().nullable(),
    expiresAt: time,
  })
  .openapi('Link') satisfies z.ZodType<contract.LinkView>

export const queue = z
  .object({
    own: z.array(
      z.object({
        requestId: z.string(),
        tenantId: z.string(),
        model: z.string(),
        serviceClass,
        waitedMs: z.number(),
        aheadOwn: z.number().int(),
        aheadOthers: z.number().int(),
        reason: z.string(),
        why: z.string(),
        expectedWaitMs: z.number().nullable(),
        basis: z.string(),
      }),
    ),
    othersWaiting: z.number().int(),
  })
  .openapi('Queue') satisfies z.ZodType<contract.QueueView>

export const error = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      code: z.string(),
      param: z.string().nullable(),
      request_id: z.string().optional(),
      retry_after_ms: z.number().optional(),
    }),
  })
  .openapi('Error')
