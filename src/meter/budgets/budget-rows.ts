/** The tables of budgets, their counters and the leases on these. */
import { type Queries, type Transaction, textArray } from '../../store/index.ts'
import type { Budget, BudgetUnit } from './budget-types.ts'
import type { CounterState } from './lease-book.ts'
import type { BudgetPeriod } from './period.ts'

interface BudgetRow {
  id: string
  name: string
  tenantId: string
  projectId: string | null
  keyId: string | null
  endUser: string | null
  unit: BudgetUnit
  limit: string
  period: BudgetPeriod
  isHard: boolean
  clamps: boolean
  isPrepaid: boolean
  createdAt: Date
}

/** Budgets that have not ended. @param ids of these; undefined: of all */
export async function readBudgets(sql: Queries, ids?: ReadonlySet<string>): Promise<Budget[]> {
  const rows = await sql<BudgetRow[]>`
    select id, name, tenant_id as "tenantId", project_id as "projectId", key_id as "keyId",
      end_user as "endUser", unit, limit_amount::text as "limit", period, is_hard as "isHard",
      clamps, is_prepaid as "isPrepaid", created_at as "createdAt"
    from budgets where ended_at is null ${among(sql, sql`id`, ids)} order by id`
  return rows.map((row) => ({ ...row, limit: BigInt(row.limit) }))
}

/** One that has not ended, which stays as it is until the transaction ends. */
export async function lockBudget(sql: Transaction, id: string): Promise<Budget | undefined> {
  await sql`select from budgets where id = ${id} for no key update`
  return (await readBudgets(sql, new Set([id])))[0]
}

/** When the last week or month of budgets began of which anything was asked, milliseconds. */
export async function readBegun(
  sql: Queries,
  ids?: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; atMs: number }[]>`
    select b.id, (extract(epoch from last.at) * 1000)::float8 as "atMs"
    from budgets as b cross join lateral (
      select max(period_start) as at from budget_counters where budget_id = b.id) as last
    where b.ended_at is null and b.period in ('week', 'month') and last.at is not null
      ${among(sql, sql`b.id`, ids)}`
  return new Map(rows.map(({ id, atMs }) => [id, atMs]))
}

const among = (sql: Queries, column: ReturnType<Queries>, ids?: ReadonlySet<string>) =>
  ids === undefined ? sql`` : sql`and ${column} = any (${textArray([...ids])}::text[])`

export async function insertBudget(sql: Queries, budget: Budget): Promise<void> {
  await sql`
    insert into budgets (id, name, tenant_id, project_id, key_id, end_user, unit, limit_amount,
      period, is_hard, clamps, is_prepaid, created_at)
    values (${budget.id}, ${budget.name}, ${budget.tenantId}, ${budget.projectId},
      ${budget.keyId}, ${budget.endUser}, ${budget.unit}, ${String(budget.limit)},
      ${budget.period}, ${budget.isHard}, ${budget.clamps},
      ${budget.isPrepaid}, ${budget.createdAt})`
}

export async function updateBudget(sql: Queries, budget: Budget): Promise<void> {
  await sql`
    update budgets set name = ${budget.name}, limit_amount = ${String(budget.limit)},
      is_hard = ${budget.isHard}, clamps = ${budget.clamps}
    where id = ${budget.id}`
}

/** @returns false where there is none */
export async function endBudget(sql: Queries, id: string, at: Date): Promise<boolean> {
  const rows = await sql`
    update budgets set ended_at = ${at} where id = ${id} and ended_at is null returning id`
  return rows.length > 0
}

export interface Leased {
  granted: bigint
  state: CounterState
}

/**
 * Leases more of a counter.
 * @param need what is needed at least; 0 asks for nothing but how it stands
 * @param want what would be good to have
 */
export async function leaseBudget(
  sql: Queries,
  counterId: string,
  holder: string,
  { need, want }: { need: bigint; want: bigint },
  ttlMs: number,
): Promise<Leased> {
  const [row] = await sql<Record<'granted' | 'spent' | 'leased' | 'most', string>[]>`
    select granted::text, spent::text, leased::text, limit_amount::text as most
    from lease_budget(${counterId}, ${holder}, ${String(need)}::int8, ${String(want)}::int8,
      ${ttlMs}::int)`
  if (!row) throw new Error(`the counter ${counterId} has no budget`)
  const [spent, leased, limit] = [BigInt(row.spent), BigInt(row.leased), BigInt(row.most)]
  return { granted: BigInt(row.granted), state: { spent, leased, limit } }
}

export async function releaseBudget(
  sql: Queries,
  counterId: string,
  holder: string,
  amount: bigint,
): Promise<void> {
  await sql`select release_budget(${counterId}, ${holder}, ${String(amount)}::int8)`
}

/**
 * Puts off the end of leases.
 * @returns counters of those that were still there
 */
export async function renewLeases(
  sql: Queries,
  leases: readonly { counterId: string; holder: string }[],
  ttlMs: number,
): Promise<string[]> {
  const rows = await sql<{ counterId: string }[]>`
    with mine as materialized (
      select l.counter_id, l.holder from budget_leases l
      join json_to_recordset(${JSON.stringify(leases)}::text::json)
        as given ("counterId" text, holder text)
        on given."counterId" = l.counter_id and given.holder = l.holder
      where l.expires_at > clock_timestamp()
      order by l.counter_id, l.holder for update of l
    )
    update budget_leases l
    set expires_at = clock_timestamp() + ${ttlMs}::int * interval '1 millisecond'
    from mine where l.counter_id = mine.counter_id and l.holder = mine.holder
    returning l.counter_id as "counterId"`
  return rows.map(({ counterId }) => counterId)
}

/** Ends the leases of all holders whose names begin so, but for one and what belongs to it. */
export async function expireLeases(sql: Queries, prefix: string, except: string): Promise<void> {
  await sql`
    update budget_leases set expires_at = clock_timestamp()
    where starts_with(holder, ${prefix}) and not starts_with(holder, ${except})
      and expires_at > clock_timestamp()`
}

/** Takes from holders that are gone what their open requests do not need. @returns how many */
export async function reclaimLeases(sql: Queries): Promise<number> {
  const [row] = await sql<{ reclaimed: number }[]>`select reclaim_budget_leases() as reclaimed`
  return row?.reclaimed ?? 0
}

/** Counters that settled requests have spent of since it was last booked. */
export async function notedCounters(sql: Queries): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select counter_id as id from budget_spends group by counter_id`
  return rows.map(({ id }) => id)
}

/** Books in counters and their leases what settled requests have spent of them. */
export async function bookSpends(sql: Queries, counterIds: readonly string[]): Promise<void> {
  await sql`select book_budget_spends(${textArray(counterIds)}::text[])`
}

/** Counters deleted at once. */
const FORGOTTEN_MAX = 50_000

/**
 * Deletes counters of periods that were over long ago: every end user may have one in every hour.
 * What is still set aside there stays.
 */
export async function forgetCounters(sql: Queries): Promise<void> {
  await sql`
    delete from budget_counters where id = any (array(
      select c.id from budgets as b join budget_counters as c on c.budget_id = b.id
      where b.period <> 'total' and c.period_start < now() - interval '62 days' and c.leased = 0
        and not exists (select from budget_leases as l where l.counter_id = c.id)
        and not exists (select from budget_spends as s where s.counter_id = c.id)
      limit ${FORGOTTEN_MAX} for update of c skip locked))`
}

/** How counters stand with what is noted; those that nothing was ever asked of are missing. */
export async function readCounters(
  sql: Queries,
  counterIds: readonly string[],
): Promise<Map<string, { spent: bigint; leased: bigint }>> {
  const rows = await sql<{ id: string; spent: string; leased: string }[]>`
    with asked as materialized (
      select distinct id from unnest(${textArray(counterIds)}::text[]) as given (id)
    ), noted as (
      select counter_id, holder, sum(amount)::int8 as amount
      from asked join budget_spends on counter_id = asked.id group by counter_id, holder
    ), unbooked as (
      select n.counter_id, sum(n.amount)::int8 as spent,
        sum(least(coalesce(l.amount, 0), n.amount))::int8 as taken
      from noted as n left join budget_leases as l
        on l.counter_id = n.counter_id and l.holder = n.holder
      group by n.counter_id
    )
    select coalesce(c.id, u.counter_id) as id,
      (coalesce(c.spent, 0) + coalesce(u.spent, 0))::text as spent,
      (coalesce(c.leased, 0) - coalesce(u.taken, 0))::text as leased
    from (select budget_counters.* from asked join budget_counters using (id)) as c
    full join unbooked as u on u.counter_id = c.id`
  return new Map(
    rows.map(({ id, spent, leased }) => [id, { spent: BigInt(spent), leased: BigInt(leased) }]),
  )
}
