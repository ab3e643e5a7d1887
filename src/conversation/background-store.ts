/**
 * Responses in the background, from the queue to their end: rows that a runner takes up, in one
 * statement each, so that whatever is killed between two of them goes on with what is there.
 */

import type { ServiceClass } from '../base/index.ts'
import { GristmillError } from '../base/index.ts'
import type { ContentKeys } from '../batch/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import type { Database, Fence, Queries, Transaction } from '../store/index.ts'
import { type Content, readContents, writePart } from './response-content.ts'

/** What waits or runs. */
export interface BackgroundRow {
  id: string
  tenantId: string
  keyId: string
  status: 'queued' | 'in_progress'
  serviceClass: ServiceClass
  endUser: string | null
  sessionId: string | null
  tags: string[]
  tries: number
  createdAt: Date
}

export interface BackgroundEnd {
  status: 'completed' | 'incomplete' | 'failed'
  /** The response as its client is told. */
  answer: Record<string, unknown>
  /** The request that answered it, and what it is charged with. */
  requestId: string
  usage: TokenCounts
}

/** All that have not ended, oldest first. */
export async function unendedResponses(sql: Queries): Promise<BackgroundRow[]> {
  return await sql<BackgroundRow[]>`
    select id, tenant_id as "tenantId", key_id as "keyId", status,
      service_class as "serviceClass", end_user as "endUser", session_id as "sessionId", tags,
      tries,
      created_at as "createdAt"
    from responses where ended_at is null order by id`
}

/** Counts a failure of an engine. */
export async function noteTry(sql: Queries, id: string, tries: number): Promise<void> {
  await sql`update responses set tries = ${tries} where id = ${id} and ended_at is null`
}

/** Those that have got an engine. */
export async function noteRunning(sql: Queries, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    update responses set status = 'in_progress' where id in ${sql([...ids])} and status = 'queued'`
}

/** One in the background at most is made for a tenant at a time, so that its bound holds. */
export async function mayQueue(
  sql: Transaction,
  tenantId: string,
  backgroundMax: number,
): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`responses ${tenantId}`}, 0))`
  const [row] = await sql<{ unended: number }[]>`
    select count(*)::int as unended from responses
    where tenant_id = ${tenantId} and ended_at is null`
  if ((row?.unended ?? 0) < backgroundMax) return
  throw new GristmillError('too_many_responses', { backgroundMax }, { retryAfterMs: 1000 })
}

/** What requests are charged with whose answers are stored; others are absent. */
export async function storedResponses(
  sql: Queries,
  requestIds: readonly string[],
): Promise<Map<string, TokenCounts>> {
  if (requestIds.length === 0) return new Map()
  const rows = await sql<{ requestId: string; counts: TokenCounts }[]>`
    select request_id as "requestId", jsonb_strip_nulls(jsonb_build_object(
      'inputTokens', input_tokens, 'cachedTokens', cached_tokens, 'outputTokens', output_tokens,
      'cacheWriteTokens', cache_write_tokens, 'reasoningTokens', reasoning_tokens)) as counts
    from responses where request_id in ${sql([...requestIds])}`
  return new Map(rows.map(({ requestId, counts }) => [requestId, counts]))
}

/** The content of one that has not ended; undefined where it is gone. */
export async function contentOf(
  sql: Queries,
  keys: ContentKeys,
  { id, tenantId }: BackgroundRow,
): Promise<Content | undefined> {
  const [open] = await sql`select from responses where id = ${id} and ended_at is null`
  return open && (await readContents(sql, keys, tenantId, [id])).get(id)
}

/**
 * Ends one, while the right to schedule is ours.
 * @param before its content until now
 * @returns false where it was cancelled, deleted or answered by another request
 * @throws GristmillError `scheduler_held` where another gateway has taken over
 */
export async function endResponse(
  database: Database,
  keys: ContentKeys,
  { id, tenantId }: BackgroundRow,
  before: Content,
  { status, answer, requestId, usage }: BackgroundEnd,
  { fence, at }: { fence: Fence; at: Date },
): Promise<boolean> {
  const content = Buffer.from(JSON.stringify(answer))
  const more = content.length - before.answer.length
  return database.transaction(async (sql) => {
    if (!(await fence(sql))) {
      throw new GristmillError('scheduler_held', { holder: 'another gateway' })
    }
    await sql`select 1 from content_keys where tenant_id = ${tenantId} for update`
    const facts = {
      status,
      ended_at: at,
      request_id: requestId,
      input_tokens: usage.inputTokens,
      cached_tokens: usage.cachedTokens,
      output_tokens: usage.outputTokens,
      cache_write_tokens: usage.cacheWriteTokens ?? null,
      reasoning_tokens: usage.reasoningTokens ?? null,
    }
    const ended = await sql`
      update responses set ${sql(facts)}, bytes = bytes + ${more}
      where id = ${id} and ended_at is null`
    if (ended.count === 0) {
      // Stored before, where the answer to us was lost.
      const ours = await sql`select from responses where id = ${id} and request_id = ${requestId}`
      return ours.length > 0
    }
    const key = await keys.find(sql, tenantId)
    if (key === undefined) throw new Error(`the content key of ${tenantId} is gone`)
    // Paid for, so it is kept beyond the quota as well.
    await keys.count(sql, tenantId, more, Number.MAX_SAFE_INTEGER)
    await sql`delete from response_chunks where response_id = ${id} and part = 'answer'`
    await writePart(sql, keys, key, { id, tenantId }, 'answer', content)
    return true
  })
}
