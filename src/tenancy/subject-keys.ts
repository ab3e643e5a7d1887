/**
 * Keys of those who call with tokens: they have no secret, and are there so that what is asked for
 * with a token has a name in the ledger, limits, and an end.
 */
import { GristmillError, newId } from '../base/index.ts'
import type { Queries } from '../store/index.ts'
import { type Context, jsonb, recordAudit } from './context.ts'
import { noLimits } from './inputs.ts'
import { projectOf } from './keys.ts'

export interface Subject {
  /** Issuer and `sub`. */
  subject: string
  name: string
  /** For the audit log. */
  actorName: string
  tenantId: string
  serviceAccountId: string | null
}

export interface SubjectKeys {
  /**
   * The key of a subject in a tenant, made where there is none and going on where it was stopped.
   * One that ended with its project is followed by one in the oldest that is left.
   * @returns its id
   * @throws GristmillError `token_invalid` where somebody has revoked it
   */
  of(subject: Subject): Promise<string>
  /**
   * Stops the keys of a subject until a token of theirs is good again.
   * @param sql the transaction in which the reason is written
   */
  suspend(sql: Queries, subjects: readonly string[]): Promise<void>
}

interface Row {
  id: string
  revokedAt: Date | null
  suspendedAt: Date | null
}

/** @param context the resources to work with */
export function subjectKeys(context: Context): SubjectKeys {
  const { database, clock } = context
  return {
    of: async (subject) => {
      const { sql } = database
      const found = (await find(sql, subject)) ?? (await make(context, subject))
      if (found.revokedAt !== null) {
        throw new GristmillError('token_invalid', { reason: 'the key of its subject is revoked' })
      }
      if (found.suspendedAt !== null) {
        await sql`update keys set suspended_at = null where id = ${found.id}`
      }
      return found.id
    },
    async suspend(sql, subjects) {
      if (subjects.length === 0) return
      await sql`
        update keys set suspended_at = ${new Date(clock.nowMs())}
        where subject in ${sql([...subjects])} and suspended_at is null`
    },
  }
}

/** One that ended with its project is none: nobody has meant whom the token stands for. */
async function find(sql: Queries, { subject, tenantId }: Subject): Promise<Row | undefined> {
  const [row] = await sql<Row[]>`
    select k.id, k.revoked_at as "revokedAt", k.suspended_at as "suspendedAt"
    from keys k join projects p on p.id = k.project_id
    where k.subject = ${subject} and p.tenant_id = ${tenantId}
      and (p.archived_at is null or k.revoked_at <> p.archived_at)
    order by k.id limit 1`
  return row
}

/** Of two gateways at once one makes it. */
async function make(context: Context, subject: Subject): Promise<Row> {
  const { database, clock, random } = context
  const { tenantId, name, actorName, serviceAccountId } = subject
  return database.transaction(async (sql) => {
    await sql`select pg_advisory_xact_lock(hashtext(${`keys.subject ${subject.subject}`}))`
    const known = await find(sql, subject)
    if (known) return known
    const id = newId('key', clock, random)
    const projectId = await projectOf(sql, tenantId, undefined)
    const scopes = ['inference']
    await sql`
      insert into keys (id, project_id, name, hint, scopes, limits, created_at, subject,
        service_account_id)
      values (${id}, ${projectId}, ${name}, '', ${jsonb(sql, scopes)}, ${jsonb(sql, noLimits)},
        ${new Date(clock.nowMs())}, ${subject.subject}, ${serviceAccountId})`
    const actor = { name: actorName, from: 'local' }
    const detail = { name, projectId, scopes, subject: subject.subject }
    await recordAudit(sql, clock, actor, { action: 'key.create', subject: id, tenantId, detail })
    return { id, revokedAt: null, suspendedAt: null }
  })
}
