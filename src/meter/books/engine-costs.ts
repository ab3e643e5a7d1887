/** What an hour of each engine costs, by the time from which it does. Only ever added to. */
import { GristmillError } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { standingStatements } from './statement-rows.ts'

/** Nanos for an hour. */
export interface HourlyCost {
  /** The machine: its rent, or what it loses in value. */
  machine: bigint
  energy: bigint
  /** Its share of the people who keep it running. */
  staff: bigint
}

export interface EngineCost extends HourlyCost {
  /** An engine, or an entry with replicas, each of which costs as much. */
  engineId: string
  engineName: string
  /** A whole minute; it holds until the next. */
  fromMs: number
  actor: string
  atMs: number
}

const MINUTE_MS = 60_000

/** The first minute that has not begun. */
export const nextMinuteMs = (nowMs: number) => Math.ceil(nowMs / MINUTE_MS) * MINUTE_MS

export const hourlyNanos = ({ machine, energy, staff }: HourlyCost) => machine + energy + staff

/**
 * Adds a cost. Parts that are not given stay as they are at that time; none at all ends nothing.
 * @param sql the transaction, which is not to be committed where this throws
 * @throws GristmillError `invalid_value` where it does not begin with a minute, or with one that is
 *   told apart no more; `period_refused` where that is in a closed period
 */
export async function addEngineCost(
  sql: Queries,
  given: Omit<EngineCost, keyof HourlyCost> & Partial<HourlyCost>,
): Promise<EngineCost> {
  if (given.fromMs % MINUTE_MS !== 0) {
    const reason = 'it must be the beginning of a minute'
    throw new GristmillError('invalid_value', { param: 'from', reason })
  }
  const before = inForce(await engineCosts(sql, given.engineId), given.fromMs)
  const none = { machine: 0n, energy: 0n, staff: 0n }
  const cost: EngineCost = { ...none, ...before, ...given }
  await sql`
    insert into engine_costs (engine_id, engine_name, from_at, machine_nanos, energy_nanos,
      staff_nanos, actor, at)
    values (${cost.engineId}, ${cost.engineName}, to_timestamp(${cost.fromMs}::float8 / 1000),
      ${String(cost.machine)}, ${String(cost.energy)}, ${String(cost.staff)}, ${cost.actor},
      to_timestamp(${cost.atMs}::float8 / 1000))`
  // Once it is written: that waits for a period that is being closed.
  await refuseClosed(sql, given.fromMs)
  await refuseDropped(sql, given.fromMs)
  return cost
}

/**
 * Costs in the order in which they hold; of two from the same minute the later one does.
 * @param engineId only of this one; undefined means all
 */
export async function engineCosts(sql: Queries, engineId?: string): Promise<EngineCost[]> {
  type Row = Omit<EngineCost, keyof HourlyCost> & Record<keyof HourlyCost, string>
  const rows = await sql<Row[]>`
    select engine_id as "engineId", engine_name as "engineName",
      (extract(epoch from from_at) * 1000)::float8 as "fromMs",
      machine_nanos::text as machine, energy_nanos::text as energy, staff_nanos::text as staff,
      actor, (extract(epoch from at) * 1000)::float8 as "atMs"
    from engine_costs ${engineId === undefined ? sql`` : sql`where engine_id = ${engineId}`}
    order by from_at, id`
  return rows.map(({ machine, energy, staff, ...row }) => {
    return { ...row, machine: BigInt(machine), energy: BigInt(energy), staff: BigInt(staff) }
  })
}

/** @param costs of one engine, as `engineCosts` orders them */
export function inForce(costs: readonly EngineCost[], atMs: number): EngineCost | undefined {
  return costs.findLast(({ fromMs }) => fromMs <= atMs)
}

/**
 * What holds for an engine; a replica, `eng_1-2`, costs what its entry does, unless it has a cost
 * of its own.
 * @param costs of all engines, as `engineCosts` orders them
 */
export function costAt(
  costs: readonly EngineCost[],
  engineId: string,
  atMs: number,
): EngineCost | undefined {
  const of = (id: string) => costs.findLast((one) => one.engineId === id && one.fromMs <= atMs)
  return of(engineId) ?? of(engineId.replace(/-\d+$/, ''))
}

/** What a closed period cost does not change any more. */
async function refuseClosed(sql: Queries, fromMs: number): Promise<void> {
  const [later] = await standingStatements(sql, fromMs, Date.UTC(9999, 0))
  if (later === undefined) return
  const { number, document } = later
  const reason = `statement ${number} closes it until ${document.toAt}`
  throw new GristmillError('period_refused', { reason })
}

/** Where minutes are gone, the cost of a part of them cannot be told any more. */
async function refuseDropped(sql: Queries, fromMs: number): Promise<void> {
  const [cut] = await sql<{ fromAt: Date }[]>`
    select from_at as "fromAt" from cost_sums, to_timestamp(${fromMs}::float8 / 1000) as moment
    where is_alone and from_at < moment and until_at > moment and moment <> all (splits)`
  if (cut === undefined) return
  const reason = `single minutes of ${cut.fromAt.toISOString().slice(0, 10)} are not kept any more`
  throw new GristmillError('invalid_value', { param: 'from', reason })
}
