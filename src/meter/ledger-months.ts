/**
 * The months that requests are kept in: both tables of them are split by ranges of identifiers,
 * which begin with their time. A month is there before it begins, so no request waits for it.
 */
import { type Clock, idsFrom } from '../base/index.ts'
import type { Database, Queries, Transaction } from '../store/index.ts'

const TABLES = ['ledger_intents', 'ledger_settlements'] as const
/**
 * Requests wait behind whoever waits for a lock, so nobody waits long; it is tried again. Less than
 * PostgreSQL's `deadlock_timeout`: statements lock both tables in either order, and where one meets
 * us half-way it is to go on, not to be ended as the one in the wrong.
 */
const LOCK_MS_MAX = 300
/** A young part would be analysed every minute, which takes a second where requests are many. */
const ANALYZE_ROWS = 50_000

export interface Month {
  /** End of the names of its tables. */
  name: string
  /** The least identifier that is after it. */
  untilId: string
}

/** Months in their order, that of before there were months first. */
export async function readMonths(sql: Queries): Promise<Month[]> {
  const rows = await sql<Month[]>`
    select * from (
      select substring(c.relname from ${`${TABLES[0]}_(.*)`}) as name,
        substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']*)''\\)') as "untilId"
      from pg_inherits as p join pg_class as c on c.oid = p.inhrelid
      where p.inhparent = ${TABLES[0]}::regclass) as months
    where "untilId" is not null order by "untilId" collate "C"`
  return [...rows]
}

/**
 * Adds this month and the next where they are missing.
 * @throws what the database throws; `lock_not_available` where somebody reads for long
 */
export async function addMonths(
  database: Pick<Database, 'sql' | 'transaction'>,
  clock: Clock,
): Promise<void> {
  const now = new Date(clock.nowMs())
  // The next one first: nothing is in it yet that could keep it from being made.
  for (const ahead of [1, 0]) {
    const from = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead)
    const to = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead + 1)
    const name = new Date(from).toISOString().slice(0, 7).replace('-', '')
    const month = { name, untilId: idsFrom('req', to) }
    const missingFrom = (months: readonly Month[]) => missing(months, month, idsFrom('req', from))
    if (missingFrom(await readMonths(database.sql)) === null) continue
    await database.transaction(async (sql) => {
      await limitLocks(sql)
      await sql`lock table ledger_drops in share row exclusive mode`
      // Another gateway may have been quicker.
      const fromId = missingFrom(await readMonths(sql))
      if (fromId !== null) await addMonth(sql, month, fromId)
    })
  }
}

/**
 * From where on a month is missing; null where it is there. Parts that are no months, as that of
 * before there were months, may end within it.
 */
function missing(
  months: readonly Month[],
  { name, untilId }: Month,
  fromId: string,
): string | null {
  if (months.some((one) => one.name === name)) return null
  let reached = fromId
  for (const one of months) {
    if (!/^\d+$/.test(one.name) && one.untilId > reached) reached = one.untilId
  }
  return reached < untilId ? reached : null
}

async function addMonth(sql: Transaction, { name, untilId }: Month, fromId: string): Promise<void> {
  // What attaching locks, at once, so that nobody is met half-way for long.
  await sql`lock table ledger_intents_rest, ledger_settlements_rest in access exclusive mode`
  for (const table of TABLES) {
    const part = `${table}_${name}`
    // Made apart and attached, which asks for a weaker lock than making it as a part.
    await sql.unsafe(
      `create table ${part} (like ${table} including defaults including constraints)
        with (autovacuum_analyze_threshold = ${ANALYZE_ROWS})`,
    )
    await moveRest(sql, table, part, `request_id >= '${fromId}' and request_id < '${untilId}'`)
    await sql.unsafe(
      `alter table ${table} attach partition ${part} for values from ('${fromId}') to ('${untilId}')`,
    )
    await sql.unsafe(`create trigger append_only before update or delete or truncate on ${part}
      for each statement execute function ledger_refuse_change()`)
  }
}

/**
 * Takes the requests of a month with it that came before it was there, from a machine that slept
 * for weeks or with a clock that was wrong; as long as they are elsewhere it cannot be attached.
 */
async function moveRest(
  sql: Transaction,
  table: string,
  part: string,
  isOfMonth: string,
): Promise<void> {
  await sql.unsafe(`alter table ${table}_rest disable trigger append_only`)
  await sql.unsafe(`with moved as (delete from ${table}_rest where ${isOfMonth} returning *)
    insert into ${part} select * from moved`)
  await sql.unsafe(`alter table ${table}_rest enable trigger append_only`)
}

/** @throws what the database throws; `lock_not_available` where somebody reads for long */
export async function dropMonth(sql: Transaction, { name }: Month): Promise<void> {
  await limitLocks(sql)
  for (const table of TABLES) await sql.unsafe(`drop table ${table}_${name}`)
}

const limitLocks = (sql: Transaction) => sql.unsafe(`set local lock_timeout = ${LOCK_MS_MAX}`)
