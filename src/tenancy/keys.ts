/** Keys: what callers authenticate with. A secret is shown once; only its hash is kept. */
import { checked, GristmillError, newId, serviceClasses } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, isDuplicate, jsonb, pageOf, recordAudit } from './context.ts'
import {
  type KeyChange,
  type KeyInput,
  keyChange,
  keyInput,
  mergedLimits,
  noLimits,
  type Rotation,
  rotation,
  sha256Hex,
} from './inputs.ts'
import { hashSecret, hintOf, newSecret } from './secret.ts'
import type { Actor, Key, Page, PageRequest } from './types.ts'

/** A key with its secret, which is nowhere else and never seen again. */
export interface KeyWithSecret {
  key: Key
  secret: string
}

export interface KeyFilter {
  tenantId?: string | undefined
  projectId?: string | undefined
  /** Only keys of these tenants; undefined means all. */
  withinTenantIds?: readonly string[] | undefined
}

export interface Keys {
  /** @throws GristmillError `invalid_value`, `not_found` (tenant or project) */
  create(tenantId: string, input: KeyInput, actor: Actor): Promise<KeyWithSecret>
  /**
   * A key whose secret its callers have already, from another gateway; only the hash is needed.
   * @param sha256 of the whole secret, hexadecimal
   * @throws GristmillError `conflict` when that secret is known already
   */
  importHash(tenantId: string, sha256: string, input: KeyInput, actor: Actor): Promise<Key>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<Key>
  /** Newest first, revoked ones included. */
  list(filter: KeyFilter, page: PageRequest): Promise<Page<Key>>
  change(id: string, change: KeyChange, actor: Actor): Promise<Key>
  /** A new secret under the same id; the old one goes on working for the overlap. */
  rotate(id: string, options: Rotation, actor: Actor): Promise<KeyWithSecret>
  /** Ends a key at once and for ever; doing it twice changes nothing. */
  revoke(id: string, actor: Actor): Promise<void>
}

const OVERLAP_S = 86_400

/** @param context the resources to work with */
export function keys(context: Context): Keys {
  const { database, clock, random } = context
  return {
    async create(tenantId, input, actor) {
      const secret = newSecret(random)
      const stored = { sha256: hashSecret(secret), hint: hintOf(secret) }
      return { key: await insert(context, tenantId, stored, input, 'create', actor), secret }
    },
    async importHash(tenantId, sha256, input, actor) {
      const stored = { sha256: checked(sha256Hex, sha256), hint: '' }
      return insert(context, tenantId, stored, input, 'import', actor)
    },
    get: (id) => read(context, database.sql, id),
    list: (filter, page) => list(context, filter, page),
    change: async (id, change, actor) => changeKey(context, id, checked(keyChange, change), actor),
    rotate: async (id, options, actor) => rotate(context, id, checked(rotation, options), actor),
    revoke: (id, actor) =>
      database.transaction(async (sql) => {
        const { tenantId, state, name } = await lock(context, sql, id)
        if (state === 'revoked') return
        await sql`update keys set revoked_at = ${new Date(clock.nowMs())} where id = ${id}`
        const entry = { action: 'key.revoke', subject: id, tenantId, detail: { name } }
        await recordAudit(sql, clock, actor, entry)
      }),
  }
}

function select(sql: Queries, at: Date) {
  return sql`
    select k.id, p.tenant_id as "tenantId", k.project_id as "projectId", k.name, k.hint, k.scopes,
      k.default_class as "defaultClass", k.limits, k.response_cache as "responseCache",
      k.tags, k.service_account_id as "serviceAccountId", k.subject, k.created_at as "createdAt",
      k.expires_at as "expiresAt", k.last_used_at as "lastUsedAt",
      case when k.revoked_at is null then overlap.ends_at end as "overlapEndsAt",
      case
        when k.revoked_at is not null then 'revoked'
        when k.suspended_at is not null then 'suspended'
        when k.expires_at <= ${at} then 'expired'
        when overlap.ends_at is not null then 'rotating'
        else 'active'
      end as state
    from keys k join projects p on p.id = k.project_id
    cross join lateral (
      select max(s.valid_until) as ends_at from key_secrets s
      where s.key_id = k.id and s.valid_until > ${at}
    ) overlap`
}

async function read({ clock }: Context, sql: Queries, id: string): Promise<Key> {
  const [row] = await sql<Key[]>`${select(sql, new Date(clock.nowMs()))} where k.id = ${id}`
  if (!row) throw new GristmillError('not_found', { kind: 'key', id })
  return row
}

async function lock(context: Context, sql: Queries, id: string): Promise<Key> {
  await sql`select 1 from keys where id = ${id} for update`
  return read(context, sql, id)
}

async function list(
  { database, clock }: Context,
  { tenantId, projectId, withinTenantIds }: KeyFilter,
  { limit, cursor }: PageRequest,
): Promise<Page<Key>> {
  if (withinTenantIds?.length === 0) return { rows: [], next: null }
  const { sql } = database
  const rows = await sql<Key[]>`
    ${select(sql, new Date(clock.nowMs()))}
    where true
      ${cursor === undefined ? sql`` : sql`and k.id < ${cursor}`}
      ${tenantId === undefined ? sql`` : sql`and p.tenant_id = ${tenantId}`}
      ${projectId === undefined ? sql`` : sql`and k.project_id = ${projectId}`}
      ${withinTenantIds ? sql`and p.tenant_id in ${sql([...withinTenantIds])}` : sql``}
    order by k.id desc limit ${limit + 1}`
  return pageOf([...rows], limit, (row) => row.id)
}

interface StoredSecret {
  sha256: string
  hint: string
}

async function insert(
  context: Context,
  tenantId: string,
  { sha256, hint }: StoredSecret,
  unchecked: KeyInput,
  verb: 'create' | 'import',
  actor: Actor,
): Promise<Key> {
  const { database, clock, random } = context
  const input = checked(keyInput, unchecked)
  const { name = 'key', scopes = ['inference'], defaultClass = null } = input
  const { responseCache = false, tags = [], serviceAccountId = null } = input
  const id = newId('key', clock, random)
  const at = new Date(clock.nowMs())
  const limits = mergedLimits(noLimits, input.limits)
  const expiresAt = input.expiresAt ? new Date(input.expiresAt) : null
  const work = database.transaction(async (sql) => {
    const projectId = await projectOf(sql, tenantId, input.projectId)
    await checkDefaultClass(sql, tenantId, defaultClass)
    await checkServiceAccount(sql, tenantId, serviceAccountId)
    await sql`
      insert into keys (id, project_id, name, hint, scopes, default_class, limits, response_cache,
        tags, created_at, expires_at, service_account_id)
      values (${id}, ${projectId}, ${name}, ${hint}, ${jsonb(sql, scopes)}, ${defaultClass},
        ${jsonb(sql, limits)}, ${responseCache}, ${jsonb(sql, tags)}, ${at}, ${expiresAt},
        ${serviceAccountId})`
    await sql`
      insert into key_secrets (sha256, key_id, created_at) values (${sha256}, ${id}, ${at})`
    const granted = { scopes, defaultClass, limits, responseCache, tags }
    const detail = { name, projectId, serviceAccountId, ...granted, expiresAt }
    const entry = { action: `key.${verb}`, subject: id, tenantId, detail }
    await recordAudit(sql, clock, actor, entry)
    return read(context, sql, id)
  })
  return work.catch((error: unknown) => {
    if (!isDuplicate(error)) throw error
    throw new GristmillError('conflict', { reason: 'This key is known already' }, { cause: error })
  })
}

/** The named project of the tenant, or its oldest; locked, so that it is not archived meanwhile. */
export async function projectOf(
  sql: Queries,
  tenantId: string,
  projectId: string | undefined,
): Promise<string> {
  const [tenant] = await sql`
    select 1 from tenants where id = ${tenantId} and archived_at is null for share`
  if (!tenant) throw new GristmillError('not_found', { kind: 'tenant', id: tenantId })
  const [project] = await sql<{ id: string }[]>`
    select id from projects where tenant_id = ${tenantId} and archived_at is null
      ${projectId === undefined ? sql`` : sql`and id = ${projectId}`}
    order by id limit 1 for share`
  if (!project) throw new GristmillError('not_found', { kind: 'project', id: projectId })
  return project.id
}

async function checkServiceAccount(
  sql: Queries,
  tenantId: string,
  id: string | null,
): Promise<void> {
  if (id === null) return
  const [account] = await sql<{ isDisabled: boolean }[]>`
    select disabled_at is not null as "isDisabled" from service_accounts
    where id = ${id} and tenant_id = ${tenantId} for share`
  if (!account) throw new GristmillError('not_found', { kind: 'service account', id })
  if (account.isDisabled) {
    throw new GristmillError('conflict', { reason: `The service account ${id} is disabled` })
  }
}

async function checkDefaultClass(
  sql: Queries,
  tenantId: string,
  defaultClass: string | null,
): Promise<void> {
  if (defaultClass === null) return
  const [tenant] = await sql<{ classes: string[] }[]>`
    select classes from tenants where id = ${tenantId}`
  const classes: readonly string[] = tenant?.classes ?? serviceClasses
  if (classes.includes(defaultClass)) return
  const reason = `${defaultClass} is not among the classes of the tenant (${classes.join(', ')})`
  throw new GristmillError('invalid_value', { param: 'defaultClass', reason })
}

async function changeKey(
  context: Context,
  id: string,
  change: KeyChange,
  actor: Actor,
): Promise<Key> {
  const { database, clock } = context
  return database.transaction(async (sql) => {
    const before = await lock(context, sql, id)
    refuseRevoked(before)
    const { name = before.name, scopes = before.scopes } = change
    const { defaultClass = before.defaultClass, responseCache = before.responseCache } = change
    const { tags = before.tags } = change
    await checkDefaultClass(sql, before.tenantId, defaultClass)
    const limits = mergedLimits(before.limits, change.limits)
    const expiresAt =
      change.expiresAt === undefined
        ? before.expiresAt
        : change.expiresAt && new Date(change.expiresAt)
    await sql`
      update keys set name = ${name}, scopes = ${jsonb(sql, scopes)},
        default_class = ${defaultClass}, limits = ${jsonb(sql, limits)},
        response_cache = ${responseCache}, tags = ${jsonb(sql, tags)}, expires_at = ${expiresAt}
      where id = ${id}`
    const { tenantId } = before
    const entry = { action: 'key.change', subject: id, tenantId, detail: { ...change } }
    await recordAudit(sql, clock, actor, entry)
    return read(context, sql, id)
  })
}

async function rotate(
  context: Context,
  id: string,
  { overlapS = OVERLAP_S }: Rotation,
  actor: Actor,
): Promise<KeyWithSecret> {
  const { database, clock, random } = context
  const secret = newSecret(random)
  const at = new Date(clock.nowMs())
  const until = new Date(at.getTime() + overlapS * 1000)
  const key = await database.transaction(async (sql) => {
    const before = await lock(context, sql, id)
    refuseRevoked(before)
    if (before.subject !== null) {
      const reason = 'It has no secret: tokens of the identity provider stand for it'
      throw new GristmillError('conflict', { reason })
    }
    // Only the last secret gets the overlap; one that is already ending keeps its end.
    await sql`
      update key_secrets set valid_until = least(valid_until, ${until}) where key_id = ${id}`
    await sql`delete from key_secrets where key_id = ${id} and valid_until <= ${at}`
    await sql`
      insert into key_secrets (sha256, key_id, created_at)
      values (${hashSecret(secret)}, ${id}, ${at})`
    await sql`update keys set hint = ${hintOf(secret)} where id = ${id}`
    const detail = { name: before.name, overlapS }
    const entry = { action: 'key.rotate', subject: id, tenantId: before.tenantId, detail }
    await recordAudit(sql, clock, actor, entry)
    return read(context, sql, id)
  })
  return { key, secret }
}

function refuseRevoked({ state, name }: Key): void {
  if (state !== 'revoked') return
  throw new GristmillError('conflict', { reason: `The key ${name} is revoked` })
}
