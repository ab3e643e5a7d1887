/**
 * How an engine has been: its minutes summed up in steps, what failed there by cause, and every
 * change of its health with the reason, which is kept for a week.
 */
import type { Queries } from '../store/index.ts'
import type { AttemptFailure, EngineChange } from './types.ts'

export const CHANGES_KEPT_DAYS = 7

/** One step of an engine; seconds without a row were watched by nobody. */
export interface EngineStep {
  /** Start of the step, milliseconds since the epoch. */
  atMs: number
  registeredS: number
  upS: number
  degradedS: number
  drainingS: number
  attempts: number
  failed: number
}

export interface EngineErrors {
  attempts: number
  failed: number
  /** Most frequent first. */
  causes: { cause: AttemptFailure; count: number }[]
}

/** Keeps a change, and forgets those of all engines that are older than a week. */
export async function recordChange(sql: Queries, change: EngineChange): Promise<void> {
  const { engineId, atMs, state, reason } = change
  await sql`
    insert into engine_changes (engine_id, at, state, reason)
    values (${engineId}, to_timestamp(${atMs}::float8 / 1000), ${state}, ${reason})
    on conflict (engine_id, at) do update set state = excluded.state, reason = excluded.reason`
  await sql`
    delete from engine_changes
    where at < to_timestamp(${atMs}::float8 / 1000)
      - make_interval(days => ${CHANGES_KEPT_DAYS}::int)`
}

/** The newest changes of an engine, newest first. */
export async function queryChanges(
  sql: Queries,
  engineId: string,
  rowsMax: number,
): Promise<EngineChange[]> {
  const rows = await sql<EngineChange[]>`
    select engine_id as "engineId", (extract(epoch from at) * 1000)::float8 as "atMs", state, reason
    from engine_changes where engine_id = ${engineId} order by at desc limit ${rowsMax}`
  return [...rows]
}

/** Steps of an engine since `fromMs`, oldest first; those without a row are left out. */
export async function querySteps(
  sql: Queries,
  engineId: string,
  fromMs: number,
  stepS: number,
): Promise<EngineStep[]> {
  const rows = await sql<EngineStep[]>`
    select (floor(extract(epoch from minute_at) / ${stepS}::int) * ${stepS}::int * 1000)::float8
        as "atMs", sum(registered_s) as "registeredS", sum(up_s) as "upS",
      sum(degraded_s) as "degradedS", sum(draining_s) as "drainingS",
      sum(attempts)::int as attempts, sum(failed)::int as failed
    from engine_minutes, lateral (
      select coalesce(sum(value::int), 0) as failed from jsonb_each_text(failures)) as f
    where engine_id = ${engineId} and minute_at >= to_timestamp(${fromMs}::float8 / 1000)
    group by 1 order by 1`
  return [...rows]
}

/** What was tried at an engine since `fromMs`, and how it failed. */
export async function queryErrors(
  sql: Queries,
  engineId: string,
  fromMs: number,
): Promise<EngineErrors> {
  const since = sql`
    engine_id = ${engineId} and minute_at >= to_timestamp(${fromMs}::float8 / 1000)`
  const [all] = await sql<{ attempts: number }[]>`
    select coalesce(sum(attempts), 0)::int as attempts from engine_minutes where ${since}`
  const causes = await sql<EngineErrors['causes']>`
    select key as cause, sum(value::int)::int as count
    from engine_minutes, jsonb_each_text(failures) where ${since}
    group by 1 order by 2 desc, 1`
  const failed = causes.reduce((sum, { count }) => sum + count, 0)
  return { attempts: all?.attempts ?? 0, failed, causes: [...causes] }
}
