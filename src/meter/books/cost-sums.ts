/**
 * Sums of engine minutes, for a time in parts within which neither a cost nor a weight changes:
 * what minutes of a part come to is then all that its costs are shared out by. Here they are read;
 * `cost-folding.ts` makes them.
 */
import { type Queries, textArray } from '../../store/index.ts'
import { type IdleCause, idleCauses } from './chargeback-types.ts'
import type { SpanSums, Use } from './cost-span.ts'

/**
 * From `sums`, or from single `records` as long as there are any: what is billed and what proves it
 * does not rest on sums.
 */
export type CostBasis = 'sums' | 'records'

/** A part of a time that is summed up. */
export interface SummedPart {
  sumId: string
  /** Milliseconds since the epoch; `untilMs` exclusive. */
  fromMs: number
  untilMs: number
  /** Its minutes are gone. */
  isAlone: boolean
}

/** What an engine comes to in parts that have the same cost and weights. */
export interface EngineSums extends SpanSums {
  engineId: string
  /** When one of them begins. */
  atMs: number
}

type Fragment = ReturnType<Queries>

interface SumRow {
  id: string
  isAlone: boolean
  /** Where each part begins, and the last ends. */
  boundsMs: number[]
}

/** Parts that hold and have some time in common with the given one, in their order. */
async function readParts(
  sql: Queries,
  fromMs: number,
  toMs: number,
  basis: CostBasis,
): Promise<SummedPart[]> {
  const rows = await sql<SumRow[]>`
    with ${changeTimes(sql)}
    select id::text, is_alone as "isAlone", (
      select json_agg(extract(epoch from bound) * 1000 order by bound)
      from unnest(array[from_at, until_at] || splits) as bound) as "boundsMs"
    from cost_sums, change_times
    where ${basis === 'sums' ? holds(sql) : sql`is_alone`}
      and from_at < ${at(sql, toMs)} and until_at > ${at(sql, fromMs)}
    order by from_at`
  return rows.flatMap(({ id, isAlone, boundsMs }) =>
    boundsMs.slice(1).flatMap((untilMs, index) => {
      const part = { sumId: id, fromMs: boundsMs[index] as number, untilMs, isAlone }
      return part.fromMs < toMs && untilMs > fromMs ? part : []
    }),
  )
}

/** A time as far as it is summed up. */
export interface SummedTime {
  /** Those that are as a whole within it, in their order. */
  parts: SummedPart[]
  /** Those that begin before it or end after it. */
  cut: SummedPart[]
  /** What is not in `parts`, in its order. */
  gaps: [fromMs: number, toMs: number][]
}

/**
 * Reads with the parts of a time, and again where others have taken their place meanwhile. (Sums
 * never change, they are replaced.)
 */
export async function withParts<T>(
  sql: Queries,
  fromMs: number,
  toMs: number,
  read: (time: SummedTime) => Promise<T>,
  basis: CostBasis = 'sums',
): Promise<T> {
  let found = await readParts(sql, fromMs, toMs, basis)
  for (;;) {
    const isWhole = (part: SummedPart) => part.fromMs >= fromMs && part.untilMs <= toMs
    const parts = found.filter(isWhole)
    const cut = found.filter((part) => !isWhole(part))
    const result = await read({ parts, cut, gaps: gapsOf(parts, fromMs, toMs) })
    const now = await readParts(sql, fromMs, toMs, basis)
    if (JSON.stringify(now) === JSON.stringify(found)) return result
    found = now
  }
}

/** Times without the parts. */
function gapsOf(parts: readonly SummedPart[], fromMs: number, toMs: number) {
  const gaps: SummedTime['gaps'] = []
  let reachedMs = fromMs
  for (const part of parts) {
    if (part.fromMs > reachedMs) gaps.push([reachedMs, part.fromMs])
    reachedMs = part.untilMs
  }
  if (reachedMs < toMs) gaps.push([reachedMs, toMs])
  return gaps
}

/**
 * Rows of the parts in tables of sums.
 * @param parts all that there are from the first to the last
 */
export function rowsOf(sql: Queries, parts: readonly SummedPart[]): Fragment {
  const [first, last] = [parts.at(0), parts.at(-1)]
  if (first === undefined || last === undefined) return sql`false`
  const ids = textArray([...new Set(parts.map(({ sumId }) => sumId))])
  return sql`sum_id = any (${ids}::int8[]) and part_at >= ${at(sql, first.fromMs)}
    and part_at < ${at(sql, last.untilMs)}`
}

/** A table `change_times`: when weights and costs changed, statements began or ended. */
export const changeTimes = (sql: Queries): Fragment => sql`
  change_times as materialized (
    select array(select from_at from tenant_weights order by 1) as weights,
      array(select from_at from engine_costs order by 1) as costs,
      array(
        select from_at from ledger_statements union select to_at from ledger_statements order by 1
      ) as edges)`

/**
 * How many changes a time between `from_at` and `until_at` depends on. All of them are only ever
 * added to, so with the same number they are the same.
 */
export const changesOf = (sql: Queries): Fragment => sql`(
  width_bucket(until_at, weights)
    + width_bucket(until_at, costs) - width_bucket(from_at, costs)
    + width_bucket(until_at, edges) - width_bucket(from_at, edges))`

/** Of a row of `cost_sums`. */
export const holds = (sql: Queries): Fragment =>
  sql`is_ready and (is_alone or changes = ${changesOf(sql)})`

/** What parts come to. @param changesMs when costs and weights change */
export async function readSums(
  sql: Queries,
  parts: readonly SummedPart[],
  changesMs: readonly number[],
): Promise<EngineSums[]> {
  const within = rowsOf(sql, parts)
  const span = changesBefore(sql, sql`part_at`, changesMs)
  const engines = await readEngines(sql, within, span)
  const found = new Map(
    engines.map(({ engineId, span: of, ...row }) => {
      return [`${of} ${engineId}`, engineSumsOf({ engineId, ...row })]
    }),
  )
  for (const row of await readTenants(sql, within, span)) {
    const use = { ...sumsOf(row), waste: new Map<string, bigint>() }
    found.get(`${row.span} ${row.engineId}`)?.uses.set(row.tenantId, use)
  }
  for (const { span: of, engineId, tenantId, cause, units } of await readWaste(sql, within, span)) {
    found.get(`${of} ${engineId}`)?.uses.get(tenantId)?.waste.set(cause, BigInt(units))
  }
  return [...found.values()]
}

interface Key {
  engineId: string
  /** Which of those within which nothing changes. */
  span: number
}

type EngineRow = Record<IdleCause | 'registered', number> & {
  engineId: string
  atMs: number
  lentByWeight: string
}

/** Millionths of units as text: those of a month are more than a number can count. */
interface TenantRow extends Key {
  tenantId: string
  used: number
  entitled: number
  lent: string
  units: string
}

interface WasteRow extends Key {
  tenantId: string
  cause: string
  units: string
}

function engineSumsOf({ engineId, atMs, registered, lentByWeight, ...us }: EngineRow): EngineSums {
  const idle = new Map(
    idleCauses.filter((cause) => us[cause] > 0).map((cause) => [cause, BigInt(us[cause])]),
  )
  const sums = { registeredUs: BigInt(registered), idle, lentByWeight: BigInt(lentByWeight) }
  return { engineId, atMs, ...sums, uses: new Map<string, Use>() }
}

function sumsOf({ used, entitled, lent, units }: TenantRow): Omit<Use, 'waste'> {
  return {
    usedUs: BigInt(used),
    entitledUs: BigInt(entitled),
    lent: BigInt(lent),
    microUnits: BigInt(units),
  }
}

function readEngines(sql: Queries, within: Fragment, span: Fragment) {
  const sum = (column: string) => sql`sum(${sql(column)})::int8 as ${sql(column)}`
  return sql<(EngineRow & Key)[]>`
    select engine_id as "engineId", ${span} as span, ${msOf(sql, sql`min(part_at)`)} as "atMs",
      ${sum('registered')}, ${sum('free')}, ${sum('drained')}, ${sum('loading')}, ${sum('down')},
      ${sum('calibration')}, ${sum('unmeasured')}, sum(lent_by_weight)::text as "lentByWeight"
    from cost_sum_engines where ${within} group by 1, 2`
}

function readTenants(sql: Queries, within: Fragment, span: Fragment) {
  return sql<TenantRow[]>`
    select engine_id as "engineId", ${span} as span, tenant_id as "tenantId",
      sum(used)::int8 as used, sum(entitled)::int8 as entitled, sum(lent)::text as lent,
      sum(micro_units)::text as units
    from cost_sum_tenants where ${within} group by 1, 2, 3`
}

function readWaste(sql: Queries, within: Fragment, span: Fragment) {
  return sql<WasteRow[]>`
    select engine_id as "engineId", ${span} as span, tenant_id as "tenantId", w.key as cause,
      sum(w.value::int8)::text as units
    from cost_sum_tenants, jsonb_each_text(waste) as w where waste <> '{}' and ${within}
    group by 1, 2, 3, 4`
}

/** Before how many changes a time is. @param changesMs in any order */
export const changesBefore = (
  sql: Queries,
  time: Fragment,
  changesMs: readonly number[],
): Fragment => sql`
  width_bucket(${time}, array(select to_timestamp(value::float8 / 1000) from
    jsonb_array_elements_text(${JSON.stringify(changesMs)}::text::jsonb) as value order by 1))`
const at = (sql: Queries, ms: number): Fragment => sql`to_timestamp(${ms}::float8 / 1000)`
const msOf = (sql: Queries, time: Fragment): Fragment =>
  sql`(extract(epoch from ${time}) * 1000)::float8`
