/** The table of prepaid credit; it can only grow. */
import { GristmillError } from '../../base/index.ts'
import { type Queries, textArray } from '../../store/index.ts'
import type { Page, PageRequest } from '../../tenancy/index.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import type { CreditKind } from './credit-input.ts'

export interface Credit {
  id: string
  tenantId: string
  budgetId: string
  kind: CreditKind
  /** By how much the tenant has more. */
  nanos: bigint
  note: string
  actor: string
  at: Date
}

/** @param spent of all credit of the tenant until then, nanos */
export async function insertCredit(sql: Queries, credit: Credit, spent: bigint): Promise<void> {
  await sql`
    insert into credits (id, tenant_id, budget_id, kind, amount_nanos, note, actor, at, spent_nanos)
    values (${credit.id}, ${credit.tenantId}, ${credit.budgetId}, ${credit.kind},
      ${String(credit.nanos)}, ${credit.note}, ${credit.actor}, ${credit.at}, ${String(spent)})`
}

/** The last time that credit was paid in. */
export interface LastTopUp {
  atMs: number
  /** Until then, of all credit, nanos. */
  spentBefore: bigint
  /** What there was then, with what rows after it changed, nanos. */
  limit: bigint
}

/** By budget; those are missing where it was before what is spent was noted. */
export async function readLastTopUps(sql: Queries): Promise<Map<string, LastTopUp>> {
  const rows = await sql<{ id: string; atMs: number; spentBefore: string; limit: string }[]>`
    select b.id, (extract(epoch from t.at) * 1000)::float8 as "atMs",
      t.spent_nanos::text as "spentBefore", (b.limit_amount - t.spent_nanos)::text as "limit"
    from budgets as b cross join lateral (
      select at, spent_nanos from credits
      where tenant_id = b.tenant_id and budget_id = b.id and kind = 'top_up'
      order by id desc limit 1) as t
    where b.is_prepaid and b.ended_at is null and t.spent_nanos is not null`
  return new Map(
    rows.map(({ id, atMs, spentBefore, limit }) => [
      id,
      { atMs, spentBefore: BigInt(spentBefore), limit: BigInt(limit) },
    ]),
  )
}

/** What somebody sent along so that it is booked once, and what it was sent with. */
export interface CreditKey {
  actor: string
  key: string
  bodySha256: string
}

/**
 * What was booked by a key. Of requests with the same one at once, the second waits here for the
 * end of the first.
 * @throws GristmillError `idempotency_key_reused` where it was something else
 */
export async function findByKey(
  sql: Queries,
  { actor, key, bodySha256 }: CreditKey,
): Promise<Credit | undefined> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`credit ${actor} ${key}`}, 0))`
  const [row] = await sql<(Omit<Credit, 'nanos'> & { nanos: string; bodySha256: string })[]>`
    select c.id, c.tenant_id as "tenantId", c.budget_id as "budgetId", c.kind,
      c.amount_nanos::text as nanos, c.note, c.actor, c.at, k.body_sha256 as "bodySha256"
    from credit_keys as k join credits as c on c.id = k.credit_id
    where k.actor = ${actor} and k.key = ${key}`
  if (row === undefined) return undefined
  const { bodySha256: before, ...credit } = row
  if (before !== bodySha256) throw new GristmillError('idempotency_key_reused')
  return { ...credit, nanos: BigInt(credit.nanos) }
}

export async function insertKey(
  sql: Queries,
  { actor, key, bodySha256 }: CreditKey,
  creditId: string,
): Promise<void> {
  await sql`
    insert into credit_keys (actor, key, body_sha256, credit_id)
    values (${actor}, ${key}, ${bodySha256}, ${creditId})`
}

/** The newest first. @param tenantIds undefined: of all */
export async function readCredits(
  sql: Queries,
  tenantIds: readonly string[] | undefined,
  { limit, cursor }: PageRequest,
): Promise<Page<Credit>> {
  const [before] = cursor === undefined ? [null] : decodeCursor(cursor, 1)
  const only = tenantIds === undefined ? null : textArray(tenantIds)
  const rows = await sql<(Omit<Credit, 'nanos'> & { nanos: string })[]>`
    select id, tenant_id as "tenantId", budget_id as "budgetId", kind,
      amount_nanos::text as nanos, note, actor, at
    from credits
    where (${only}::text is null or tenant_id = any (${only}::text[]))
      and (${before ?? null}::text is null or id < ${before ?? null}::text collate "C")
    order by id desc limit ${limit + 1}`
  const page = rows.slice(0, limit).map((row) => ({ ...row, nanos: BigInt(row.nanos) }))
  const last = rows.length > limit ? page.at(-1) : undefined
  return { rows: page, next: last === undefined ? null : encodeCursor([last.id]) }
}

export interface PrepaidAccount {
  budgetId: string
  counterId: string
  limit: bigint
  spent: bigint
  leased: bigint
}

/** How the credit of a tenant stands, which stays so until the transaction ends. */
export async function lockPrepaid(
  sql: Queries,
  tenantId: string,
): Promise<PrepaidAccount | undefined> {
  // Two that begin at once would both find nothing.
  await sql`select from tenants where id = ${tenantId} for no key update`
  const [budget] = await sql<{ id: string }[]>`
    select id from budgets where tenant_id = ${tenantId} and is_prepaid and ended_at is null`
  return budget && lockAccount(sql, budget.id)
}

/** The counter first, as whoever leases of it does. */
export async function lockAccount(sql: Queries, budgetId: string): Promise<PrepaidAccount> {
  const counterId = `${budgetId}|0|`
  await sql`select book_budget_spends(array[${counterId}::text])`
  const [counter] = await sql<Record<'spent' | 'leased', string>[]>`
    select spent::text, leased::text from budget_counter(${counterId})`
  const [budget] = await sql<{ most: string }[]>`
    select limit_amount::text as most from budgets where id = ${budgetId} for no key update`
  return {
    budgetId,
    counterId,
    limit: BigInt(budget?.most ?? 0),
    spent: BigInt(counter?.spent ?? 0),
    leased: BigInt(counter?.leased ?? 0),
  }
}
