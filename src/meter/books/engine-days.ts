/**
 * How long engines were there and idle, by day. Days that are over are summed up once; the others,
 * and those in which a cost changed, are read from their minutes.
 */
import { type Clock, type Logger, Rounds } from '../../base/index.ts'
import type { Database, Queries, Transaction } from '../../store/index.ts'

/** Microseconds; a minute that several gateways watched is no longer for that. */
export interface EngineDay {
  engineId: string
  dayMs: number
  /** Before how many changes of a cost it was. */
  changes: number
  registered: number
  idle: number
}

type Fragment = ReturnType<Queries>

const DAY_MS = 86_400_000
const FOLD_EVERY_MS = 600_000

/** @param fromMs start of a day; @param changesMs when a cost changes, in order */
export async function readEngineDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  const days = await sql<Omit<EngineDay, 'changes'>[]>`
    select engine_id as "engineId", ${msOf(sql, sql`day_at`)} as "dayMs",
      registered_us as registered, idle_us as idle
    from engine_days
    where day_at >= ${at(sql, fromMs)} and day_at + interval '1 day' <= ${at(sql, toMs)}`
  const changesIn = ({ dayMs }: { dayMs: number }) =>
    changesMs.some((ms) => ms > dayMs && ms < dayMs + DAY_MS)
  const whole = days
    .filter((day) => !changesIn(day))
    .map((day) => ({ ...day, changes: changesMs.filter((ms) => ms <= day.dayMs).length }))
  const known = new Set(whole.map(({ dayMs }) => dayMs))
  const rest = await Promise.all(
    gapsOf(known, fromMs, toMs).map(([from, to]) => readMinutes(sql, from, to, changesMs)),
  )
  return [...whole, ...rest.flat()]
}

/** Times without the days that are known, the first first. */
function gapsOf(known: ReadonlySet<number>, fromMs: number, toMs: number): [number, number][] {
  const gaps: [number, number][] = []
  for (let dayMs = fromMs; dayMs < toMs; dayMs += DAY_MS) {
    if (known.has(dayMs)) continue
    const untilMs = Math.min(dayMs + DAY_MS, toMs)
    const last = gaps.at(-1)
    if (last?.[1] === dayMs) last[1] = untilMs
    else gaps.push([dayMs, untilMs])
  }
  return gaps
}

async function readMinutes(
  sql: Queries,
  fromMs: number,
  toMs: number,
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  const changes: Fragment = sql`
    array(select to_timestamp(value::float8 / 1000) from
      jsonb_array_elements_text(${JSON.stringify(changesMs)}::text::jsonb) as value order by 1)`
  return await sql<EngineDay[]>`
    select engine_id as "engineId", ${msOf(sql, dayOf(sql, sql`minute_at`))} as "dayMs",
      width_bucket(minute_at, ${changes}) as changes, ${sums(sql)}
    from (${minutes(sql, fromMs, toMs)}) as minutes group by 1, 2, 3`
}

/** Sums up days that are over. @returns how many */
export async function foldEngineDays(
  database: Pick<Database, 'sql' | 'transaction'>,
  clock: Clock,
): Promise<number> {
  const todayMs = Math.floor(clock.nowMs() / DAY_MS) * DAY_MS
  const days = await database.sql<{ dayMs: number }[]>`
    select ${msOf(database.sql, database.sql`day`)} as "dayMs"
    from generate_series(
      (select ${dayOf(database.sql, database.sql`min(minute_at)`)} from engine_minutes),
      ${at(database.sql, todayMs - DAY_MS)}, '1 day') as day
    where exists (select from engine_minutes
        where minute_at >= day and minute_at < day + interval '1 day')
      and not exists (select from engine_days where day_at = day)`
  for (const { dayMs } of days) {
    await database.transaction(async (sql) => {
      // What is being written is waited for, and what is written after this takes the day out.
      await sql`lock table engine_minutes in share mode`
      await sql`
        insert into engine_days (engine_id, day_at, registered_us, idle_us)
        select engine_id, ${at(sql, dayMs)}, ${sums(sql)}
        from (${minutes(sql, dayMs, dayMs + DAY_MS)}) as minutes group by engine_id
        on conflict do nothing`
    })
  }
  return days.length
}

/** Takes out the days of minutes that have just been written, in the same transaction. */
export async function forgetEngineDays(
  sql: Transaction,
  minutesMs: readonly number[],
): Promise<void> {
  const days = [...new Set(minutesMs.map((ms) => Math.floor(ms / DAY_MS) * DAY_MS))]
  await sql`
    delete from engine_days where day_at in (
      select to_timestamp(value::float8 / 1000)
      from jsonb_array_elements_text(${JSON.stringify(days)}::text::jsonb) as value)`
}

/** Sums up days until it is stopped. */
export function keepEngineDays(
  database: Pick<Database, 'sql' | 'transaction'>,
  clock: Clock,
  logger: Logger,
): Rounds {
  const rounds = new Rounds(clock, FOLD_EVERY_MS, async () => {
    try {
      await foldEngineDays(database, clock)
    } catch (error) {
      logger.warn({ err: error }, 'days of engines were not summed up; tried again in ten minutes')
    }
  })
  rounds.start()
  return rounds
}

const minutes = (sql: Queries, fromMs: number, toMs: number): Fragment => sql`
  select engine_id, minute_at, sum(registered_s) as registered,
    sum(case when free_s is null then registered_s
      else free_s + drained_s + loading_s + down_s end) as idle
  from engine_minutes where minute_at >= ${at(sql, fromMs)} and minute_at < ${at(sql, toMs)}
  group by engine_id, minute_at`

const sums = (sql: Queries): Fragment => sql`
  round(sum(least(registered, 60)) * 1e6)::int8 as registered,
  round(sum(idle * least(1, 60 / nullif(registered, 0))) * 1e6)::int8 as idle`

const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
const msOf = (sql: Queries, time: Fragment): Fragment =>
  sql`(extract(epoch from ${time}) * 1000)::float8`
const dayOf = (sql: Queries, time: Fragment): Fragment => sql`date_bin('1 day', ${time}, 'epoch')`
