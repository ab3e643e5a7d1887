/**
 * Files of tenants in PostgreSQL: written piece by piece, sealed with the tenant's key, visible
 * once they are complete, destroyed when they are deleted or expire. No HTTP, no meaning of
 * content.
 */
import {
  type Clock,
  GristmillError,
  type Limits,
  type Logger,
  limitTable,
  newId,
  type Random,
} from '../base/index.ts'
import type { Database, Queries, Transaction } from '../store/index.ts'
import { ContentKeys } from './content-keys.ts'
import {
  appendContent,
  CHUNK_BYTES,
  inPiecesOf,
  readContent,
  type SharedPieces,
} from './file-chunks.ts'
import { splitLines } from './file-lines.ts'
import type {
  FileCreator,
  FileLine,
  FileOwner,
  FilePage,
  FilePageRequest,
  FileRow,
  NewFile,
  OpenFile,
} from './file-types.ts'

export interface FileStoreOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  /** 32 bytes that seal the tenants' keys; all gateways on one database need the same. */
  masterKey: Uint8Array
  limits: Pick<Limits, 'fileBytesMax' | 'tenantFileBytesMax' | 'fileRetentionDays'>
}

const DAY_MS = 86_400_000

export class FileStore {
  readonly #options: FileStoreOptions
  readonly #keys: ContentKeys

  constructor(options: FileStoreOptions) {
    this.#options = options
    this.#keys = new ContentKeys(options)
  }

  /**
   * Stores content as it comes, a mebibyte in memory at a time. Where it fails, or `chunks` does,
   * nothing stays.
   * @param about asked when all content is there, since a form may name it after the content
   * @throws GristmillError `file_too_large`, `file_quota_exceeded`, `content_key_wrong`
   */
  async create(
    creator: FileCreator,
    chunks: AsyncIterable<Uint8Array>,
    about: () => NewFile,
  ): Promise<FileRow> {
    const { database } = this.#options
    const file = await database.transaction((sql) => this.#insert(sql, creator, 'uploading'))
    try {
      let bytes = 0
      for await (const piece of inPiecesOf(CHUNK_BYTES, chunks)) {
        bytes += piece.length
        await this.#store(file, piece, bytes)
      }
      const facts = about()
      return await this.#complete(database.sql, file, facts)
    } catch (error) {
      await this.#abandon(file)
      throw error
    }
  }

  /** A file that is written piece by piece and seen by nobody until it is published. */
  async begin(sql: Transaction, creator: FileCreator): Promise<OpenFile> {
    return this.#insert(sql, creator, 'writing')
  }

  /**
   * Adds content to a file that was begun; atomic with whatever else the transaction holds. Not
   * bound by the quota, so that no answer is lost that was paid for.
   * @throws GristmillError `not_found` where it is gone or published
   */
  async append(sql: Transaction, file: OpenFile, content: Uint8Array): Promise<void> {
    await appendContent(sql, this.#keys, file, content, this.#now())
  }

  /**
   * Makes a file that was begun visible; its time runs from now.
   * @throws GristmillError `not_found` where it is gone or published
   */
  async publish(sql: Transaction, file: OpenFile, about: NewFile): Promise<FileRow> {
    await this.#keys.ensure(sql, file.tenantId)
    const row = await this.#complete(sql, file, about)
    await this.#keys.count(sql, file.tenantId, row.bytes, Number.MAX_SAFE_INTEGER)
    return row
  }

  /** Destroys a file that was begun; nothing happens where it is gone. */
  async discard(sql: Transaction, file: OpenFile): Promise<void> {
    await this.#destroy(sql, file)
  }

  /** @throws GristmillError `not_found`, also for files of other projects and expired ones */
  async get(owner: FileOwner, id: string): Promise<FileRow> {
    const { sql } = this.#options.database
    const [row] = await sql<FileRow[]>`
      ${select(sql)} where id = ${id} and ${this.#visible(sql, owner)}`
    if (!row) throw new GristmillError('not_found', { kind: 'file', id: id.slice(0, 100) })
    return row
  }

  /** The owner's files in order of creation. */
  async list(owner: FileOwner, page: FilePageRequest): Promise<FilePage> {
    const { sql } = this.#options.database
    const { limit, after, order, purpose } = page
    const isUp = order === 'asc'
    const beyond = isUp ? sql`and id > ${after ?? ''}` : sql`and id < ${after ?? ''}`
    const rows = await sql<FileRow[]>`
      ${select(sql)} where ${this.#visible(sql, owner)}
        ${after === undefined ? sql`` : beyond}
        ${purpose === undefined ? sql`` : sql`and purpose = ${purpose}`}
      order by id ${isUp ? sql`asc` : sql`desc`} limit ${limit + 1}`
    return { rows: rows.slice(0, limit), hasMore: rows.length > limit }
  }

  /** Destroys a file, and the tenant's key with its last. @throws GristmillError `not_found` */
  async delete(owner: FileOwner, id: string): Promise<void> {
    const file = await this.get(owner, id)
    await this.#options.database.transaction((sql) => this.#destroy(sql, file))
  }

  /**
   * The content from a position on, in pieces of at most a mebibyte.
   * @param options `pieces` where others read it at about the same place
   * @throws GristmillError `not_found`, before the first piece or where it is deleted meanwhile
   */
  async *read(
    owner: FileOwner,
    id: string,
    { fromByte = 0, pieces }: { fromByte?: number; pieces?: SharedPieces | undefined } = {},
  ): AsyncGenerator<Buffer> {
    const file = await this.get(owner, id)
    yield* readContent(this.#options.database.sql, this.#keys, file, fromByte, pieces)
  }

  /**
   * The lines of a file, one in memory at a time.
   * @param options the longest line whose text is given, bytes; where to begin, if not at the
   *   first line: number and position as an earlier reading gave them; `pieces` as of `read`
   * @throws GristmillError `not_found`
   */
  lines(
    owner: FileOwner,
    id: string,
    options: {
      lineBytesMax: number
      from?: { number: number; byte: number }
      pieces?: SharedPieces | undefined
    },
  ): AsyncGenerator<FileLine> {
    const { lineBytesMax, from, pieces } = options
    const content = this.read(owner, id, { fromByte: from?.byte ?? 0, pieces })
    return splitLines(content, lineBytesMax, from)
  }

  /**
   * The lines of an input that was looked through; also those that were let in under a higher limit
   * than the one of today.
   */
  checkedLines(owner: FileOwner, id: string, pieces?: SharedPieces): AsyncGenerator<FileLine> {
    return this.lines(owner, id, { lineBytesMax: limitTable.bodyBytesMax.most, pieces })
  }

  /** Destroys what has expired and uploads that came to nothing. @returns how many files */
  async destroyOld(sql: Transaction, abandonedBefore: Date, filesMax: number): Promise<number> {
    const old = await sql<OpenFile[]>`
      select id, tenant_id as "tenantId" from files
      where (state = 'ready' and expires_at <= ${this.#now()} and not ${isNeeded(sql)})
        or (state = 'uploading' and touched_at < ${abandonedBefore})
      order by tenant_id, id limit ${filesMax}`
    for (const file of old) await this.#destroy(sql, file)
    return old.length
  }

  /**
   * Destroys what a tenant has, but for files that a batch still writes.
   * @returns how many files, `filesMax` at most
   */
  async destroyOf(sql: Transaction, tenantId: string, filesMax: number): Promise<number> {
    const found = await sql<OpenFile[]>`
      select id, tenant_id as "tenantId" from files
      where tenant_id = ${tenantId} and state <> 'writing' order by id limit ${filesMax}`
    for (const file of found) await this.#destroy(sql, file)
    return found.length
  }

  /** Tenants that have content. */
  async tenantIds(): Promise<string[]> {
    const rows = await this.#options.database.sql<{ id: string }[]>`
      select tenant_id as id from content_keys order by tenant_id`
    return rows.map(({ id }) => id)
  }

  #now(): Date {
    return new Date(this.#options.clock.nowMs())
  }

  #visible(sql: Queries, { tenantId, projectId }: FileOwner) {
    return sql`tenant_id = ${tenantId} and project_id = ${projectId}
      and state = 'ready' and (expires_at > ${this.#now()} or ${isNeeded(sql)})`
  }

  async #insert(
    sql: Transaction,
    { tenantId, projectId, keyId }: FileCreator,
    state: 'uploading' | 'writing',
  ): Promise<OpenFile> {
    const { clock, random } = this.#options
    await this.#keys.ensure(sql, tenantId)
    const id = newId('file', clock, random)
    const at = this.#now()
    const owner = { tenant_id: tenantId, project_id: projectId, key_id: keyId }
    const row = { id, ...owner, filename: '', purpose: '', state, created_at: at, touched_at: at }
    await sql`insert into files ${sql(row)}`
    return { id, tenantId }
  }

  /** @param bytes of the file with this piece */
  async #store(file: OpenFile, piece: Buffer, bytes: number): Promise<void> {
    const { database, limits } = this.#options
    const { fileBytesMax: maxBytes, tenantFileBytesMax: quotaBytes } = limits
    if (bytes > maxBytes) throw new GristmillError('file_too_large', { maxBytes })
    await database.transaction(async (sql) => {
      if (!(await this.#keys.count(sql, file.tenantId, piece.length, quotaBytes))) {
        throw new GristmillError('file_quota_exceeded', { quotaBytes })
      }
      await this.append(sql, file, piece)
    })
  }

  async #complete(sql: Queries, { id, tenantId }: OpenFile, about: NewFile): Promise<FileRow> {
    const { filename, purpose, expiresAfterS } = about
    const at = this.#now()
    const lifeMs = expiresAfterS
      ? expiresAfterS * 1000
      : this.#options.limits.fileRetentionDays * DAY_MS
    const facts = { filename, purpose, state: 'ready', created_at: at, touched_at: at }
    const expiry = { expires_at: new Date(at.getTime() + lifeMs) }
    const [row] = await sql<FileRow[]>`
      update files set ${sql({ ...facts, ...expiry })}
      where id = ${id} and tenant_id = ${tenantId} and state <> 'ready'
      returning ${columns(sql)}`
    if (!row) throw new GristmillError('not_found', { kind: 'file', id })
    return row
  }

  async #destroy(sql: Transaction, { id, tenantId }: OpenFile): Promise<void> {
    await sql`select 1 from content_keys where tenant_id = ${tenantId} for update`
    const [gone] = await sql<{ counted: number }[]>`
      delete from files where id = ${id} and tenant_id = ${tenantId}
      returning case when state = 'writing' then 0 else bytes end as counted`
    if (gone) await this.#keys.release(sql, tenantId, gone.counted)
  }

  async #abandon(file: OpenFile): Promise<void> {
    const { database, logger } = this.#options
    try {
      await database.transaction((sql) => this.#destroy(sql, file))
    } catch (error) {
      // Left for the sweep, which also comes after a crash.
      logger.warn({ err: error, fileId: file.id }, 'an upload that failed is still stored')
    }
  }
}

const columns = (sql: Queries) => sql`
  id, tenant_id as "tenantId", project_id as "projectId", key_id as "keyId", filename, purpose,
  bytes, created_at as "createdAt", expires_at as "expiresAt"`

/** Whatever its own time is, the input of a batch lives until that has ended. */
const isNeeded = (sql: Queries) => sql`
  exists (select 1 from batches b where b.input_file_id = files.id and b.ended_at is null)`

const select = (sql: Queries) => sql`select ${columns(sql)} from files`
