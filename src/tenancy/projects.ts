/** Projects: what a tenant's keys belong to, with a weight among the tenant's other projects. */
import { checked, GristmillError, newId } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, isDuplicate, pageOf, recordAudit } from './context.ts'
import { type ProjectChange, type ProjectInput, projectChange, projectInput } from './inputs.ts'
import type { Actor, Page, PageRequest, Project } from './types.ts'

export interface Projects {
  /** @throws GristmillError `invalid_value`, `not_found` (tenant), `conflict` (name taken) */
  create(tenantId: string, input: ProjectInput, actor: Actor): Promise<Project>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<Project>
  /** In order of creation. */
  list(tenantId: string, page: PageRequest): Promise<Page<Project>>
  change(id: string, change: ProjectChange, actor: Actor): Promise<Project>
  /** Ends a project and revokes its keys; ledger rows stay. A tenant keeps at least one. */
  archive(id: string, actor: Actor): Promise<void>
}

/** @param context the resources to work with */
export function projects(context: Context): Projects {
  const { database } = context
  return {
    create: async (tenantId, input, actor) =>
      create(context, tenantId, checked(projectInput, input), actor),
    get: (id) => read(database.sql, id),
    async list(tenantId, { limit, cursor = '' }) {
      const { sql } = database
      const rows = await sql<Project[]>`
        ${select(sql)} where tenant_id = ${tenantId} and archived_at is null and id > ${cursor}
        order by id limit ${limit + 1}`
      return pageOf([...rows], limit, (row) => row.id)
    },
    change: async (id, change, actor) =>
      changeProject(context, id, checked(projectChange, change), actor),
    archive: (id, actor) => archive(context, id, actor),
  }
}

const select = (sql: Queries) => sql`
  select id, tenant_id as "tenantId", name, weight, created_at as "createdAt" from projects`

async function read(sql: Queries, id: string): Promise<Project> {
  const [row] = await sql<Project[]>`${select(sql)} where id = ${id} and archived_at is null`
  if (!row) throw new GristmillError('not_found', { kind: 'project', id })
  return row
}

async function create(
  { database, clock, random }: Context,
  tenantId: string,
  { name, weight = 1 }: ProjectInput,
  actor: Actor,
): Promise<Project> {
  const id = newId('prj', clock, random)
  const work = database.transaction(async (sql) => {
    // The lock keeps the tenant from being archived in between.
    const [tenant] = await sql`
      select 1 from tenants where id = ${tenantId} and archived_at is null for share`
    if (!tenant) throw new GristmillError('not_found', { kind: 'tenant', id: tenantId })
    await sql`
      insert into projects (id, tenant_id, name, weight, created_at)
      values (${id}, ${tenantId}, ${name}, ${weight}, ${new Date(clock.nowMs())})`
    const entry = { action: 'project.create', subject: id, tenantId, detail: { name, weight } }
    await recordAudit(sql, clock, actor, entry)
    return read(sql, id)
  })
  return work.catch((error: unknown) => refuseDuplicate(error, name))
}

async function changeProject(
  { database, clock }: Context,
  id: string,
  change: ProjectChange,
  actor: Actor,
): Promise<Project> {
  const work = database.transaction(async (sql) => {
    await sql`select 1 from projects where id = ${id} for update`
    const before = await read(sql, id)
    const { name = before.name, weight = before.weight } = change
    await sql`update projects set name = ${name}, weight = ${weight} where id = ${id}`
    const { tenantId } = before
    const entry = { action: 'project.change', subject: id, tenantId, detail: { ...change } }
    await recordAudit(sql, clock, actor, entry)
    return read(sql, id)
  })
  return work.catch((error: unknown) => refuseDuplicate(error, change.name ?? id))
}

async function archive({ database, clock }: Context, id: string, actor: Actor): Promise<void> {
  await database.transaction(async (sql) => {
    const { tenantId, name } = await read(sql, id)
    await sql`select 1 from tenants where id = ${tenantId} for update`
    const others = await sql`
      select 1 from projects where tenant_id = ${tenantId} and archived_at is null and id <> ${id}`
    if (others.length === 0) {
      throw new GristmillError('conflict', { reason: 'A tenant needs at least one project' })
    }
    const at = new Date(clock.nowMs())
    await sql`update keys set revoked_at = ${at} where project_id = ${id} and revoked_at is null`
    await sql`update projects set archived_at = ${at} where id = ${id}`
    const entry = { action: 'project.archive', subject: id, tenantId, detail: { name } }
    await recordAudit(sql, clock, actor, entry)
  })
}

function refuseDuplicate(error: unknown, name: string): never {
  if (!isDuplicate(error)) throw error
  const reason = `There is already a project named ${name}`
  throw new GristmillError('conflict', { reason }, { cause: error })
}
