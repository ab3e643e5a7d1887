/**
 * The rules by which groups of a directory give role and tenants. Who is in which group is not
 * known here.
 */
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, recordAudit } from './context.ts'
import { type Actor, type Role, roles } from './types.ts'

export interface AccessRule {
  /** As the directory calls it, letter by letter. */
  group: string
  role: Role
  /** Empty means all, but not for members. */
  tenantIds: string[]
}

/** What somebody may be and reach; as of a person. */
export type Granted = Pick<AccessRule, 'role' | 'tenantIds'>

const RULES_MAX = 500

const accessRule = z
  .strictObject({
    group: z.string().min(1).max(300),
    role: z.enum(roles),
    tenantIds: z.array(z.string().min(1).max(100)).max(200),
  })
  .refine(({ role, tenantIds }) => role !== 'member' || tenantIds.length > 0, {
    path: ['tenantIds'],
    message: 'a member needs at least one tenant',
  })

export const accessRulesInput = z.strictObject({ rules: z.array(accessRule).max(RULES_MAX) })

export interface AccessRules {
  list(sql?: Queries): Promise<AccessRule[]>
  /**
   * Puts rules in place of those there are.
   * @param sql the transaction in which people are looked at anew
   * @throws GristmillError `invalid_value` where a rule names a tenant that is not there
   */
  replace(sql: Queries, rules: readonly AccessRule[], actor: Actor): Promise<void>
}

/**
 * The first rule that fits decides on the role; tenants are those of all rules that fit and give
 * that role, or all where one of them names none.
 * @returns null where no rule fits
 */
export function grantedBy(rules: readonly AccessRule[], groups: readonly string[]): Granted | null {
  const fitting = rules.filter(({ group }) => groups.includes(group))
  const [first] = fitting
  if (first === undefined) return null
  const { role } = first
  const same = fitting.filter((rule) => rule.role === role)
  const isUnbound = same.some(({ tenantIds }) => tenantIds.length === 0)
  const tenantIds = isUnbound ? [] : [...new Set(same.flatMap((rule) => rule.tenantIds))]
  return { role, tenantIds }
}

/** @param context the resources to work with */
export function accessRules({ database, clock }: Context): AccessRules {
  const list = async (sql: Queries = database.sql) => [
    ...(await sql<AccessRule[]>`
      select group_name as "group", role, tenant_ids as "tenantIds"
      from access_rules order by position`),
  ]
  return {
    list,
    async replace(sql, rules, actor) {
      // Two at once wait for each other, and whoever reads rules inside a change waits too.
      await sql`lock table access_rules in share row exclusive mode`
      await checkTenants(sql, rules)
      const rows = rules.map((rule, position) => ({ position, ...rule }))
      await sql`delete from access_rules`
      await sql`
        insert into access_rules (position, group_name, role, tenant_ids)
        select position, "group", role, "tenantIds"
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
          as rule (position int, "group" text, role text, "tenantIds" jsonb)`
      const entry = { action: 'access-rules.change', subject: 'access-rules', tenantId: null }
      await recordAudit(sql, clock, actor, { ...entry, detail: { rules } })
    },
  }
}

async function checkTenants(sql: Queries, rules: readonly AccessRule[]): Promise<void> {
  const named = [...new Set(rules.flatMap((rule) => rule.tenantIds))]
  if (named.length === 0) return
  const known = await sql<{ id: string }[]>`
    select id from tenants where archived_at is null and id in ${sql(named)}`
  const ids = new Set(known.map(({ id }) => id))
  const at = rules.findIndex((rule) => rule.tenantIds.some((id) => !ids.has(id)))
  if (at === -1) return
  const param = `rules.${at}.tenantIds`
  throw new GristmillError('invalid_value', {
    param,
    reason: 'it names a tenant that is not there',
  })
}
