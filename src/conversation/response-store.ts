/**
 * Responses of tenants in PostgreSQL: sealed with the tenant's key, found by their own project
 * only and as long as its tenant keeps responses, destroyed when they are deleted or too old.
 */
import { type Clock, GristmillError, type Limits } from '../base/index.ts'
import { ContentKeys, type ContentKeysOptions } from '../batch/index.ts'
import {
  itemsGiven,
  type NewResponse,
  type QueuedResponse,
  type ResponseArchive,
} from '../gateway/index.ts'
import type { Database, Fence, Queries, Transaction } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import {
  type BackgroundEnd,
  type BackgroundRow,
  contentOf,
  endResponse,
  mayQueue,
} from './background-store.ts'
import { type Content, readContents, writePart } from './response-content.ts'

export interface ResponseStoreOptions extends ContentKeysOptions {
  database: Database
  clock: Clock
  limits: Pick<Limits, 'tenantFileBytesMax' | 'bodyBytesMax' | 'backgroundMax'>
}

export type ResponseStatus =
  | 'queued'
  | 'in_progress'
  | 'completed'
  | 'incomplete'
  | 'failed'
  | 'cancelled'

/** What runs those in the background. */
interface Runner {
  wake(): void
  isRunning(id: string): boolean
}

/** Items as clients send and get them. */
export type Item = Record<string, unknown>

interface Link {
  id: string
  previousId: string | null
  status: ResponseStatus
  isBackground: boolean
  bytes: number
}

const DAY_MS = 86_400_000
/** Responses that one can go back through. */
const TURNS_MAX = 1000

export class ResponseStore implements ResponseArchive {
  readonly #options: ResponseStoreOptions
  readonly #keys: ContentKeys
  #runner: Runner | undefined

  constructor(options: ResponseStoreOptions) {
    this.#options = options
    this.#keys = new ContentKeys(options)
  }

  async keep(owner: Principal, response: NewResponse): Promise<void> {
    const { id, answer } = response
    const status = answer.status as ResponseStatus
    const { request } = response
    const content = { request, answer: Buffer.from(JSON.stringify(answer)) }
    const endedAt = new Date(this.#options.clock.nowMs())
    await this.#options.database.transaction((sql) =>
      this.#insert(sql, owner, response, content, { id, status, ended_at: endedAt }),
    )
  }

  async enqueue(owner: Principal, response: QueuedResponse): Promise<void> {
    const { database, limits } = this.#options
    const { id, request, answer, serviceClass, asker } = response
    const content = { request, answer: Buffer.from(JSON.stringify(answer)) }
    const terms = {
      is_background: true,
      service_class: serviceClass,
      end_user: asker.endUser,
      session_id: asker.sessionId,
    }
    await database.transaction(async (sql) => {
      await mayQueue(sql, owner.tenantId, limits.backgroundMax)
      await this.#insert(sql, owner, response, content, { id, status: 'queued', ...terms })
      await sql`
        update responses set tags = ${JSON.stringify(asker.tags)}::text::jsonb where id = ${id}`
    })
    this.#runner?.wake()
  }

  /** What a response in the background is to answer; undefined where it has ended or is gone. */
  queued(row: BackgroundRow): Promise<Content | undefined> {
    return contentOf(this.#options.database.sql, this.#keys, row)
  }

  /** Ends one in the background: see `endResponse`. */
  end(row: BackgroundRow, before: Content, end: BackgroundEnd, fence: Fence): Promise<boolean> {
    const { database, clock } = this.#options
    const at = new Date(clock.nowMs())
    return endResponse(database, this.#keys, row, before, end, { fence, at })
  }

  /**
   * Ends one in the background without an answer; nothing happens where it has ended.
   * @throws GristmillError `not_found`, `invalid_value` where it is not in the background
   */
  async cancel(owner: Principal, id: string): Promise<Item> {
    const { sql } = this.#options.database
    const at = new Date(this.#options.clock.nowMs())
    const cancelled = await sql`
      update responses set status = 'cancelled', ended_at = ${at}
      where id = ${id} and ended_at is null and ${this.#visible(sql, owner)}`
    if (cancelled.count > 0) this.#runner?.wake()
    else if (!(await this.#find(owner, id)).isBackground) {
      const reason = 'only responses in the background can be cancelled'
      throw new GristmillError('invalid_value', { param: 'response_id', reason })
    }
    return this.get(owner, id)
  }

  /** Names what is to be woken when one in the background is queued, cancelled or deleted here. */
  runBy(runner: Runner): void {
    this.#runner = runner
  }

  /**
   * What was said up to a response, and in it.
   * @throws GristmillError `previous_response_not_found`, `invalid_value` where it has
   *   not ended or is too long
   */
  async history(owner: Principal, id: string): Promise<Item[]> {
    const links = await this.#chain(owner, id)
    const [last] = links
    if (last?.status !== 'completed' && last?.status !== 'incomplete') {
      throw wrongPrevious(`the response is ${last?.status}`)
    }
    this.#mustFit(links, 'previous_response_id', 'the conversation has')
    const contents = await this.#contents(
      owner,
      links.map((link) => link.id),
    )
    const turns = links.reverse().map((link) => {
      const content = contents.get(link.id)
      if (content === undefined) throw noPrevious(link.id)
      return itemsOf(link.id, content)
    })
    return turns.flatMap(({ given, gave }) => [...given, ...gave])
  }

  async items(owner: Principal, ids: readonly string[]): Promise<Item[]> {
    if (ids.length > TURNS_MAX) {
      throw wrong('input', `it refers to items of more than ${TURNS_MAX} responses`)
    }
    this.#mustFit(await this.#findAll(owner, ids), 'input', 'the responses that it refers to have')
    const contents = await this.#contents(owner, ids)
    return [...contents].flatMap(([id, content]) => {
      const { given, gave } = itemsOf(id, content)
      return [...given, ...gave]
    })
  }

  /** The response as its client was told. @throws GristmillError `not_found` */
  async get(owner: Principal, id: string): Promise<Item> {
    const { status } = await this.#find(owner, id)
    const content = (await this.#contents(owner, [id])).get(id)
    if (content === undefined) throw missing(id)
    const isRunning = status === 'queued' && this.#runner?.isRunning(id) === true
    return { ...parsed(content.answer), status: isRunning ? 'in_progress' : status }
  }

  /** The items that it was given, with what was said before. @throws GristmillError `not_found` */
  async input(owner: Principal, id: string): Promise<Item[]> {
    const { previousId } = await this.#find(owner, id)
    const content = (await this.#contents(owner, [id])).get(id)
    if (content === undefined) throw missing(id)
    const before = previousId === null ? [] : await this.history(owner, previousId)
    return [...before, ...itemsOf(id, content).given]
  }

  /** Destroys it, and the tenant's key with the last. @throws GristmillError `not_found` */
  async delete(owner: Principal, id: string): Promise<void> {
    await this.#find(owner, id)
    await this.#options.database.transaction((sql) => this.#destroy(sql, owner.tenantId, id))
    this.#runner?.wake()
  }

  /** Tenants that have responses, with when the oldest that has ended was made. */
  async oldestByTenant(): Promise<Map<string, Date>> {
    const { sql } = this.#options.database
    // From tenant to tenant along the index, whatever each has.
    const rows = await sql<{ id: string; madeAt: Date }[]>`
      with recursive tenant as (
        select min(tenant_id) as id from responses
        union all
        select (select min(tenant_id) from responses where tenant_id > tenant.id)
        from tenant where tenant.id is not null
      )
      select tenant.id, oldest.created_at as "madeAt"
      from tenant, lateral (
        select created_at from responses
        where tenant_id = tenant.id and ended_at is not null order by created_at limit 1
      ) as oldest`
    return new Map(rows.map(({ id, madeAt }) => [id, madeAt]))
  }

  /** Destroys a tenant's that were made before, oldest first. @returns how many */
  async destroyOld(
    sql: Transaction,
    tenantId: string,
    madeBefore: Date,
    countMax: number,
  ): Promise<number> {
    const old = await sql<{ id: string }[]>`
      select id from responses
      where tenant_id = ${tenantId} and created_at <= ${madeBefore} and ended_at is not null
      order by created_at limit ${countMax}`
    for (const { id } of old) await this.#destroy(sql, tenantId, id)
    return old.length
  }

  async #insert(
    sql: Transaction,
    owner: Principal,
    { previousId, createdAtMs }: NewResponse,
    { request, answer }: Content,
    facts: { id: string; status: ResponseStatus } & Record<string, string | boolean | Date | null>,
  ): Promise<void> {
    const { tenantId, projectId, keyId } = owner
    const key = await this.#keys.ensure(sql, tenantId)
    const bytes = request.length + answer.length
    const { tenantFileBytesMax: quotaBytes } = this.#options.limits
    if (!(await this.#keys.count(sql, tenantId, bytes, quotaBytes))) {
      throw new GristmillError('file_quota_exceeded', { quotaBytes })
    }
    const row = {
      is_background: false,
      ...facts,
      tenant_id: tenantId,
      project_id: projectId,
      key_id: keyId,
      previous_id: previousId,
      bytes,
      created_at: new Date(createdAtMs),
    }
    await sql`insert into responses ${sql(row)}`
    const place = { id: facts.id, tenantId }
    await writePart(sql, this.#keys, key, place, 'request', request)
    await writePart(sql, this.#keys, key, place, 'answer', answer)
  }

  /** The response and those before it, newest first. */
  async #chain(owner: Principal, id: string): Promise<Link[]> {
    const { sql } = this.#options.database
    const links = await sql<Link[]>`
      with recursive chain as (
        select r.*, 1 as turn from responses r
        where r.id = ${id} and ${this.#visible(sql, owner, 'r')}
        union all
        select r.*, c.turn + 1 from chain c join responses r on r.id = c.previous_id
        where c.turn <= ${TURNS_MAX} and ${this.#visible(sql, owner, 'r')}
      )
      select ${linkColumns(sql)} from chain order by turn`
    const last = links.at(-1)
    if (last === undefined) throw noPrevious(id)
    if (links.length > TURNS_MAX) {
      throw wrongPrevious(`the conversation has more than ${TURNS_MAX} turns`)
    }
    if (last.previousId !== null) throw noPrevious(last.previousId)
    return [...links]
  }

  async #find(owner: Principal, id: string): Promise<Link> {
    const [row] = await this.#findAll(owner, [id])
    return row as Link
  }

  /** All of them, in no particular order. @throws GristmillError `not_found` */
  async #findAll(owner: Principal, ids: readonly string[]): Promise<Link[]> {
    const { sql } = this.#options.database
    const rows = await sql<Link[]>`
      select ${linkColumns(sql)} from responses
      where id in ${sql([...ids])} and ${this.#visible(sql, owner)}`
    const found = new Set(rows.map(({ id }) => id))
    const lost = ids.find((id) => !found.has(id))
    if (lost !== undefined) throw missing(lost)
    return [...rows]
  }

  /** What is read into memory at once is no more than a client may send. */
  #mustFit(links: readonly Link[], param: string, what: string): void {
    const { bodyBytesMax } = this.#options.limits
    const bytes = links.reduce((sum, link) => sum + link.bytes, 0)
    if (bytes > bodyBytesMax) throw wrong(param, `${what} more than ${bodyBytesMax} bytes`)
  }

  #visible(sql: Queries, owner: Principal, table = 'responses') {
    const { tenantId, projectId, policy } = owner
    const madeAfter = new Date(this.#options.clock.nowMs() - policy.responseDays * DAY_MS)
    const name = sql(table)
    return sql`${name}.tenant_id = ${tenantId} and ${name}.project_id = ${projectId}
      and ${name}.created_at > ${madeAfter}`
  }

  #contents({ tenantId }: Principal, ids: readonly string[]): Promise<Map<string, Content>> {
    return readContents(this.#options.database.sql, this.#keys, tenantId, ids)
  }

  async #destroy(sql: Transaction, tenantId: string, id: string): Promise<void> {
    await sql`select 1 from content_keys where tenant_id = ${tenantId} for update`
    const [gone] = await sql<{ bytes: number }[]>`
      delete from responses where id = ${id} and tenant_id = ${tenantId} returning bytes`
    if (gone) await this.#keys.release(sql, tenantId, gone.bytes)
  }
}

const linkColumns = (sql: Queries) =>
  sql`id, previous_id as "previousId", status, is_background as "isBackground", bytes`

function itemsOf(id: string, { request, answer }: Content): { given: Item[]; gave: Item[] } {
  const { input } = parsed(request)
  return { given: itemsGiven(input, id), gave: parsed(answer).output as Item[] }
}

const parsed = (json: Buffer) => JSON.parse(json.toString('utf8')) as Item

function missing(id: string): GristmillError {
  return new GristmillError('not_found', { kind: 'response', id: id.slice(0, 100) })
}

/** In the words of OpenAI's API, where what goes on from nothing is wrong input. */
function noPrevious(id: string): GristmillError {
  const details = { id: id.slice(0, 100), param: 'previous_response_id' }
  return new GristmillError('previous_response_not_found', details)
}

const wrongPrevious = (reason: string) => wrong('previous_response_id', reason)

function wrong(param: string, reason: string): GristmillError {
  return new GristmillError('invalid_value', { param, reason })
}
