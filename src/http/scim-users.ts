/** People as a directory provisions them: made, changed, put to rest and removed by it alone. */
import { GristmillError, newId } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import type { Actor } from '../tenancy/index.ts'
import { type DirectoryOptions, endAccess, settleAccess } from './directory.ts'
import {
  isDuplicateName,
  type Provisioned,
  pageSql,
  type ScimPage,
  type ScimPageRequest,
} from './scim-lists.ts'
import type { Filter } from './scim-patch.ts'
import type { ScimUser, ScimUserInput } from './scim-shapes.ts'

export type ScimUsers = Provisioned<ScimUser, ScimUserInput>

/** @param options the resources to work with */
export function scimUsers(options: DirectoryOptions): ScimUsers {
  const { database, tenancy } = options
  const noted = async (sql: Queries, actor: Actor, action: string, user: ScimUser) => {
    const { id: subject, email, userName, isActive } = user
    const detail = { email, userName, isActive }
    await tenancy.audit.record(actor, { action, subject, tenantId: null, detail }, sql)
    return user
  }
  return {
    list: (filter, page) => list(database.sql, filter, page),
    get: (id) => read(database.sql, id),
    create: (input, actor) =>
      database
        .transaction(async (sql) => {
          const id = await adopt(sql, options, input)
          await write(sql, options, id, input)
          return noted(sql, actor, 'user.provision', await read(sql, id))
        })
        .catch(isDuplicateName('user', input.userName)),
    replace: (id, input, actor) =>
      database
        .transaction(async (sql) => {
          await read(sql, id)
          await write(sql, options, id, input)
          return noted(sql, actor, 'user.provision', await read(sql, id))
        })
        .catch(isDuplicateName('user', input.userName)),
    remove: (id, actor) =>
      database.transaction(async (sql) => {
        const user = await read(sql, id)
        await endAccess(sql, tenancy, id)
        await sql`delete from people where id = ${id}`
        await noted(sql, actor, 'user.remove', user)
      }),
  }
}

const columns = (sql: Queries) => sql`
  p.id, coalesce(p.user_name, p.email) as "userName", p.external_id as "externalId", p.name,
  p.email, p.state <> 'deactivated' as "isActive", p.created_at as "createdAt",
  p.updated_at as "updatedAt",
  coalesce((
    select jsonb_agg(jsonb_build_object('id', g.id, 'displayName', g.display_name) order by g.id)
    from directory_members m join directory_groups g on g.id = m.group_id
    where m.person_id = p.id), '[]') as groups`

async function read(sql: Queries, id: string): Promise<ScimUser> {
  const [row] = await sql<ScimUser[]>`
    select ${columns(sql)} from people p where p.id = ${id} and p.origin = 'directory'`
  if (!row) throw new GristmillError('not_found', { kind: 'user', id })
  return row
}

async function list(
  sql: Queries,
  filter: Filter | null,
  page: ScimPageRequest,
): Promise<ScimPage<ScimUser>> {
  const where = sql`p.origin = 'directory' ${condition(sql, filter)}`
  const [counted] = await sql<{ total: number }[]>`
    select count(*)::int as total from people p where ${where}`
  const rows = await sql<ScimUser[]>`
    select ${columns(sql)} from people p where ${where} order by p.id ${pageSql(sql, page)}`
  return { rows: [...rows], total: counted?.total ?? 0 }
}

function condition(sql: Queries, filter: Filter | null) {
  if (filter === null) return sql``
  const { value } = filter
  switch (filter.attribute.toLowerCase()) {
    case 'username':
      return sql`and lower(coalesce(p.user_name, p.email)) = ${value.toLowerCase()}`
    case 'externalid':
      return sql`and p.external_id = ${value}`
    case 'id':
      return sql`and p.id = ${value}`
    case 'emails.value':
    case 'emails[type eq "work"].value':
      return sql`and p.email = ${value.toLowerCase()}`
    default: {
      const reason = 'users are found by userName, externalId, emails.value and id'
      throw new GristmillError('invalid_value', { param: 'filter', reason })
    }
  }
}

/** Somebody with this address whom the directory has not told of yet, or somebody new. */
async function adopt(
  sql: Queries,
  { clock, random }: DirectoryOptions,
  { email, name, userName }: ScimUserInput,
): Promise<string> {
  interface Known {
    id: string
    isBreakGlass: boolean
    isProvisioned: boolean
  }
  const [known] = await sql<Known[]>`
    select id, is_break_glass as "isBreakGlass", user_name is not null as "isProvisioned"
    from people where email = ${email} for update`
  if (known?.isBreakGlass || known?.isProvisioned) {
    const who = known.isBreakGlass ? `${email} is the break-glass owner` : `There is ${userName}`
    throw new GristmillError('conflict', { reason: who })
  }
  const at = new Date(clock.nowMs())
  if (known === undefined) {
    const id = newId('usr', clock, random)
    await sql`
      insert into people (id, name, email, origin, state, created_at, updated_at)
      values (${id}, ${name}, ${email}, 'directory', 'no_rule', ${at}, ${at})`
    return id
  }
  // From now on the directory decides, and no password does.
  await sql`update people set origin = 'directory' where id = ${known.id}`
  await sql`
    delete from people_accounts where user_id = ${known.id} and provider_id = 'credential'`
  await sql`delete from one_time_links where person_id = ${known.id}`
  return known.id
}

async function write(
  sql: Queries,
  options: DirectoryOptions,
  id: string,
  input: ScimUserInput,
): Promise<void> {
  const { userName, externalId, name, email, isActive } = input
  await sql`
    update people set user_name = ${userName}, external_id = ${externalId}, name = ${name},
      email = ${email}, updated_at = ${new Date(options.clock.nowMs())},
      state = case
        when not ${isActive} then 'deactivated'
        when state = 'deactivated' then 'no_rule'
        else state end
    where id = ${id}`
  await settleAccess(sql, options, id)
}
