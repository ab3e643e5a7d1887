/**
 * The whole database as rows: out of one snapshot, whatever is written meanwhile, and into an empty
 * one of the same schema. By COPY over our own connection, since the embedded PostgreSQL comes
 * without `pg_dump`, and a server elsewhere may be newer than any that is installed here.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { connect, type Queries, type Transaction } from './connection.ts'

export interface DumpTable {
  name: string
  /** All that can be written, quoted and with commas. */
  columns: string
}

export interface DumpHead {
  /** PostgreSQL's version. */
  server: string
  /** Schema, as the migrations that were applied. */
  migrations: { version: number; sha256: string }[]
  tables: DumpTable[]
  sequences: { name: string; value: string }[]
}

/** Its rows come with the migrations. */
const MIGRATIONS = 'schema_migrations'

/**
 * Reads everything as it was at one moment.
 * @param onHead called first
 * @param onRows called with the rows of a table, as COPY writes them, in parts of any size
 */
export async function dumpDatabase(
  url: string,
  onHead: (head: DumpHead) => Promise<void>,
  onRows: (table: DumpTable, rows: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const { sql } = connect(url, { connections: 1, name: 'backup', statementMsMax: 0 })
  try {
    await sql.begin('isolation level repeatable read read only', async (snapshot) => {
      const head = await headOf(snapshot)
      await onHead(head)
      for (const table of head.tables) {
        const copy = `copy (select ${table.columns} from ${table.name}) to stdout`
        await onRows(table, await snapshot.unsafe(copy).readable())
      }
    })
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Tables without the parts of those that are split, each after those that it refers to. */
async function headOf(sql: Transaction): Promise<DumpHead> {
  const [server] = await sql<{ version: string }[]>`
    select current_setting('server_version') as version`
  const migrations = await sql<{ version: number; sha256: string }[]>`
    select version, sha256 from schema_migrations order by version`
  const tables = await sql<(DumpTable & { refersTo: string[] })[]>`
    select quote_ident(c.relname) as name,
      (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''
      ) as columns,
      coalesce((select json_agg(quote_ident(other.relname)) from pg_constraint as k
        join pg_class as other on other.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid), '[]') as "refersTo"
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not c.relispartition and c.relname <> ${MIGRATIONS}
    order by c.relname`
  const sequences = await sql<{ name: string; value: string }[]>`
    select quote_ident(sequencename) as name, last_value::text as value from pg_sequences
    where schemaname = 'public' and last_value is not null order by 1`
  return {
    server: server?.version ?? '',
    migrations: [...migrations],
    tables: inOrder([...tables]).map(({ name, columns }) => ({ name, columns })),
    sequences: [...sequences],
  }
}

function inOrder<Table extends { name: string; refersTo: string[] }>(tables: Table[]): Table[] {
  const ordered: Table[] = []
  const isIn = (name: string) => ordered.some((table) => table.name === name)
  let left = tables
  while (left.length > 0) {
    const free = left.filter(({ refersTo }) => refersTo.every(isIn))
    if (free.length === 0) throw new Error(`tables refer to each other: ${left[0]?.name}`)
    ordered.push(...free)
    left = left.filter((table) => !free.includes(table))
  }
  return ordered
}

/** Whether anybody has anything in a database. */
export async function isEmpty(sql: Queries): Promise<boolean> {
  const [found] = await sql<{ tables: number }[]>`
    select count(*) as tables from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`
  return found?.tables === 0
}

interface OpenTable {
  name: string
  rows: Writable
  done: Promise<unknown>
}

/** Fills a database whose schema is that of the dump, in one transaction. */
export class DumpWriter {
  readonly #sql: Transaction
  #table: OpenTable | undefined

  constructor(sql: Transaction) {
    this.#sql = sql
  }

  /** Empties all tables of what migrations put in; what follows happens without triggers. */
  async begin(): Promise<void> {
    const tables = await this.#tables()
    for (const name of tables) {
      await this.#sql.unsafe(`alter table ${name} disable trigger user`)
    }
    await this.#sql.unsafe(`truncate ${tables.join(', ')}`)
  }

  /** Rows of a table, in parts; all parts of one before those of the next. */
  async write({ name, columns }: DumpTable, rows: Buffer): Promise<void> {
    let table = this.#table
    if (table?.name !== name) {
      await this.#endTable()
      const copy = await this.#sql.unsafe(`copy ${name} (${columns}) from stdin`).writable()
      table = { name, rows: copy, done: once(copy, 'finish') }
      // Whoever writes next is told.
      table.done.catch(() => undefined)
      this.#table = table
    }
    if (!table.rows.write(rows)) await Promise.race([once(table.rows, 'drain'), table.done])
  }

  async end(sequences: DumpHead['sequences']): Promise<void> {
    await this.#endTable()
    for (const { name, value } of sequences) {
      await this.#sql`select setval(${name}::regclass, ${value}::int8)`
    }
    for (const name of await this.#tables()) {
      await this.#sql.unsafe(`alter table ${name} enable trigger user`)
    }
  }

  async #endTable(): Promise<void> {
    const table = this.#table
    if (table === undefined) return
    this.#table = undefined
    table.rows.end()
    await table.done
    try {
      // The driver does not tell of rows that were refused at their end, but nothing follows them.
      await this.#sql`select 1`
    } catch (error) {
      throw new Error(`rows of ${table.name} were refused`, { cause: error })
    }
  }

  /** The parts of split tables as well, which have triggers of their own. */
  async #tables(): Promise<string[]> {
    const rows = await this.#sql<{ name: string }[]>`
      select quote_ident(relname) as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and relname <> ${MIGRATIONS} order by 1`
    return rows.map(({ name }) => name)
  }
}
