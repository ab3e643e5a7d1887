/** Tenants: who shares the pool, with which weight, classes, models and limits. */
import { checked, GristmillError, newId, serviceClasses } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, isDuplicate, jsonb, pageOf, recordAudit } from './context.ts'
import {
  mergedLimits,
  noLimits,
  sortedClasses,
  type TenantChange,
  type TenantInput,
  tenantChange,
  tenantInput,
} from './inputs.ts'
import type { Actor, Page, PageRequest, Tenant } from './types.ts'

export interface Tenants {
  /**
   * Creates a tenant with a project named `default`.
   * @throws GristmillError `invalid_value`, `conflict` when the name is taken
   */
  create(input: TenantInput, actor: Actor): Promise<Tenant>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<Tenant>
  /** By name, case not regarded. @throws GristmillError `not_found` */
  named(name: string): Promise<Tenant>
  /** In order of creation. @param ids only these; undefined means all */
  list(page: PageRequest, ids?: readonly string[]): Promise<Page<Tenant>>
  /** How many days each keeps its responses, by tenant. */
  responseDays(): Promise<ReadonlyMap<string, number>>
  /** Fields that the change does not name stay. @throws GristmillError as `create`, `not_found` */
  change(id: string, change: TenantChange, actor: Actor): Promise<Tenant>
  /** Ends a tenant: its keys are revoked, its name is free again, its ledger rows stay. */
  archive(id: string, actor: Actor): Promise<void>
}

/** @param context the resources to work with */
export function tenants(context: Context): Tenants {
  const { database, clock } = context
  return {
    create: async (input, actor) => create(context, checked(tenantInput, input), actor),
    get: (id) => read(database.sql, id),
    async named(name) {
      const { sql } = database
      const [row] = await sql<Tenant[]>`
        ${select(sql)} where archived_at is null and lower(name) = lower(${name})`
      if (!row) throw new GristmillError('not_found', { kind: 'tenant', id: name })
      return row
    },
    async list({ limit, cursor = '' }, ids) {
      if (ids?.length === 0) return { rows: [], next: null }
      const { sql } = database
      const rows = await sql<Tenant[]>`
        ${select(sql)} where archived_at is null and id > ${cursor}
          ${ids === undefined ? sql`` : sql`and id in ${sql([...ids])}`}
        order by id limit ${limit + 1}`
      return pageOf([...rows], limit, (row) => row.id)
    },
    async responseDays() {
      const rows = await database.sql<{ id: string; days: number }[]>`
        select id, response_days as days from tenants where archived_at is null`
      return new Map(rows.map(({ id, days }) => [id, days]))
    },
    change: async (id, change, actor) =>
      changeTenant(context, id, checked(tenantChange, change), actor),
    archive: (id, actor) =>
      database.transaction(async (sql) => {
        // First of all, as whoever makes or ends something of it does.
        await sql`select 1 from tenants where id = ${id} for update`
        const tenant = await read(sql, id)
        const at = new Date(clock.nowMs())
        const projects = sql`select id from projects where tenant_id = ${id}`
        await sql`
          update keys set revoked_at = ${at}
          where revoked_at is null and project_id in (${projects})`
        await sql`
          update projects set archived_at = ${at} where tenant_id = ${id} and archived_at is null`
        await sql`update tenants set archived_at = ${at} where id = ${id}`
        const detail = { name: tenant.name, keysRevoked: tenant.keyCount }
        const entry = { action: 'tenant.archive', subject: id, tenantId: id, detail }
        await recordAudit(sql, clock, actor, entry)
      }),
  }
}

const select = (sql: Queries) => sql`
  select id, name, weight, classes, default_class as "defaultClass", models, limits,
    response_days as "responseDays", price_plan as "pricePlan",
    time_zone as "timeZone", hue,
    created_at as "createdAt",
    (select count(*)::int from projects p where p.tenant_id = t.id and p.archived_at is null)
      as "projectCount",
    (select count(*)::int from keys k join projects p on p.id = k.project_id
      where p.tenant_id = t.id and p.archived_at is null and k.revoked_at is null) as "keyCount"
  from tenants t`

async function read(sql: Queries, id: string): Promise<Tenant> {
  const [row] = await sql<Tenant[]>`${select(sql)} where id = ${id} and archived_at is null`
  if (!row) throw new GristmillError('not_found', { kind: 'tenant', id })
  return row
}

async function create(context: Context, input: TenantInput, actor: Actor): Promise<Tenant> {
  const { database, clock, random } = context
  const classes = sortedClasses(input.classes ?? serviceClasses)
  const defaultClass = input.defaultClass ?? fallbackClass(classes)
  checkDefaultClass(classes, defaultClass)
  const [id, projectId] = [newId('ten', clock, random), newId('prj', clock, random)]
  const at = new Date(clock.nowMs())
  const limits = mergedLimits(noLimits, input.limits)
  const { name, weight = 1, models = null, responseDays = 0, pricePlan = null } = input
  const { timeZone = 'UTC' } = input
  const work = database.transaction(async (sql) => {
    await sql`
      insert into tenants
        (id, name, weight, classes, default_class, models, limits, response_days, price_plan,
         time_zone, hue, created_at)
      values (${id}, ${name}, ${weight}, ${jsonb(sql, classes)}, ${defaultClass},
        ${jsonb(sql, models)}, ${jsonb(sql, limits)}, ${responseDays}, ${pricePlan},
        ${timeZone}, ${await freeHue(sql)}, ${at})`
    await sql`
      insert into projects (id, tenant_id, name, weight, created_at)
      values (${projectId}, ${id}, 'default', 1, ${at})`
    const kept = { models, limits, responseDays, pricePlan, timeZone }
    const detail = { name, weight, classes, defaultClass, ...kept }
    const entry = { action: 'tenant.create', subject: id, tenantId: id, detail }
    await recordAudit(sql, clock, actor, entry)
    return read(sql, id)
  })
  return work.catch((error: unknown) => refuseDuplicate(error, name))
}

async function changeTenant(
  { database, clock }: Context,
  id: string,
  change: TenantChange,
  actor: Actor,
): Promise<Tenant> {
  const work = database.transaction(async (sql) => {
    await sql`select 1 from tenants where id = ${id} for update`
    const before = await read(sql, id)
    const classes = sortedClasses(change.classes ?? before.classes)
    const defaultClass = change.defaultClass ?? before.defaultClass
    checkDefaultClass(classes, defaultClass)
    const { name = before.name, weight = before.weight } = change
    const { responseDays = before.responseDays, pricePlan = before.pricePlan } = change
    const { timeZone = before.timeZone } = change
    const models = change.models === undefined ? before.models : change.models
    const limits = mergedLimits(before.limits, change.limits)
    await sql`
      update tenants set name = ${name}, weight = ${weight}, classes = ${jsonb(sql, classes)},
        default_class = ${defaultClass}, models = ${jsonb(sql, models)},
        limits = ${jsonb(sql, limits)}, response_days = ${responseDays},
        price_plan = ${pricePlan}, time_zone = ${timeZone}
      where id = ${id}`
    const entry = { action: 'tenant.change', subject: id, tenantId: id, detail: { ...change } }
    await recordAudit(sql, clock, actor, entry)
    return read(sql, id)
  })
  return work.catch((error: unknown) => refuseDuplicate(error, change.name ?? id))
}

const fallbackClass = (classes: Tenant['classes']) =>
  classes.includes('standard') ? 'standard' : (classes[0] ?? 'standard')

function checkDefaultClass(classes: Tenant['classes'], defaultClass: string): void {
  if (classes.some((one) => one === defaultClass)) return
  const reason = `${defaultClass} is not among the classes of the tenant (${classes.join(', ')})`
  throw new GristmillError('invalid_value', { param: 'defaultClass', reason })
}

/** The smallest hue that no living tenant has; the lock keeps two at once from taking the same. */
async function freeHue(sql: Queries): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtext('tenants.hue'))`
  const [row] = await sql<{ hue: number }[]>`
    select hue from generate_series(0, (select count(*)::int from tenants)) as hue
    where not exists (select 1 from tenants t where t.hue = hue.hue and archived_at is null)
    order by hue limit 1`
  return row?.hue ?? 0
}

function refuseDuplicate(error: unknown, name: string): never {
  if (!isDuplicate(error)) throw error
  const reason = `There is already a tenant named ${name}`
  throw new GristmillError('conflict', { reason }, { cause: error })
}
