/** The table of prepaid credit; it can only grow. */
import type { Queries } from '../../store/index.ts'
import type { Page, PageRequest } from '../../tenancy/index.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import { textArray } from '../text-array.ts'
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

export async function insertCredit(sql: Queries, credit: Credit): Promise<void> {
  await sql`
    insert into credits (id, tenant_id, budget_id, kind, amount_nanos, note, actor, at)
    values (${credit.id}, ${credit.tenantId}, ${credit.budgetId}, ${credit.kind},
      ${String(credit.nanos)}, ${credit.note}, ${credit.actor}, ${credit.at})`
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
    where (${only}::text is null or tenant_id = any (${only}::text::text[]))
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
