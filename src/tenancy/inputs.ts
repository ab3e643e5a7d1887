/** What people may write about tenants, projects and keys: the schemas of every change. */
import { z } from 'zod'
import { type ServiceClass, serviceClasses, tagsSchema } from '../base/index.ts'
import { scopes, type UseLimits } from './types.ts'

export const nameInput = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]*$/u, 'it may not contain control characters')
const name = nameInput
const weight = z.number().min(0.001).max(1_000_000)
const serviceClass = z.enum(serviceClasses)
/** Name of a set of prices. */
export const pricePlan = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'it must be small letters, digits, dots and dashes')
/** By whose days and months budgets renew. */
const timeZone = z.string().max(64).refine(isTimeZone, 'it must be a zone such as Europe/Berlin')
const bound = (min: number, max: number) => z.number().int().min(min).max(max).nullable()

export const limitsInput = z.strictObject({
  queueDepthMax: bound(1, 1_000_000).optional(),
  concurrencyMax: bound(1, 1_000_000).optional(),
  tokensPerMinute: bound(1, 1_000_000_000_000).optional(),
  waitMsMax: bound(1, 86_400_000).optional(),
})
export type LimitsInput = z.infer<typeof limitsInput>

export const tenantInput = z.strictObject({
  name,
  weight: weight.optional(),
  classes: z.array(serviceClass).min(1).max(4).optional(),
  defaultClass: serviceClass.optional(),
  models: z.array(z.string().min(1).max(200)).max(1000).nullable().optional(),
  limits: limitsInput.optional(),
  responseDays: z.number().int().min(0).max(3650).optional(),
  pricePlan: pricePlan.nullable().optional(),
  timeZone: timeZone.optional(),
})
export type TenantInput = z.infer<typeof tenantInput>

export const tenantChange = tenantInput.partial()
export type TenantChange = z.infer<typeof tenantChange>

export const projectInput = z.strictObject({ name, weight: weight.optional() })
export type ProjectInput = z.infer<typeof projectInput>

export const projectChange = projectInput.partial()
export type ProjectChange = z.infer<typeof projectChange>

const keyFields = {
  name: name.optional(),
  scopes: z.array(z.enum(scopes)).min(1).max(scopes.length).optional(),
  defaultClass: serviceClass.nullable().optional(),
  limits: limitsInput.optional(),
  responseCache: z.boolean().optional(),
  tags: tagsSchema.optional(),
  expiresAt: z.iso.datetime({ offset: true }).nullable().optional(),
}
export const keyInput = z.strictObject({
  /** Where absent, the tenant's oldest project. */
  projectId: z.string().max(100).optional(),
  /** The account of a program that it belongs to; of the same tenant. */
  serviceAccountId: z.string().max(100).optional(),
  ...keyFields,
})
export type KeyInput = z.infer<typeof keyInput>

export const keyChange = z.strictObject(keyFields)
export type KeyChange = z.infer<typeof keyChange>

export const rotation = z.strictObject({
  /** How long the old secret goes on working, seconds; a day where absent. */
  overlapS: z
    .number()
    .int()
    .min(0)
    .max(90 * 86_400)
    .optional(),
})
export type Rotation = z.infer<typeof rotation>

export const sha256Hex = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{64}$/, 'it must be the SHA-256 of the key, 64 hexadecimal digits')

export const noLimits: UseLimits = {
  queueDepthMax: null,
  concurrencyMax: null,
  tokensPerMinute: null,
  waitMsMax: null,
}

/** The limits after a change: fields that it does not name stay. */
export function mergedLimits(current: UseLimits, change: LimitsInput | undefined): UseLimits {
  const named = Object.entries(change ?? {}).filter(([, value]) => value !== undefined)
  return { ...current, ...Object.fromEntries(named) }
}

/** Every class once, in the order of rank. */
export function sortedClasses(classes: readonly ServiceClass[]): ServiceClass[] {
  return serviceClasses.filter((one) => classes.includes(one))
}

/** True for a zone of the IANA database. */
function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone })
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
