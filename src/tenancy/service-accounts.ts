/** Accounts of programs: bound to a tenant, with keys or tokens and without a password. */
import { z } from 'zod'
import { checked, GristmillError, newId } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, isDuplicate, pageOf, recordAudit } from './context.ts'
import { nameInput } from './inputs.ts'
import type { Actor, Page, PageRequest } from './types.ts'

export interface ServiceAccount {
  id: string
  tenantId: string
  name: string
  /** `sub` of tokens that stand for it; null: it has keys only. */
  tokenSubject: string | null
  isDisabled: boolean
  createdAt: Date
  /** Keys that are not revoked. */
  keyCount: number
  /** True where one of them has the scope `admin` or `scim`. */
  isOfAll: boolean
}

const fields = {
  name: nameInput,
  tokenSubject: z.string().min(1).max(300).nullable().optional(),
}
export const serviceAccountInput = z.strictObject(fields)
export const serviceAccountChange = z.strictObject({
  ...fields,
  name: nameInput.optional(),
  isDisabled: z.boolean().optional(),
})
type Input = z.infer<typeof serviceAccountInput>
type Change = z.infer<typeof serviceAccountChange>

export interface ServiceAccounts {
  /** In order of creation. @param tenantIds only of these; undefined means all */
  list(page: PageRequest, tenantIds?: readonly string[]): Promise<Page<ServiceAccount>>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<ServiceAccount>
  /** @throws GristmillError `invalid_value`, `not_found` (tenant), `conflict` */
  create(tenantId: string, input: Input, actor: Actor): Promise<ServiceAccount>
  /** Disabling stops its keys and tokens at once; enabling lets them go on. */
  change(id: string, change: Change, actor: Actor): Promise<ServiceAccount>
  /** Revokes its keys and forgets it. */
  remove(id: string, actor: Actor): Promise<void>
}

/** @param context the resources to work with */
export function serviceAccounts(context: Context): ServiceAccounts {
  const { database } = context
  return {
    async list({ limit, cursor = '' }, tenantIds) {
      if (tenantIds?.length === 0) return { rows: [], next: null }
      const { sql } = database
      const rows = await sql<ServiceAccount[]>`
        ${select(sql)} where id > ${cursor}
          ${tenantIds === undefined ? sql`` : sql`and tenant_id in ${sql([...tenantIds])}`}
        order by id limit ${limit + 1}`
      return pageOf([...rows], limit, (row) => row.id)
    },
    get: (id) => read(database.sql, id),
    create: async (tenantId, input, actor) =>
      create(context, tenantId, checked(serviceAccountInput, input), actor),
    change: async (id, change, actor) =>
      changeAccount(context, id, checked(serviceAccountChange, change), actor),
    remove: (id, actor) => remove(context, id, actor),
  }
}

const select = (sql: Queries) => sql`
  select id, tenant_id as "tenantId", name, token_subject as "tokenSubject",
    disabled_at is not null as "isDisabled", created_at as "createdAt",
    (select count(*)::int from keys k
      where k.service_account_id = s.id and k.revoked_at is null) as "keyCount",
    exists (select from keys k
      where k.service_account_id = s.id and k.revoked_at is null
        and k.scopes ?| array['admin', 'scim']) as "isOfAll"
  from service_accounts s`

async function read(sql: Queries, id: string): Promise<ServiceAccount> {
  const [row] = await sql<ServiceAccount[]>`${select(sql)} where id = ${id}`
  if (!row) throw new GristmillError('not_found', { kind: 'service account', id })
  return row
}

async function create(
  context: Context,
  tenantId: string,
  { name, tokenSubject = null }: Input,
  actor: Actor,
): Promise<ServiceAccount> {
  const { database, clock, random } = context
  const id = newId('sva', clock, random)
  const work = database.transaction(async (sql) => {
    const [tenant] = await sql`
      select 1 from tenants where id = ${tenantId} and archived_at is null for share`
    if (!tenant) throw new GristmillError('not_found', { kind: 'tenant', id: tenantId })
    await sql`
      insert into service_accounts (id, tenant_id, name, token_subject, created_at)
      values (${id}, ${tenantId}, ${name}, ${tokenSubject}, ${new Date(clock.nowMs())})`
    const detail = { name, tokenSubject }
    const entry = { action: 'service-account.create', subject: id, tenantId, detail }
    await recordAudit(sql, clock, actor, entry)
    return read(sql, id)
  })
  return work.catch(refuseDuplicate)
}

async function changeAccount(
  { database, clock }: Context,
  id: string,
  change: Change,
  actor: Actor,
): Promise<ServiceAccount> {
  const work = database.transaction(async (sql) => {
    await sql`select 1 from service_accounts where id = ${id} for update`
    const before = await read(sql, id)
    const { name = before.name, isDisabled = before.isDisabled } = change
    const { tokenSubject = before.tokenSubject } = change
    const at = isDisabled ? new Date(clock.nowMs()) : null
    await sql`
      update service_accounts
      set name = ${name}, token_subject = ${tokenSubject}, disabled_at = ${at} where id = ${id}`
    if (isDisabled !== before.isDisabled) {
      await sql`update keys set suspended_at = ${at} where service_account_id = ${id}`
    }
    const { tenantId } = before
    const entry = { action: 'service-account.change', subject: id, tenantId }
    await recordAudit(sql, clock, actor, { ...entry, detail: { ...change } })
    return read(sql, id)
  })
  return work.catch(refuseDuplicate)
}

async function remove({ database, clock }: Context, id: string, actor: Actor): Promise<void> {
  await database.transaction(async (sql) => {
    await sql`select 1 from service_accounts where id = ${id} for update`
    const { tenantId, name, keyCount } = await read(sql, id)
    const at = new Date(clock.nowMs())
    await sql`
      update keys set revoked_at = coalesce(revoked_at, ${at}), service_account_id = null,
        subject = null
      where service_account_id = ${id}`
    await sql`delete from service_accounts where id = ${id}`
    const detail = { name, keysRevoked: keyCount }
    const entry = { action: 'service-account.remove', subject: id, tenantId, detail }
    await recordAudit(sql, clock, actor, entry)
  })
}

function refuseDuplicate(error: unknown): never {
  if (!isDuplicate(error)) throw error
  const reason = 'There is a service account of this name in the tenant, or of this subject'
  throw new GristmillError('conflict', { reason }, { cause: error })
}
