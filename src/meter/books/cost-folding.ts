/**
 * Making sums of engine minutes: of each hour of the running day that is over, then of the day, so
 * that there are few. The same code adds minutes up here that would add them up for a page.
 */
import { type Clock, type Logger, Rounds } from '../../base/index.ts'
import type { Database, Queries, Transaction } from '../../store/index.ts'
import { ChargebackSum } from './chargeback.ts'
import { idleCauses } from './chargeback-types.ts'
import { settledByClass } from './class-shares.ts'
import type { CostSpan } from './cost-span.ts'
import { changesOf, changeTimes, holds } from './cost-sums.ts'
import { engineCosts } from './engine-costs.ts'
import { readEngineMinutes } from './engine-minutes.ts'
import { readWeights, weightSpans } from './weights.ts'

/** A time that is to be summed up. */
interface Wanted {
  fromMs: number
  untilMs: number
}

interface Claim extends Wanted {
  id: string
  /** Where its parts begin. */
  partsMs: number[]
}

type Fragment = ReturnType<Queries>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Minutes are written when they have ended. */
const WRITTEN_MS = 120_000
const FOLD_EVERY_MS = 600_000
/** After each time that was summed up: others want the processor and the disk as well. */
const REST_MS = 200
/** Any number, the same for every gateway. */
const LOCK_KEY = 7_147_011

/**
 * Sums up hours and days that are over, the newest first.
 * @param goesOn asked after each, and waited for
 * @returns how many
 */
export async function foldCosts(
  database: Pick<Database, 'sql' | 'transaction'>,
  clock: Clock,
  goesOn: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<number> {
  let folded = 0
  for (const wanted of await readWanted(database.sql, clock.nowMs())) {
    if (await fold(database, wanted)) folded++
    if (!(await goesOn())) break
  }
  return folded
}

/** Sums up what is over until it is stopped. */
export function keepCostsFolded(
  database: Pick<Database, 'sql' | 'transaction'>,
  clock: Clock,
  logger: Logger,
): Rounds {
  const rounds = new Rounds(clock, FOLD_EVERY_MS, async () => {
    try {
      await foldCosts(database, clock, async () => {
        await clock.sleep(REST_MS)
        return !rounds.isStopped
      })
    } catch (error) {
      logger.warn(
        { err: error },
        'minutes of engines were not summed up; tried again in ten minutes',
      )
    }
  })
  rounds.start()
  return rounds
}

/** Hours of the running day and days before it that have minutes, and no sums that hold. */
function readWanted(sql: Queries, nowMs: number): Promise<Wanted[]> {
  const overMs = Math.floor((nowMs - WRITTEN_MS) / HOUR_MS) * HOUR_MS
  const todayMs = Math.floor(overMs / DAY_MS) * DAY_MS
  const times = (first: Fragment, last: Fragment, step: Fragment): Fragment => sql`
    select time as from_at, time + ${step} as until_at
    from generate_series(${first}, ${last}, ${step}) as time`
  const firstDay: Fragment = sql`(select date_bin('1 day', min(minute_at), 'epoch') from engine_minutes)`
  return sql<Wanted[]>`
    with ${changeTimes(sql)}, held as (
      select from_at, until_at from cost_sums, change_times where ${holds(sql)}
    ), wanted as (
      ${times(firstDay, at(sql, todayMs - DAY_MS), sql`interval '24 hours'`)}
      union all ${times(at(sql, todayMs), at(sql, overMs - HOUR_MS), sql`interval '1 hour'`)}
    )
    select ${msOf(sql, sql`from_at`)} as "fromMs", ${msOf(sql, sql`until_at`)} as "untilMs"
    from wanted as w
    where exists (select from engine_minutes where minute_at >= from_at and minute_at < until_at)
      and not exists (
        select from held as h where h.from_at <= w.from_at and h.until_at >= w.until_at)
    order by from_at desc`
}

/** @returns false where something of it changed meanwhile */
async function fold(
  database: Pick<Database, 'sql' | 'transaction'>,
  wanted: Wanted,
): Promise<boolean> {
  const claim = await claimTime(database, wanted)
  const rows = await sumUp(database.sql, claim)
  return await database.transaction((sql) => keep(sql, claim, rows))
}

/** From now on whoever writes a minute of it, or settles as of it, takes the claim away. */
function claimTime(
  database: Pick<Database, 'transaction'>,
  { fromMs, untilMs }: Wanted,
): Promise<Claim> {
  return database.transaction(async (sql) => {
    // What is being written is waited for: it did not see the claim, but what follows sees it.
    await sql`lock table engine_minutes, only ledger_settlements in share mode`
    const [row] = await sql<{ id: string; partsMs: number[] }[]>`
      with ${changeTimes(sql)}, time as (
        select ${at(sql, fromMs)} as from_at, ${at(sql, untilMs)} as until_at
      )
      insert into cost_sums (from_at, until_at, splits, changes)
      select from_at, until_at, array(
          select date_bin('1 minute', moment, 'epoch') as split
          from unnest(weights || costs || edges) as moment
          where moment >= from_at and moment < until_at
            and date_bin('1 minute', moment, 'epoch') > from_at
          group by 1 order by 1),
        ${changesOf(sql)}
      from time, change_times
      returning id::text, (select json_agg(extract(epoch from part) * 1000 order by part)
        from unnest(from_at || splits) as part) as "partsMs"`
    return { fromMs, untilMs, ...(row as Omit<Claim, keyof Wanted>) }
  })
}

/** As JSON, for the tables of the same names. */
interface Rows {
  engines: unknown[]
  tenants: unknown[]
}

async function sumUp(sql: Queries, { fromMs, untilMs, partsMs }: Claim): Promise<Rows> {
  const costs = await engineCosts(sql)
  const weights = weightSpans(await readWeights(sql, fromMs, untilMs))
  const rows: Rows = { engines: [], tenants: [] }
  for (const [index, partMs] of partsMs.entries()) {
    const sum = new ChargebackSum(costs, weights)
    const minutes = readEngineMinutes(sql, partMs, partsMs[index + 1] ?? untilMs)
    for await (const minute of minutes) sum.add(minute)
    for (const span of sum.spans) addRows(rows, partMs, span)
  }
  return rows
}

/** Counts that are below 2^53 are numbers, others text. */
function addRows({ engines, tenants }: Rows, partMs: number, span: CostSpan): void {
  const { engineId, registeredUs, idle, uses, lentByWeight } = span
  const key = { part_ms: partMs, engine_id: engineId }
  const causes = idleCauses.map((cause) => [cause, Number(idle.get(cause) ?? 0n)] as const)
  engines.push({
    ...key,
    registered: Number(registeredUs),
    ...Object.fromEntries(causes),
    lent_by_weight: String(lentByWeight),
  })
  for (const [tenantId, { usedUs, entitledUs, lent, microUnits, waste }] of uses) {
    tenants.push({
      ...key,
      tenant_id: tenantId,
      used: Number(usedUs),
      entitled: Number(entitledUs),
      lent: String(lent),
      micro_units: String(microUnits),
      waste: Object.fromEntries([...waste].map(([cause, units]) => [cause, Number(units)])),
    })
  }
}

/** In the place of what there was of the time. */
async function keep(sql: Transaction, { id }: Claim, { engines, tenants }: Rows): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(${LOCK_KEY})`
  const [claim] = await sql`
    with ${changeTimes(sql)}
    select id from cost_sums, change_times
    where id = ${id} and changes = ${changesOf(sql)} for update of cost_sums`
  if (claim === undefined) {
    await sql`delete from cost_sums where id = ${id}`
    return false
  }
  await sql`
    delete from cost_sums as s using cost_sums as mine
    where mine.id = ${id} and s.id <> mine.id and not s.is_alone
      and s.from_at < mine.until_at and s.until_at > mine.from_at`
  await sql`
    insert into cost_sum_engines
    select ${id}::int8, to_timestamp(part_ms / 1000), engine_id, registered, free, drained, loading,
      down, calibration, unmeasured, lent_by_weight
    from json_to_recordset(${JSON.stringify(engines)}::text::json) as given (
      part_ms float8, engine_id text, registered int8, free int8, drained int8, loading int8,
      down int8, calibration int8, unmeasured int8, lent_by_weight numeric)`
  await sql`
    insert into cost_sum_tenants
    select ${id}::int8, to_timestamp(part_ms / 1000), engine_id, tenant_id, used, entitled, lent,
      micro_units, waste
    from json_to_recordset(${JSON.stringify(tenants)}::text::json) as given (
      part_ms float8, engine_id text, tenant_id text, used int8, entitled int8, lent numeric,
      micro_units int8, waste jsonb)`
  await sql`
    insert into cost_sum_classes
    select id, parts[width_bucket(settled_at, parts)], tenant_id, served_class, engine_id,
      rented_target, model, sum(units), sum(nanos)
    from (select id, from_at || splits as parts, from_at, until_at from cost_sums) as mine,
      lateral (${settledByClass(sql, sql`from_at`, sql`until_at`)}) as settled
    where id = ${id} group by 1, 2, 3, 4, 5, 6, 7`
  await sql`update cost_sums set is_ready = true where id = ${id}`
  return true
}

const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
const msOf = (sql: Queries, time: Fragment): Fragment =>
  sql`(extract(epoch from ${time}) * 1000)::float8`
