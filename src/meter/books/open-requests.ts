/** Requests that are open, and when they came. */
import type { Queries } from '../../store/index.ts'
import { isOpen, lowWater } from '../low-water.ts'

/** Those that came before a moment. @returns the first few, and how many there are */
export async function openBefore(
  sql: Queries,
  beforeMs: number,
  rowsMax: number,
): Promise<{ ids: string[]; count: number }> {
  const wanted = sql`
    i.arrived_at < to_timestamp(${beforeMs}::float8 / 1000) and ${isOpen(sql)}`
  const rows = await sql<{ id: string; count: number }[]>`
    select request_id as id, count(*) over () as count from (
      select i.request_id from ledger_intents as i
      where i.request_id >= ${lowWater(sql)} and ${wanted}
      union
      select i.request_id from ledger_open as o join ledger_intents as i using (request_id)
      where ${wanted}) as open
    order by request_id limit ${rowsMax}`
  return { ids: rows.map(({ id }) => id), count: rows[0]?.count ?? 0 }
}
