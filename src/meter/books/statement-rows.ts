/** The table of statements, which can only grow, and what of the ledger stands on them. */
import { decimalOf } from '../../base/index.ts'
import { type Queries, type Transaction, textArray } from '../../store/index.ts'
import { settledWithin } from '../usage-hours.ts'
import type { AnyDocument, Statement, UsageLine } from './statement-types.ts'

export interface StatementFilter {
  /** Only these tenants; undefined means all. */
  tenantIds?: readonly string[] | undefined
  /** Only with higher numbers, in their order; else the highest first. */
  after?: number | undefined
  before?: number | undefined
}

interface Row extends Omit<Statement, 'document'> {
  text: string
}

/**
 * Nothing is closed, opened again or dropped until the transaction has ended, and nothing is added
 * that a period costs or gets off.
 */
export async function lockStatements(sql: Transaction): Promise<void> {
  await sql`lock table ledger_statements in share row exclusive mode`
  await sql`lock table engine_costs, discount_terms in share mode`
}

export async function readStatements(
  sql: Queries,
  { tenantIds, after, before }: StatementFilter,
  limit: number,
): Promise<Statement[]> {
  const rows = await sql<Row[]>`
    ${selectStatement(sql)} where true
      ${tenantIds ? sql`and s.tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}
      ${after === undefined ? sql`` : sql`and s.number > ${after}`}
      ${before === undefined ? sql`` : sql`and s.number < ${before}`}
    order by s.number ${after === undefined ? sql`desc` : sql``} limit ${limit}`
  return rows.map(statementOfRow)
}

export async function readStatement(sql: Queries, number: number): Promise<Statement | undefined> {
  const [row] = await sql<Row[]>`${selectStatement(sql)} where s.number = ${number}`
  return row && statementOfRow(row)
}

/** Statements that nothing takes back and whose period has a part in common with the given one. */
export async function standingStatements(
  sql: Queries,
  fromMs: number,
  toMs: number,
): Promise<Statement[]> {
  const rows = await sql<Row[]>`
    ${selectStatement(sql)}
    where s.kind = 'statement' and c.number is null
      and s.from_at < to_timestamp(${toMs}::float8 / 1000)
      and s.to_at > to_timestamp(${fromMs}::float8 / 1000)
    order by s.number`
  return rows.map(statementOfRow)
}

export interface StandingFilter {
  /** Whole periods from here to there, milliseconds. */
  fromMs: number
  toMs: number
  /** Only these tenants; undefined means all. */
  tenantIds?: readonly string[] | undefined
}

/**
 * Pages of the statements of whole periods that stood when the first was read, by number. What is
 * taken back meanwhile, and closed anew, is neither missing nor there twice.
 */
export async function* standingPages(
  sql: Queries,
  { fromMs, toMs, tenantIds }: StandingFilter,
  pageRows = 100,
): AsyncGenerator<Statement[]> {
  const [newest] = await sql<{ number: number }[]>`
    select coalesce(max(number), 0)::int4 as number from ledger_statements`
  const last = newest?.number ?? 0
  let after = 0
  for (;;) {
    const rows = await sql<Row[]>`
      ${selectStatement(sql)}
      where s.kind = 'statement' and (c.number is null or c.number > ${last})
        and s.number > ${after} and s.number <= ${last}
        and s.from_at >= to_timestamp(${fromMs}::float8 / 1000)
        and s.to_at <= to_timestamp(${toMs}::float8 / 1000)
        ${tenantIds ? sql`and s.tenant_id = any (${textArray(tenantIds)}::text[])` : sql``}
      order by s.number limit ${pageRows}`
    const found = rows.at(-1)
    if (found !== undefined) yield rows.map(statementOfRow)
    if (found === undefined || rows.length < pageRows) return
    after = found.number
  }
}

function selectStatement(sql: Queries) {
  return sql`
    select s.number, s.document as text, s.previous_hash as "previousHash", s.hash, s.signature,
      s.public_key as "publicKey", (extract(epoch from s.closed_at) * 1000)::float8 as "closedAtMs",
      s.actor, c.number as "correctedBy"
    from ledger_statements as s left join ledger_statements as c on c.corrects = s.number`
}

function statementOfRow(row: Row): Statement {
  return { ...row, document: JSON.parse(row.text) as AnyDocument }
}

export async function insertStatement(
  sql: Queries,
  statement: Omit<Statement, 'correctedBy'>,
): Promise<void> {
  const { number, document, text, previousHash, hash, signature, publicKey, actor } = statement
  const corrects = document.kind === 'credit_note' ? document.corrects : null
  await sql`
    insert into ledger_statements (number, kind, tenant_id, from_at, to_at, corrects, document,
      previous_hash, hash, signature, public_key, closed_at, actor)
    values (${number}, ${document.kind}, ${document.tenantId}, ${document.fromAt},
      ${document.toAt}, ${corrects}, ${text}, ${previousHash}, ${hash}, ${signature}, ${publicKey},
      to_timestamp(${statement.closedAtMs}::float8 / 1000), ${actor})`
}

/** Use in a period by tenant, from settlements. @param tenantId only of this one */
export async function readUsageLines(
  sql: Queries,
  fromMs: number,
  toMs: number,
  tenantId?: string,
): Promise<Map<string, UsageLine[]>> {
  const only: ReturnType<Queries> =
    tenantId === undefined ? sql`` : sql`and tenant_id = ${tenantId}`
  const rows = await sql<(UsageLine & { tenantId: string; nanos: string })[]>`
    select tenant_id as "tenantId", project_id as "projectId", model,
      served_class as "serviceClass", sum(requests)::int8 as requests,
      sum(input_tokens)::int8 as "inputTokens", sum(cached_tokens)::int8 as "cachedTokens",
      sum(output_tokens)::int8 as "outputTokens", sum(unpriced)::int8 as unpriced,
      sum(charge_nanos)::text as nanos
    from (${settledWithin(sql, fromMs, toMs, only)}) as settled
    group by tenant_id, project_id, model, served_class
    order by tenant_id, project_id, model, served_class collate "default"`
  const lines = new Map<string, UsageLine[]>()
  for (const { tenantId: id, nanos, ...line } of rows) {
    const known = lines.get(id) ?? []
    lines.set(id, known)
    known.push({ ...line, charge: decimalOf(BigInt(nanos)) })
  }
  return lines
}
