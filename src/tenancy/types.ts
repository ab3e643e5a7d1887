/** Who asks and what they may: the plain data that the rooms above tenancy share. */
import type { ServiceClass } from '../base/index.ts'

/** What a key may do. `inference` is the API; `end_users` may name end users; `admin` acts as operator. */
export const scopes = ['inference', 'end_users', 'usage:read', 'queue:read', 'admin'] as const
export type Scope = (typeof scopes)[number]

export const roles = ['owner', 'operator', 'member', 'viewer', 'finance'] as const
export type Role = (typeof roles)[number]

/** Bounds of a tenant, project or key; null means none of its own. */
export interface UseLimits {
  /** Requests waiting at once. */
  queueDepthMax: number | null
  /** Requests running at once. */
  concurrencyMax: number | null
  /** Prompt and output tokens in any minute. */
  tokensPerMinute: number | null
  /** Longest wait for an engine, milliseconds. */
  waitMsMax: number | null
}

/** Everything that decides how a request with one key is treated; tenant, project and key merged. */
export interface Policy {
  /** Weight of the tenant among tenants; a positive number. */
  tenantWeight: number
  /** Weight of the project among the tenant's projects. */
  projectWeight: number
  /** Classes the key may ask for; never empty. */
  classes: readonly ServiceClass[]
  /** Class of a request that names none. */
  defaultClass: ServiceClass
  /** Model names the key may use; null means every model. */
  models: readonly string[] | null
  tenantLimits: UseLimits
  keyLimits: UseLimits
}

/** An authenticated caller of the API. The same object is handed out until key or policy changes. */
export interface Principal {
  keyId: string
  keyName: string
  tenantId: string
  tenantName: string
  projectId: string
  projectName: string
  scopes: ReadonlySet<Scope>
  policy: Policy
}
