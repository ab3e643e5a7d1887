/** Groups as a directory provisions them; who is in one has what the rules give it, at once. */
import { GristmillError, newId } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import type { Actor } from '../tenancy/index.ts'
import { type DirectoryOptions, settleAccess } from './directory.ts'
import {
  isDuplicateName,
  type Provisioned,
  pageSql,
  type ScimPage,
  type ScimPageRequest,
} from './scim-lists.ts'
import type { Filter } from './scim-patch.ts'
import type { ScimGroup, ScimGroupInput } from './scim-shapes.ts'

export type ScimGroups = Provisioned<ScimGroup, ScimGroupInput>

/** @param options the resources to work with */
export function scimGroups(options: DirectoryOptions): ScimGroups {
  const { database, tenancy, clock, random } = options
  const noted = async (sql: Queries, actor: Actor, action: string, group: ScimGroup) => {
    const { id: subject, displayName, members } = group
    const detail = { displayName, members: members.length }
    await tenancy.audit.record(actor, { action, subject, tenantId: null, detail }, sql)
    return group
  }
  return {
    list: (filter, page) => list(database.sql, filter, page),
    get: (id) => read(database.sql, id),
    create: (input, actor) =>
      database
        .transaction(async (sql) => {
          const id = newId('grp', clock, random)
          const at = new Date(clock.nowMs())
          await sql`
            insert into directory_groups (id, display_name, external_id, created_at, updated_at)
            values (${id}, ${input.displayName}, ${input.externalId}, ${at}, ${at})`
          const { memberIds } = input
          await setMembers(sql, options, { groupId: id, memberIds, isRenamed: true })
          return noted(sql, actor, 'group.create', await read(sql, id))
        })
        .catch(isDuplicateName('group', input.displayName)),
    replace: (id, input, actor) =>
      database
        .transaction(async (sql) => {
          await sql`select 1 from directory_groups where id = ${id} for update`
          const before = await read(sql, id)
          await sql`
            update directory_groups set display_name = ${input.displayName},
              external_id = ${input.externalId}, updated_at = ${new Date(clock.nowMs())}
            where id = ${id}`
          const { memberIds, displayName, externalId } = input
          const isRenamed = displayName !== before.displayName || externalId !== before.externalId
          await setMembers(sql, options, { groupId: id, memberIds, isRenamed })
          return noted(sql, actor, 'group.change', await read(sql, id))
        })
        .catch(isDuplicateName('group', input.displayName)),
    remove: (id, actor) =>
      database.transaction(async (sql) => {
        const group = await read(sql, id)
        await sql`delete from directory_groups where id = ${id}`
        for (const member of group.members) await settleAccess(sql, options, member.id)
        await noted(sql, actor, 'group.remove', group)
      }),
  }
}

const columns = (sql: Queries) => sql`
  g.id, g.display_name as "displayName", g.external_id as "externalId",
  g.created_at as "createdAt", g.updated_at as "updatedAt",
  coalesce((
    select jsonb_agg(jsonb_build_object('id', p.id, 'email', p.email) order by p.id)
    from directory_members m join people p on p.id = m.person_id
    where m.group_id = g.id), '[]') as members`

async function read(sql: Queries, id: string): Promise<ScimGroup> {
  const [row] = await sql<ScimGroup[]>`
    select ${columns(sql)} from directory_groups g where g.id = ${id}`
  if (!row) throw new GristmillError('not_found', { kind: 'group', id })
  return row
}

async function list(
  sql: Queries,
  filter: Filter | null,
  page: ScimPageRequest,
): Promise<ScimPage<ScimGroup>> {
  const where = condition(sql, filter)
  const [counted] = await sql<{ total: number }[]>`
    select count(*)::int as total from directory_groups g where ${where}`
  const rows = await sql<ScimGroup[]>`
    select ${columns(sql)} from directory_groups g where ${where}
    order by g.id ${pageSql(sql, page)}`
  return { rows: [...rows], total: counted?.total ?? 0 }
}

function condition(sql: Queries, filter: Filter | null) {
  if (filter === null) return sql`true`
  const { value } = filter
  switch (filter.attribute.toLowerCase()) {
    case 'displayname':
      return sql`lower(g.display_name) = ${value.toLowerCase()}`
    case 'externalid':
      return sql`g.external_id = ${value}`
    case 'id':
      return sql`g.id = ${value}`
    default: {
      const reason = 'groups are found by displayName, externalId and id'
      throw new GristmillError('invalid_value', { param: 'filter', reason })
    }
  }
}

interface Members {
  groupId: string
  memberIds: readonly string[]
  /** Its names are others, which rules may or may not name. */
  isRenamed: boolean
}

/** Those who come and go are looked at anew, and all where the group has got another name. */
async function setMembers(
  sql: Queries,
  options: DirectoryOptions,
  { groupId, memberIds, isRenamed }: Members,
): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select person_id as id from directory_members where group_id = ${groupId}`
  const before = new Set(rows.map(({ id }) => id))
  const after = new Set(memberIds)
  const gone = [...before].filter((id) => !after.has(id))
  const come = [...after].filter((id) => !before.has(id))
  if (gone.length > 0) {
    await sql`
      delete from directory_members where group_id = ${groupId} and person_id in ${sql(gone)}`
  }
  if (come.length > 0) await insertMembers(sql, groupId, come)
  const concerned = isRenamed ? [...gone, ...after] : [...gone, ...come]
  for (const id of concerned.sort()) await settleAccess(sql, options, id)
}

async function insertMembers(sql: Queries, groupId: string, ids: string[]): Promise<void> {
  const known = await sql<{ id: string }[]>`
    insert into directory_members (group_id, person_id)
    select ${groupId}, id from people where origin = 'directory' and id in ${sql(ids)}
    returning person_id as id`
  const found = new Set(known.map(({ id }) => id))
  const missing = ids.find((id) => !found.has(id))
  if (missing === undefined) return
  const reason = `there is no user ${missing}`
  throw new GristmillError('invalid_value', { param: 'members', reason })
}
