/** Reading LiteLLM's database: rows as they are, whatever version made the tables. */
import { GristmillError } from '../../base/index.ts'
import { connect, connectionError, type Sql } from '../../store/index.ts'
import { TABLES } from './plan.ts'
import { checkedRows, type LiteLlmRows } from './source.ts'

const STATEMENT_MS_MAX = 60_000

/**
 * All that a move needs of a database; nothing in it is changed.
 * @throws GristmillError `database_unreachable`, `invalid_value` where it is not one of LiteLLM's
 */
export async function readDatabase(url: string): Promise<LiteLlmRows> {
  const options = { connections: 1, name: 'import', statementMsMax: STATEMENT_MS_MAX }
  const { sql } = connect(withoutPrisma(url), options)
  try {
    const rows = {
      teams: await needed(sql, 'LiteLLM_TeamTable', 'team_id'),
      keys: (await needed(sql, 'LiteLLM_VerificationToken', 'token')).map(inUtc),
      budgets: await rowsOf(sql, 'LiteLLM_BudgetTable', 'budget_id'),
      models: await rowsOf(sql, 'LiteLLM_ProxyModelTable', 'model_id'),
      others: await countsOf(sql),
    }
    return checkedRows(rows)
  } catch (error) {
    throw connectionError(url, error)
  } finally {
    await sql.end()
  }
}

/** What LiteLLM's own driver reads in an address, and the server would refuse. */
const OF_PRISMA = [
  'schema',
  'connection_limit',
  'connect_timeout',
  'pool_timeout',
  'socket_timeout',
  'pgbouncer',
  'statement_cache_size',
]

/** The address as everybody else understands it. */
function withoutPrisma(text: string): string {
  const url = URL.parse(text)
  if (!url) return text
  const schema = url.searchParams.get('schema')
  for (const name of OF_PRISMA) url.searchParams.delete(name)
  if (schema !== null) url.searchParams.set('search_path', schema)
  return url.href
}

type Row = Record<string, unknown>

/** Whole rows as JSON, since older versions have fewer columns. */
async function rowsOf(sql: Sql, table: string, by: string): Promise<Row[]> {
  if (!(await isThere(sql, table))) return []
  const rows = await sql<{ row: Row }[]>`
    select to_jsonb(t) as row from ${sql(table)} t order by ${sql(by)}`
  return rows.map(({ row }) => row)
}

async function needed(sql: Sql, table: string, by: string): Promise<Row[]> {
  if (await isThere(sql, table)) return rowsOf(sql, table, by)
  const reason = `there is no table ${table}; it is the database that LiteLLM uses that is wanted`
  throw new GristmillError('invalid_value', { param: '--database-url', reason })
}

async function countsOf(sql: Sql): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of Object.keys(TABLES)) {
    if (!(await isThere(sql, table))) continue
    const [row] = await sql<{ count: number }[]>`select count(*)::int8 as count from ${sql(table)}`
    counts[table] = row?.count ?? 0
  }
  return counts
}

async function isThere(sql: Sql, table: string): Promise<boolean> {
  const [row] = await sql`select to_regclass(${`"${table}"`}) is not null as there`
  return row?.there === true
}

/** Its times are in UTC, and as JSON they do not say so. */
function inUtc(key: Row): Row {
  const { expires } = key
  const isBare = typeof expires === 'string' && !/(Z|[+-]\d\d:?\d\d)$/.test(expires)
  return isBare ? { ...key, expires: `${expires}Z` } : key
}
