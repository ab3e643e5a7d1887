/**
 * Where lines end: in one transaction the row that says so, the answer at the end of its file and
 * the batch's counts. A line that has a row is never answered again, so an answer is either there
 * once with everything that counts it, or not at all.
 */
import { GristmillError } from '../base/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import type { Database, Fence, Queries, Transaction } from '../store/index.ts'
import type { BatchRow, EndedLine } from './batch-types.ts'
import type { FileStore } from './file-store.ts'

type Stored = Required<Omit<EndedLine, 'requestId' | 'text' | 'cacheWriteTokens'>>

/**
 * Stores the ends of lines, while the right to schedule is ours.
 * @returns the lines whose end is the given one; others had theirs before
 * @throws what the database throws; nothing of the group is stored then, or all of it.
 *   GristmillError `scheduler_held` where another gateway has taken over: what it recovers must not
 *   be stored behind its back.
 */
export async function storeEnds(
  database: Database,
  files: FileStore,
  batch: Pick<BatchRow, 'id' | 'tenantId' | 'projectId' | 'keyId'>,
  ends: readonly EndedLine[],
  fence: Fence,
): Promise<Set<number>> {
  return database.transaction(async (sql) => {
    if (!(await fence(sql))) {
      throw new GristmillError('scheduler_held', { holder: 'another gateway' })
    }
    const open = await lock(sql, batch.id)
    if (open === undefined) return new Set()
    const rows = await insert(sql, batch.id, ends)
    const written = new Set(rows.map(({ line }) => line))
    const isNew = (end: EndedLine) => written.has(end.line)
    const isAnswer = (end: EndedLine) => end.outcome === 'completed'
    const fresh = ends.filter(isNew)
    await append(sql, files, batch, 'output', open.outputFileId, fresh.filter(isAnswer))
    await append(
      sql,
      files,
      batch,
      'error',
      open.errorFileId,
      fresh.filter((end) => !isAnswer(end)),
    )
    await count(sql, batch.id, rows)
    return ours(sql, batch.id, ends)
  })
}

/** Numbers of the lines that have ended. */
export async function endedLines(sql: Queries, batchId: string): Promise<Set<number>> {
  const rows = await sql<{ line: number }[]>`
    select line from batch_lines where batch_id = ${batchId}`
  return new Set(rows.map(({ line }) => line))
}

/** What requests are charged with whose answers are stored; others are absent. */
export async function storedAnswers(
  sql: Queries,
  requestIds: readonly string[],
): Promise<Map<string, TokenCounts>> {
  if (requestIds.length === 0) return new Map()
  const rows = await sql<{ requestId: string; counts: TokenCounts }[]>`
    select request_id as "requestId", jsonb_strip_nulls(jsonb_build_object(
      'inputTokens', input_tokens, 'cachedTokens', cached_tokens, 'outputTokens', output_tokens,
      'cacheWriteTokens', cache_write_tokens, 'reasoningTokens', reasoning_tokens)) as counts
    from batch_lines
    where request_id = any (array(
      select jsonb_array_elements_text(${JSON.stringify(requestIds)}::text::jsonb)))`
  return new Map(rows.map(({ requestId, counts }) => [requestId, counts]))
}

/** Times that engines failed with lines that have no end yet, by line. */
export async function triesOf(sql: Queries, batchId: string): Promise<Map<number, number>> {
  const rows = await sql<{ line: number; tries: number }[]>`
    select line, tries from batch_line_tries where batch_id = ${batchId}`
  return new Map(rows.map(({ line, tries }) => [line, tries]))
}

/** Puts down that engines failed with a line so many times. */
export async function noteTries(
  sql: Queries,
  batchId: string,
  line: number,
  tries: number,
): Promise<void> {
  await sql`
    insert into batch_line_tries (batch_id, line, tries) values (${batchId}, ${line}, ${tries})
    on conflict (batch_id, line) do update set tries = excluded.tries`
}

const FORGOTTEN_AT_ONCE = 20

/**
 * Forgets the lines of batches that ended before; their answers are in files.
 * @returns true where there may be more
 */
export async function forgetLines(sql: Queries, endedBefore: Date): Promise<boolean> {
  // From batch to batch along the rows that there are, however many batches there were.
  const forget = async (table: 'batch_lines' | 'batch_line_tries') => {
    const name = sql(table)
    const [row] = await sql<{ batches: number }[]>`
      with recursive held as (
        select min(batch_id) as id from ${name}
        union all
        select (select min(batch_id) from ${name} where batch_id > held.id)
        from held where held.id is not null
      ), old as materialized (
        select held.id from held join batches using (id)
        where ended_at < ${endedBefore} limit ${FORGOTTEN_AT_ONCE}
      ), gone as (
        delete from ${name} where batch_id = any (array(select id from old))
      )
      select count(*)::int as batches from old`
    return row?.batches === FORGOTTEN_AT_ONCE
  }
  const hasTries = await forget('batch_line_tries')
  return (await forget('batch_lines')) || hasTries
}

interface OpenFiles {
  outputFileId: string | null
  errorFileId: string | null
}

/** One group of a batch at a time; undefined where the batch has ended. */
async function lock(sql: Transaction, batchId: string): Promise<OpenFiles | undefined> {
  const [row] = await sql<OpenFiles[]>`
    select output_file_id as "outputFileId", error_file_id as "errorFileId" from batches
    where id = ${batchId} and ended_at is null for update`
  return row
}

async function insert(
  sql: Transaction,
  batchId: string,
  ends: readonly EndedLine[],
): Promise<Stored[]> {
  const rows = ends.map((end) => ({
    line: end.line,
    outcome: end.outcome,
    request_id: end.requestId,
    input_tokens: end.inputTokens,
    cached_tokens: end.cachedTokens,
    output_tokens: end.outputTokens,
    cache_write_tokens: end.cacheWriteTokens ?? null,
    reasoning_tokens: end.reasoningTokens ?? null,
  }))
  return await sql<Stored[]>`
    insert into batch_lines (batch_id, line, outcome, request_id, input_tokens, cached_tokens,
      output_tokens, cache_write_tokens, reasoning_tokens)
    select ${batchId}, given.* from json_to_recordset(${JSON.stringify(rows)}::text::json)
      as given (line int, outcome text, request_id text, input_tokens int, cached_tokens int,
        output_tokens int, cache_write_tokens int, reasoning_tokens int)
    on conflict (batch_id, line) do nothing
    returning line, outcome, input_tokens as "inputTokens", cached_tokens as "cachedTokens",
      output_tokens as "outputTokens", coalesce(reasoning_tokens, 0) as "reasoningTokens"`
}

/** Adds to one of the two files, which is begun with its first line. */
async function append(
  sql: Transaction,
  files: FileStore,
  batch: Pick<BatchRow, 'id' | 'tenantId' | 'projectId' | 'keyId'>,
  which: 'output' | 'error',
  knownId: string | null,
  ends: readonly EndedLine[],
): Promise<void> {
  const text = ends.map((end) => `${end.text}\n`)
  if (text.length === 0) return
  const { id, tenantId } = batch
  const file = knownId === null ? await files.begin(sql, batch) : { id: knownId, tenantId }
  if (knownId === null) {
    await (which === 'output'
      ? sql`update batches set output_file_id = ${file.id} where id = ${id}`
      : sql`update batches set error_file_id = ${file.id} where id = ${id}`)
  }
  await files.append(sql, file, Buffer.from(text.join('')))
}

async function count(sql: Transaction, batchId: string, rows: readonly Stored[]): Promise<void> {
  if (rows.length === 0) return
  const sum = (of: (row: Stored) => number) => rows.reduce((total, row) => total + of(row), 0)
  const countOf = (outcome: Stored['outcome']) => sum((row) => (row.outcome === outcome ? 1 : 0))
  await sql`
    update batches set lines_completed = lines_completed + ${countOf('completed')},
      lines_failed = lines_failed + ${countOf('failed')},
      input_tokens = input_tokens + ${sum((row) => row.inputTokens)},
      cached_tokens = cached_tokens + ${sum((row) => row.cachedTokens)},
      output_tokens = output_tokens + ${sum((row) => row.outputTokens)},
      reasoning_tokens = reasoning_tokens + ${sum((row) => row.reasoningTokens)}
    where id = ${batchId}`
}

/** Those whose row carries their request: written now, or before an answer to us was lost. */
async function ours(
  sql: Transaction,
  batchId: string,
  ends: readonly EndedLine[],
): Promise<Set<number>> {
  const rows = ends.map(({ line, requestId }) => ({ line, request_id: requestId }))
  const found = await sql<{ line: number }[]>`
    select l.line from json_to_recordset(${JSON.stringify(rows)}::text::json)
        as given (line int, request_id text)
      join batch_lines l on l.batch_id = ${batchId} and l.line = given.line
    where l.request_id is not distinct from given.request_id`
  return new Set(found.map(({ line }) => line))
}
