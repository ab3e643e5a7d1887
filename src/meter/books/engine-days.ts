/**
 * How long engines were there and idle, by day: out of sums of their minutes where there are any
 * that hold, else out of the minutes.
 */
import type { Queries } from '../../store/index.ts'
import { changesBefore, rowsOf, type SummedPart, withParts } from './cost-sums.ts'

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

/** @param fromMs start of a day; @param changesMs when a cost changes, in order */
export async function readEngineDays(
  sql: Queries,
  fromMs: number,
  toMs: number,
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  return await withParts(sql, fromMs, toMs, async ({ parts, gaps }) => {
    const rest = await Promise.all(gaps.map((gap) => readMinutes(sql, ...gap, changesMs)))
    return [...(await readSummed(sql, parts, changesMs)), ...rest.flat()]
  })
}

/** Within a part no cost changes. */
async function readSummed(
  sql: Queries,
  parts: readonly SummedPart[],
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  return await sql<EngineDay[]>`
    select ${key(sql, sql`part_at`, changesMs)}, sum(registered)::int8 as registered,
      sum(free + drained + loading + down + unmeasured)::int8 as idle
    from cost_sum_engines where ${rowsOf(sql, parts)} group by 1, 2, 3`
}

async function readMinutes(
  sql: Queries,
  fromMs: number,
  toMs: number,
  changesMs: readonly number[],
): Promise<EngineDay[]> {
  return await sql<EngineDay[]>`
    select ${key(sql, sql`minute_at`, changesMs)},
      round(sum(least(registered, 60)) * 1e6)::int8 as registered,
      round(sum(idle * least(1, 60 / nullif(registered, 0))) * 1e6)::int8 as idle
    from (
      select engine_id, minute_at, sum(registered_s) as registered,
        sum(case when free_s is null then registered_s
          else free_s + drained_s + loading_s + down_s end) as idle
      from engine_minutes where minute_at >= ${at(sql, fromMs)} and minute_at < ${at(sql, toMs)}
      group by engine_id, minute_at) as minutes
    group by 1, 2, 3`
}

const key = (sql: Queries, time: Fragment, changesMs: readonly number[]): Fragment => sql`
  engine_id as "engineId",
  (extract(epoch from date_bin('1 day', ${time}, 'epoch')) * 1000)::float8 as "dayMs",
  ${changesBefore(sql, time, changesMs)} as changes`

const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
