/** What every part of this room works with, and the two habits they share: paging and auditing. */
import type { Clock, Random } from '../base/index.ts'
import type { Database, Queries } from '../store/index.ts'
import type { Actor, AuditEntry, Page } from './types.ts'

export interface Context {
  database: Database
  clock: Clock
  random: Random
}

/** Runs a change and writes its audit row in the same transaction, so neither exists alone. */
export async function recordAudit(
  sql: Queries,
  clock: Clock,
  actor: Actor,
  entry: AuditEntry,
): Promise<void> {
  await sql`
    insert into audit_log (at, actor, action, subject, tenant_id, detail, came_from)
    values (${new Date(clock.nowMs())}, ${actor.name}, ${entry.action}, ${entry.subject},
      ${entry.tenantId}, ${JSON.stringify(entry.detail)}::text::jsonb, ${actor.from})`
}

/**
 * Makes a page of rows that were read with one more than the page holds.
 * @param cursorOf the row's place in the order of the list
 */
export function pageOf<Row>(rows: Row[], limit: number, cursorOf: (row: Row) => string): Page<Row> {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  return { rows: kept, next: rows.length > limit && last ? cursorOf(last) : null }
}

/** True where PostgreSQL refused a row because another has the same unique value. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505'
}

/** A list or object as a jsonb parameter. */
export function jsonb(sql: Queries, value: unknown) {
  return value === null ? null : sql`${JSON.stringify(value)}::text::jsonb`
}
