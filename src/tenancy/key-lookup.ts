/** Reading keys by the hash of their secret, many in one query, with all that governs them. */
import { GristmillError } from '../base/index.ts'
import { type Database, type Queries, textArray } from '../store/index.ts'
import type { Policy, Principal, Scope, UseLimits } from './types.ts'

/** What a secret stands for until it changes. */
export interface KeyEntry {
  principal: Principal
  /** Wall-clock milliseconds when the secret or the key ends; Infinity where never. */
  validUntilMs: number
  /** True where a token stands for the key. */
  isToken: boolean
}

interface KeyRow {
  validUntil: Date | null
  expiresAt: Date | null
  keyId: string
  keyName: string
  scopes: Scope[]
  keyDefaultClass: Policy['defaultClass'] | null
  keyLimits: UseLimits
  responseCache: boolean
  tags: string[]
  projectId: string
  projectName: string
  projectWeight: number
  tenantId: string
  tenantName: string
  tenantWeight: number
  classes: Policy['classes']
  defaultClass: Policy['defaultClass']
  models: string[] | null
  tenantLimits: UseLimits
  responseDays: number
  pricePlan: string | null
}

/** Hashes in one query at most, and hashes waiting at most: a flood of wrong keys is refused. */
const BATCH_MAX = 500
const WAITING_MAX = 5000

/** Collects lookups while a query runs, so that a flood of unknown keys is one query at a time. */
export class KeyLookup {
  readonly #database: Database
  #waiting = new Map<string, PromiseWithResolvers<KeyEntry | null>>()
  #running = false

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * The entry of a secret, or null where none is valid.
   * @throws GristmillError `not_ready` when too many wait; the database's own errors
   */
  find(sha256: string): Promise<KeyEntry | null> {
    const known = this.#waiting.get(sha256)
    if (known) return known.promise
    if (this.#waiting.size >= WAITING_MAX) {
      const reason = 'too many unknown keys are being looked up'
      throw new GristmillError('not_ready', { reason }, { retryAfterMs: 1000 })
    }
    const asked = Promise.withResolvers<KeyEntry | null>()
    this.#waiting.set(sha256, asked)
    if (!this.#running) void this.#run()
    return asked.promise
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.size > 0) {
      const batch = new Map([...this.#waiting].slice(0, BATCH_MAX))
      for (const sha256 of batch.keys()) this.#waiting.delete(sha256)
      try {
        const found = await this.#read([...batch.keys()])
        for (const [sha256, asked] of batch) asked.resolve(found.get(sha256) ?? null)
      } catch (error) {
        for (const asked of batch.values()) asked.reject(error)
      }
    }
    this.#running = false
  }

  async #read(hashes: string[]): Promise<Map<string, KeyEntry>> {
    const { sql } = this.#database
    const rows = await sql<(KeyRow & { sha256: string })[]>`
      select s.sha256, s.valid_until as "validUntil", ${columns(sql)}
      from key_secrets s join ${governed(sql)} on k.id = s.key_id
      where s.sha256 = any (${textArray(hashes)}::text[]) and ${isLive(sql)}`
    return new Map(rows.map((row) => [row.sha256, entryOf(row)]))
  }
}

/**
 * The principals of keys by their identifiers, for work that goes on without their secrets; missing
 * where a key is revoked or expired, or its project or tenant archived, and null where the account
 * behind it may not at present.
 */
export async function principalsOfKeys(
  { sql }: Database,
  keyIds: readonly string[],
  nowMs: number,
): Promise<Map<string, Principal | null>> {
  if (keyIds.length === 0) return new Map()
  const rows = await sql<(KeyRow & { isSuspended: boolean })[]>`
    select null as "validUntil", k.suspended_at is not null as "isSuspended", ${columns(sql)}
    from ${governed(sql)}
    where k.id = any (${textArray(keyIds)}::text[]) and ${hasNotEnded(sql)}`
  const entries = rows.map((row) => ({ ...entryOf(row), isSuspended: row.isSuspended }))
  const living = entries.filter(({ validUntilMs }) => nowMs < validUntilMs)
  return new Map(
    living.map(({ principal, isSuspended }) => [principal.keyId, isSuspended ? null : principal]),
  )
}

/** The entry of a key by its identifier; null where it has ended. */
export async function entryOfKey({ sql }: Database, keyId: string): Promise<KeyEntry | null> {
  const [row] = await sql<KeyRow[]>`
    select null as "validUntil", ${columns(sql)} from ${governed(sql)}
    where k.id = ${keyId} and ${isLive(sql)}`
  return row ? entryOf(row) : null
}

const columns = (sql: Queries) => sql`
  k.expires_at as "expiresAt", k.id as "keyId", k.name as "keyName", k.scopes,
  k.default_class as "keyDefaultClass", k.limits as "keyLimits",
  k.response_cache as "responseCache", k.tags, p.id as "projectId",
  p.name as "projectName", p.weight as "projectWeight", t.id as "tenantId",
  t.name as "tenantName", t.weight as "tenantWeight", t.classes,
  t.default_class as "defaultClass", t.models, t.limits as "tenantLimits",
  t.response_days as "responseDays", t.price_plan as "pricePlan"`

const governed = (sql: Queries) => sql`
  (keys k join projects p on p.id = k.project_id join tenants t on t.id = p.tenant_id)`

const hasNotEnded = (sql: Queries) => sql`
  k.revoked_at is null and p.archived_at is null and t.archived_at is null`

const isLive = (sql: Queries) => sql`${hasNotEnded(sql)} and k.suspended_at is null`

function entryOf(row: KeyRow): KeyEntry {
  const ends = [row.validUntil, row.expiresAt].map((end) => end?.getTime() ?? Infinity)
  const { keyId, keyName, tenantId, tenantName, projectId, projectName } = row
  // The tenant's classes may have shrunk since the key got its own default.
  const own = row.keyDefaultClass
  const policy: Policy = Object.freeze({
    tenantWeight: row.tenantWeight,
    projectWeight: row.projectWeight,
    classes: row.classes,
    defaultClass: own !== null && row.classes.includes(own) ? own : row.defaultClass,
    models: row.models,
    tenantLimits: row.tenantLimits,
    keyLimits: row.keyLimits,
    responseCache: row.responseCache,
    responseDays: row.responseDays,
    pricePlan: row.pricePlan,
    tags: row.tags,
  })
  const who = { keyId, keyName, tenantId, tenantName, projectId, projectName }
  const principal = Object.freeze({ ...who, scopes: new Set(row.scopes), policy })
  return { principal, validUntilMs: Math.min(...ends), isToken: false }
}
