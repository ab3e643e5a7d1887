/** The chain of hashes over the audit log: reading it in order, and finding where it is broken. */
import type { Database, Queries } from '../store/index.ts'
import type { AuditFilter } from './audit.ts'
import type { ChainedAudit } from './types.ts'

export interface AuditCheck {
  /** Rows whose hashes are right, from the first on. */
  rows: number
  /** The last of them, to be kept elsewhere and compared later; null where there is none. */
  head: { seq: number; hash: string } | null
  /** The first place where it is broken; null where it is whole. */
  broken: { seq: number | null; auditId: string | null; reason: string } | null
}

interface LinkRow {
  seq: number
  auditId: string
  hash: string
  /** Hash that it should have; null where its row is gone. */
  shouldBe: string | null
}

const LINKS_AT_ONCE = 5000

export type ChainFilter = Pick<AuditFilter, 'action' | 'withinTenantIds'>

/** Rows of the chain after a place, in its order. @param after 0: from the first on */
export async function chainAfter(
  sql: Queries,
  after: number,
  rowsMax: number,
  { action, withinTenantIds: within }: ChainFilter = {},
): Promise<ChainedAudit[]> {
  if (within?.length === 0) return []
  return sql<ChainedAudit[]>`
    select c.seq::int as seq, c.hash, a.id::text as id, a.at, a.actor, a.action, a.subject,
      a.tenant_id as "tenantId", a.detail, a.came_from as "from"
    from audit_chain c join audit_log a on a.id = c.audit_id
    where c.seq > ${after}
      ${action === undefined ? sql`` : sql`and starts_with(a.action, ${action})`}
      ${within === undefined ? sql`` : sql`and a.tenant_id in ${sql([...within])}`}
    order by c.seq limit ${rowsMax}`
}

/** Looks at every link. */
export async function checkChain(database: Database): Promise<AuditCheck> {
  let head: AuditCheck['head'] = null
  for (;;) {
    const links = await linksAfter(database, head)
    for (const link of links) {
      const { seq, auditId, hash } = link
      const reason = whyBroken(link, (head?.seq ?? 0) + 1)
      if (reason !== null) return { rows: head?.seq ?? 0, head, broken: { seq, auditId, reason } }
      head = { seq, hash }
    }
    if (links.length < LINKS_AT_ONCE) break
  }
  return { rows: head?.seq ?? 0, head, broken: await strayRow(database) }
}

async function linksAfter({ sql }: Database, head: AuditCheck['head']): Promise<LinkRow[]> {
  const { seq, hash } = head ?? { seq: 0, hash: '' }
  return sql<LinkRow[]>`
    select c.seq::int as seq, c.audit_id::text as "auditId", c.hash,
      case when a.id is null then null else
        audit_hash(coalesce(lag(c.hash) over (order by c.seq), ${hash}), a) end as "shouldBe"
    from audit_chain c left join audit_log a on a.id = c.audit_id
    where c.seq > ${seq} order by c.seq limit ${LINKS_AT_ONCE}`
}

function whyBroken({ seq, hash, shouldBe }: LinkRow, expected: number): string | null {
  if (seq !== expected) return `the links ${expected} to ${seq - 1} are gone`
  if (shouldBe === null) return 'its row is gone'
  return hash === shouldBe ? null : 'its row or its link was changed'
}

/** A row that was put in beside the chain. */
async function strayRow({ sql }: Database): Promise<AuditCheck['broken']> {
  const [row] = await sql<{ id: string }[]>`
    select a.id::text as id from audit_log a left join audit_chain c on c.audit_id = a.id
    where c.seq is null order by a.id limit 1`
  return row ? { seq: null, auditId: row.id, reason: 'it is not in the chain' } : null
}

/** A row of the log as a line of JSON, as it is exported and sent. */
export function auditLine({ at, ...row }: ChainedAudit): string {
  const { seq, hash, id, actor, action, subject, tenantId, detail, from } = row
  const rest = { actor, action, subject, tenantId, detail, from }
  return JSON.stringify({ seq, hash, id, at: at.toISOString(), ...rest })
}
