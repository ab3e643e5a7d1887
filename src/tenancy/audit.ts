/** Reading the audit log: who changed what, when and from where. It can only grow. */
import type { Queries } from '../store/index.ts'
import { type Context, pageOf, recordAudit } from './context.ts'
import type { Actor, AuditEntry, AuditRecord, Page, PageRequest } from './types.ts'

export interface AuditFilter {
  tenantId?: string | undefined
  /** Beginning of the action, such as `key.`. */
  action?: string | undefined
  /** Only what concerns these tenants; undefined means everything. */
  withinTenantIds?: readonly string[] | undefined
}

export interface AuditLog {
  /**
   * Writes a row about a change made outside this room, such as of a user or an engine.
   * @param sql the transaction of that change, so that neither exists without the other
   */
  record(actor: Actor, entry: AuditEntry, sql?: Queries): Promise<void>
  /** Newest first. */
  list(filter: AuditFilter, page: PageRequest): Promise<Page<AuditRecord>>
}

/** @param context the resources to work with */
export function auditLog({ database, clock }: Context): AuditLog {
  return {
    record: (actor, entry, sql = database.sql) => recordAudit(sql, clock, actor, entry),
    async list(filter, { limit, cursor }) {
      const { sql } = database
      const within = filter.withinTenantIds
      if (within?.length === 0) return { rows: [], next: null }
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
      const rows = await sql<AuditRecord[]>`
        select id::text as id, at, actor, action, subject, tenant_id as "tenantId", detail,
          came_from as "from"
        from audit_log
        where audit_log.id < ${Number.isSafeInteger(before) ? before : 0}
          ${filter.tenantId === undefined ? sql`` : sql`and tenant_id = ${filter.tenantId}`}
          ${filter.action === undefined ? sql`` : sql`and starts_with(action, ${filter.action})`}
          ${within === undefined ? sql`` : sql`and tenant_id in ${sql([...within])}`}
        order by audit_log.id desc limit ${limit + 1}`
      return pageOf([...rows], limit, (row) => row.id)
    },
  }
}
