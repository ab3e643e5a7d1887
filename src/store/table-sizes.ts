/** How large tables are, by PostgreSQL's own catalogue. */
import type { Queries } from './connection.ts'

export interface TableSize {
  rows: number
  /** True where the rows are PostgreSQL's estimate, as counting them would read much. */
  isEstimate: boolean
  /** Its indexes and large values included. */
  bytes: number
}

/** What is counted within some 50 ms. */
const COUNTED_BYTES_MAX = 32 * 1024 * 1024

/** Sizes by name of the table. @throws what the database throws, where one is not there as well */
export async function readTableSizes(
  sql: Queries,
  tables: readonly string[],
): Promise<Map<string, TableSize>> {
  const rows = await sql<{ name: string; bytes: number; isLarge: boolean; estimate: number }[]>`
    select given.name, pg_total_relation_size(c.oid) as bytes,
      pg_relation_size(c.oid) > ${COUNTED_BYTES_MAX} and c.reltuples >= 0 as "isLarge",
      (c.reltuples / greatest(c.relpages, 1)
        * (pg_relation_size(c.oid) / current_setting('block_size')::int))::int8 as estimate
    from json_array_elements_text(${JSON.stringify(tables)}::text::json) as given (name)
    join pg_class as c on c.oid = given.name::regclass`
  const sizes = new Map<string, TableSize>()
  for (const { name, bytes, isLarge, estimate } of rows) {
    const count = isLarge ? estimate : await countRows(sql, name)
    sizes.set(name, { rows: count, isEstimate: isLarge, bytes })
  }
  return sizes
}

async function countRows(sql: Queries, table: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*) as count from ${sql(table)}`
  return row?.count ?? 0
}
