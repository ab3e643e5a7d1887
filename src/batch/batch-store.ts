/** The table of batches: the statements that write and read it. Lines are in `line-store.ts`. */
import { type Queries, type Sql, textArray } from '../store/index.ts'
import type { BatchError, BatchRow, BatchStatus, EndCode } from './batch-types.ts'

export interface BatchFilter {
  /** undefined: all. */
  tenantIds?: readonly string[] | undefined
  projectId?: string | undefined
  status?: BatchStatus | undefined
}

export type NewBatch = Pick<
  BatchRow,
  | 'id'
  | 'tenantId'
  | 'projectId'
  | 'keyId'
  | 'endpoint'
  | 'serviceClass'
  | 'completionWindow'
  | 'outputExpiresAfterS'
  | 'metadata'
  | 'inputFileId'
  | 'createdAt'
  | 'expiresAt'
>

export async function insertBatch(sql: Queries, batch: NewBatch): Promise<BatchRow> {
  const { metadata } = batch
  const row = {
    id: batch.id,
    tenant_id: batch.tenantId,
    project_id: batch.projectId,
    key_id: batch.keyId,
    status: 'validating',
    endpoint: batch.endpoint,
    service_class: batch.serviceClass,
    completion_window: batch.completionWindow,
    output_expires_after_s: batch.outputExpiresAfterS,
    input_file_id: batch.inputFileId,
    created_at: batch.createdAt,
    expires_at: batch.expiresAt,
  }
  await sql`insert into batches ${sql(row)}`
  const json = metadata === null ? null : JSON.stringify(metadata)
  const [inserted] = await sql<BatchRow[]>`
    update batches set metadata = ${json}::text::jsonb where id = ${batch.id}
    returning ${columns(sql)}`
  return inserted as BatchRow
}

export async function findBatch(sql: Queries, id: string): Promise<BatchRow | undefined> {
  const [row] = await sql<BatchRow[]>`select ${columns(sql)} from batches where id = ${id}`
  return row
}

/** Newest first. @param before identifier of the last batch of the page before */
export async function listBatches(
  sql: Sql,
  { tenantIds, projectId, status }: BatchFilter,
  before: string | undefined,
  rowsMax: number,
): Promise<BatchRow[]> {
  if (tenantIds?.length === 0) return []
  return await sql<BatchRow[]>`
    select ${columns(sql)} from batches
    where true
      ${tenantIds === undefined ? sql`` : sql`and tenant_id in ${sql([...tenantIds])}`}
      ${projectId === undefined ? sql`` : sql`and project_id = ${projectId}`}
      ${status === undefined ? sql`` : sql`and status = ${status}`}
      ${before === undefined ? sql`` : sql`and id < ${before}`}
    order by id desc limit ${rowsMax}`
}

/**
 * What is to be looked at of the batches that have not ended, oldest first: the first of each
 * tenant, those that run, and those that need no engine any more, so that these never wait for
 * others.
 * @param options those that are stuck do not count among a tenant's first
 */
export async function batchesInTurn(
  sql: Queries,
  options: { perTenantMax: number; running: readonly string[]; stuck: readonly string[]; at: Date },
): Promise<BatchRow[]> {
  const { perTenantMax, running, stuck, at } = options
  return await sql<BatchRow[]>`
    select ${columns(sql)} from (
      select *, count(*) filter (where id <> all (${textArray(stuck)}::text[]))
        over (partition by tenant_id order by id) as place
      from batches where ended_at is null) as unfinished
    where place <= ${perTenantMax} or id = any (${textArray(running)}::text[])
      or status in ('cancelling', 'finalizing') or expires_at <= ${at}
    order by id`
}

export async function countUnfinished(sql: Queries, tenantId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from batches
    where ended_at is null and tenant_id = ${tenantId}`
  return row?.count ?? 0
}

/** Validation found nothing wrong; does nothing where the batch has been cancelled meanwhile. */
export async function beginBatch(
  sql: Queries,
  id: string,
  facts: { linesTotal: number; model: string | null; at: Date },
): Promise<void> {
  await sql`
    update batches set status = 'in_progress', lines_total = ${facts.linesTotal},
      model = ${facts.model}, in_progress_at = ${facts.at}
    where id = ${id} and status = 'validating'`
}

/** Validation found something wrong, or could not be done. */
export async function failBatch(
  sql: Queries,
  id: string,
  errors: readonly BatchError[],
  at: Date,
): Promise<BatchRow | undefined> {
  const [row] = await sql<BatchRow[]>`
    update batches set status = 'failed', errors = ${JSON.stringify(errors)}::text::jsonb,
      reason = null, ended_at = ${at}
    where id = ${id} and ended_at is null
    returning ${columns(sql)}`
  return row
}

/** Cancels what runs. @returns false where it has ended or is about to */
export async function cancelBatch(sql: Queries, id: string, at: Date): Promise<boolean> {
  const cancelled = await sql`
    update batches set status = 'cancelling', cancelling_at = ${at},
      end_code = 'batch_cancelled', reason = 'It was cancelled.'
    where id = ${id} and status in ('validating', 'in_progress')`
  return cancelled.count > 0
}

/** Puts down what lines of a batch wait for while it runs; null: nothing. */
export async function noteReason(sql: Queries, id: string, reason: string | null): Promise<void> {
  await sql`
    update batches set reason = ${reason} where id = ${id} and status = 'in_progress'`
}

/** Every line has its end, or the rest will be given up for the reason named. */
export async function finalizeBatch(
  sql: Queries,
  id: string,
  why: { endCode: EndCode; reason: string } | null,
  at: Date,
): Promise<void> {
  await sql`
    update batches set status = 'finalizing', finalizing_at = ${at},
      end_code = ${why?.endCode ?? null}, reason = ${why?.reason ?? null}
    where id = ${id} and status in ('validating', 'in_progress')`
}

/** @param files those that were published */
export async function endBatch(
  sql: Queries,
  id: string,
  status: 'completed' | 'expired' | 'cancelled' | 'failed',
  files: Pick<BatchRow, 'outputFileId' | 'errorFileId'>,
  errors: readonly BatchError[],
  at: Date,
): Promise<BatchRow | undefined> {
  const [row] = await sql<BatchRow[]>`
    update batches set status = ${status}, ended_at = ${at},
      output_file_id = ${files.outputFileId}, error_file_id = ${files.errorFileId},
      errors = ${JSON.stringify(errors)}::text::jsonb
    where id = ${id} and ended_at is null
    returning ${columns(sql)}`
  return row
}

const FORGOTTEN_AT_ONCE = 1000

/** Forgets batches that ended before. @returns true where there may be more */
export async function forgetBatches(sql: Queries, endedBefore: Date): Promise<boolean> {
  const gone = await sql`
    delete from batches where id = any (array(
      select id from batches where ended_at < ${endedBefore}
      order by ended_at limit ${FORGOTTEN_AT_ONCE}))`
  return gone.count === FORGOTTEN_AT_ONCE
}

const columns = (sql: Queries) => sql`
  id, tenant_id as "tenantId", project_id as "projectId", key_id as "keyId", status,
  end_code as "endCode", reason, endpoint, model, service_class as "serviceClass",
  completion_window as "completionWindow", output_expires_after_s as "outputExpiresAfterS",
  metadata, input_file_id as "inputFileId", output_file_id as "outputFileId",
  error_file_id as "errorFileId", errors, lines_total as "linesTotal",
  lines_completed as "linesCompleted", lines_failed as "linesFailed",
  input_tokens as "inputTokens", cached_tokens as "cachedTokens",
  output_tokens as "outputTokens", reasoning_tokens as "reasoningTokens",
  created_at as "createdAt", expires_at as "expiresAt",
  in_progress_at as "inProgressAt", finalizing_at as "finalizingAt",
  cancelling_at as "cancellingAt", ended_at as "endedAt"`
