/**
 * Responses of tenants in PostgreSQL: sealed with the tenant's key, found by their own project
 * only and as long as its tenant keeps responses, destroyed when they are deleted or too old.
 */
import { type Clock, GristmillError, type Limits } from '../base/index.ts'
import { ContentKeys, type ContentKeysOptions } from '../batch/index.ts'
import { itemsGiven, type NewResponse, type ResponseArchive } from '../gateway/index.ts'
import type { Database, Queries, Transaction } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { type Content, readContents, writePart } from './response-content.ts'

export interface ResponseStoreOptions extends ContentKeysOptions {
  database: Database
  clock: Clock
  limits: Pick<Limits, 'tenantFileBytesMax' | 'bodyBytesMax'>
}

export type ResponseStatus =
  | 'queued'
  | 'in_progress'
  | 'completed'
  | 'incomplete'
  | 'failed'
  | 'cancelled'

/** Items as clients send and get them. */
export type Item = Record<string, unknown>

interface Link {
  id: string
  previousId: string | null
  status: ResponseStatus
  bytes: number
}

const DAY_MS = 86_400_000
/** Responses that one can go back through. */
const TURNS_MAX = 1000

export class ResponseStore implements ResponseArchive {
  readonly #options: ResponseStoreOptions
  readonly #keys: ContentKeys

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

  async history(owner: Principal, id: string): Promise<Item[]> {
    const links = await this.#chain(owner, id)
    const [last] = links
    if (last?.status !== 'completed' && last?.status !== 'incomplete') {
      throw wrongPrevious(`the response is ${last?.status}`)
    }
    const { bodyBytesMax } = this.#options.limits
    const bytes = links.reduce((sum, link) => sum + link.bytes, 0)
    if (bytes > bodyBytesMax) {
      throw wrongPrevious(`the conversation has more than ${bodyBytesMax} bytes`)
    }
    const contents = await this.#contents(
      owner,
      links.map((link) => link.id),
    )
    const turns = links.reverse().map((link) => {
      const content = contents.get(link.id)
      if (content === undefined) throw missing(link.id)
      return itemsOf(link.id, content)
    })
    return turns.flatMap(({ given, gave }) => [...given, ...gave])
  }

  async items(owner: Principal, ids: readonly string[]): Promise<Item[]> {
    const visible = await Promise.all(ids.map((id) => this.#find(owner, id)))
    const contents = await this.#contents(
      owner,
      visible.map(({ id }) => id),
    )
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
    return { ...parsed(content.answer), status }
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
  }

  /** Tenants that have responses. */
  async tenantIds(): Promise<string[]> {
    const rows = await this.#options.database.sql<{ id: string }[]>`
      select distinct tenant_id as id from responses order by id`
    return rows.map(({ id }) => id)
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
    facts: { id: string; status: ResponseStatus; ended_at: Date | null },
  ): Promise<void> {
    const { tenantId, projectId, keyId } = owner
    const key = await this.#keys.ensure(sql, tenantId)
    const bytes = request.length + answer.length
    const { tenantFileBytesMax: quotaBytes } = this.#options.limits
    if (!(await this.#keys.count(sql, tenantId, bytes, quotaBytes))) {
      throw new GristmillError('file_quota_exceeded', { quotaBytes })
    }
    const row = {
      ...facts,
      tenant_id: tenantId,
      project_id: projectId,
      key_id: keyId,
      previous_id: previousId,
      is_background: false,
      bytes,
      created_at: new Date(createdAtMs),
    }
    await sql`insert into responses ${sql(row)}`
    const place = { id: facts.id, tenantId }
    await writePart(sql, this.#keys, key, place, 'request', request)
    await writePart(sql, this.#keys, key, place, 'answer', answer)
  }

  /** The response and those before it, newest first. @throws GristmillError `not_found` */
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
      select id, previous_id as "previousId", status, bytes from chain order by turn`
    const last = links.at(-1)
    if (last === undefined) throw missing(id)
    if (links.length > TURNS_MAX) {
      throw wrongPrevious(`the conversation has more than ${TURNS_MAX} turns`)
    }
    if (last.previousId !== null) throw missing(last.previousId)
    return [...links]
  }

  async #find(owner: Principal, id: string): Promise<Link> {
    const { sql } = this.#options.database
    const [row] = await sql<Link[]>`
      select id, previous_id as "previousId", status, bytes from responses
      where id = ${id} and ${this.#visible(sql, owner)}`
    if (row === undefined) throw missing(id)
    return row
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

function itemsOf(id: string, { request, answer }: Content): { given: Item[]; gave: Item[] } {
  const { input } = parsed(request)
  return { given: itemsGiven(input, id), gave: parsed(answer).output as Item[] }
}

const parsed = (json: Buffer) => JSON.parse(json.toString('utf8')) as Item

function missing(id: string): GristmillError {
  return new GristmillError('not_found', { kind: 'response', id: id.slice(0, 100) })
}

function wrongPrevious(reason: string): GristmillError {
  return new GristmillError('invalid_value', { param: 'previous_response_id', reason })
}
