/** Who asks and what they may: the plain data that the rooms above tenancy share. */
import type { ServiceClass } from '../base/index.ts'

/**
 * What a key may do: `inference` is the API, `end_users` names end users, `admin` operates, `scim`
 * provisions people.
 */
export const scopes = [
  'inference',
  'end_users',
  'usage:read',
  'queue:read',
  'admin',
  'scim',
] as const
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

/** All that decides how a request with one key is treated; tenant, project and key merged. */
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
  /** True where requests that do not say otherwise use the response cache. */
  responseCache: boolean
  /** Days that the tenant's responses are kept; 0: none are. */
  responseDays: number
  /** Prices that the tenant has; null: those for everybody. */
  pricePlan: string | null
  /** Tags of the key, which open targets of routes to it. */
  tags: readonly string[]
}

/** An authenticated caller of the API; the same object until key or policy changes. */
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

export interface Tenant {
  id: string
  name: string
  weight: number
  classes: ServiceClass[]
  defaultClass: ServiceClass
  /** Model names; null means every model. */
  models: string[] | null
  limits: UseLimits
  /** Days that its responses are kept; 0: none are. */
  responseDays: number
  /** Prices that it has; null: those for everybody. */
  pricePlan: string | null
  /** By whose days and months its budgets renew. */
  timeZone: string
  /** Position in the palette of tenant hues, stable for the tenant's life. */
  hue: number
  createdAt: Date
  projectCount: number
  /** Keys that are not revoked. */
  keyCount: number
}

export interface Project {
  id: string
  tenantId: string
  name: string
  weight: number
  createdAt: Date
}

export interface Key {
  id: string
  tenantId: string
  projectId: string
  name: string
  /** First characters of the secret; empty where only its hash was imported. */
  hint: string
  scopes: Scope[]
  /** null means the tenant's. */
  defaultClass: ServiceClass | null
  limits: UseLimits
  /** True where its requests use the response cache. */
  responseCache: boolean
  /** By which targets of routes are opened to it. */
  tags: string[]
  /** The account of a program that it belongs to. */
  serviceAccountId: string | null
  /** Issuer and `sub` of the tokens that stand for it; null: it has a secret. */
  subject: string | null
  createdAt: Date
  expiresAt: Date | null
  /** To the minute. */
  lastUsedAt: Date | null
  /** When the secret before the last rotation stops working; null where none is left. */
  overlapEndsAt: Date | null
  /**
   * `rotating`: the secret before the last rotation still works; `suspended`: the account behind it
   * may not at present.
   */
  state: 'active' | 'expired' | 'revoked' | 'rotating' | 'suspended'
}

/** Who changes something; becomes part of the audit row. */
export interface Actor {
  /**
   * `user:anna@example.org`, `key:key_…`, `cli` or `system`; of a token, `token:` and a verified
   * address, or issuer and subject.
   */
  name: string
  /** Address it came from, `local` for this process. */
  from: string
}

export interface AuditEntry {
  /** `tenant.create`, `key.rotate`, … */
  action: string
  /** Identifier of what was changed. */
  subject: string
  /** Tenant concerned; null where the whole installation is. */
  tenantId: string | null
  /** What changed, without secrets. */
  detail: Record<string, unknown>
}

export interface AuditRecord extends AuditEntry {
  id: string
  at: Date
  actor: string
  from: string
}

/** A row of the audit log with its link in the chain. */
export interface ChainedAudit extends AuditRecord {
  /** From 1, without gaps. */
  seq: number
  /** Over the link before and the row, hexadecimal. */
  hash: string
}

/** Which part of a list is wanted. */
export interface PageRequest {
  /** Rows at most. */
  limit: number
  /** `next` of the page before; undefined for the first. */
  cursor?: string | undefined
}

/** A part of a list; `next` is null at its end. */
export interface Page<Row> {
  rows: Row[]
  next: string | null
}
