/**
 * `/v1/batches` as OpenAI's clients know it: make, read, list and cancel. What becomes of a batch
 * is the runner's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, GristmillError, type Limits, newId, type Random } from '../base/index.ts'
import { readBody } from '../gateway/index.ts'
import type { Database } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { cancelBatch, countUnfinished, findBatch, insertBatch, listBatches } from './batch-store.ts'
import type { BatchRow } from './batch-types.ts'
import { batchObject, batchPage, readCreation, readPaging } from './batch-wire.ts'
import { notAllowed, sendView } from './door.ts'
import type { FileStore } from './file-store.ts'

export interface BatchDoorOptions {
  database: Database
  files: FileStore
  clock: Clock
  random: Random
  limits: Limits
  /** Tells the runner that there is something to do. */
  wake(): void
}

const PATH = '/v1/batches'
const BODY_BYTES_MAX = 64 * 1024
const RETRY_AFTER_MS = 60_000

export class BatchDoor {
  readonly #options: BatchDoorOptions

  constructor(options: BatchDoorOptions) {
    this.#options = options
  }

  /**
   * Answers an authenticated request for `/v1/batches` or below it.
   * @throws GristmillError for whatever is refused; nothing has been answered then
   */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    requestId: string,
  ): Promise<void> {
    const { method = '', url = '' } = request
    const { pathname, searchParams } = new URL(url, 'http://gateway')
    const [id, action, ...more] = pathname.slice(PATH.length + 1).split('/')
    let view: object
    if (more.length > 0 || (action !== undefined && action !== 'cancel')) {
      throw new GristmillError('unknown_path', { method, path: pathname })
    }
    if (!id) {
      if (method === 'POST') view = batchObject(await this.#create(request, principal))
      else if (method === 'GET') view = await this.#list(principal, searchParams)
      else throw notAllowed(method, pathname, 'GET, POST')
    } else if (action === 'cancel') {
      if (method !== 'POST') throw notAllowed(method, pathname, 'POST')
      view = batchObject(await this.#cancel(principal, id))
    } else {
      if (method !== 'GET') throw notAllowed(method, pathname, 'GET')
      view = batchObject(await this.#find(principal, id))
    }
    sendView(response, view, requestId)
  }

  async #create(request: IncomingMessage, principal: Principal): Promise<BatchRow> {
    const { database, files, clock, random, limits } = this.#options
    const creation = readCreation(await jsonOf(request, limits), limits)
    const serviceClass = classOf(principal)
    const { tenantId, projectId, keyId } = principal
    const owner = { tenantId, projectId }
    const file = await files.get(owner, creation.inputFileId)
    if (file.purpose !== 'batch') {
      const reason = `its purpose is ${file.purpose}, and batch is needed`
      throw new GristmillError('invalid_value', { param: 'input_file_id', reason })
    }
    const nowMs = clock.nowMs()
    const expiresAt = new Date(nowMs + creation.windowMs)
    const { windowMs: _, ...facts } = creation
    const id = newId('batch', clock, random)
    const batch = { id, ...owner, keyId, serviceClass, createdAt: new Date(nowMs), expiresAt }
    const inserted = await database.transaction(async (sql) => {
      // One at a time for a tenant, so that its bound holds.
      await sql`select pg_advisory_xact_lock(hashtextextended(${`batches ${tenantId}`}, 0))`
      const { batchesMax } = limits
      if ((await countUnfinished(sql, tenantId)) >= batchesMax) {
        const options = { retryAfterMs: RETRY_AFTER_MS }
        throw new GristmillError('too_many_batches', { batchesMax }, options)
      }
      return insertBatch(sql, { ...batch, ...facts })
    })
    this.#options.wake()
    return inserted
  }

  async #list({ projectId }: Principal, query: URLSearchParams): Promise<object> {
    const { after, limit } = readPaging(query)
    const { sql } = this.#options.database
    if (after !== undefined && (await findBatch(sql, after))?.projectId !== projectId) {
      const reason = 'there is no such batch'
      throw new GristmillError('invalid_value', { param: 'after', reason })
    }
    const rows = await listBatches(sql, { projectId }, after, limit + 1)
    return batchPage(rows.slice(0, limit), rows.length > limit)
  }

  async #find({ projectId }: Principal, id: string): Promise<BatchRow> {
    const found = await findBatch(this.#options.database.sql, id)
    if (found?.projectId === projectId) return found
    throw new GristmillError('not_found', { kind: 'batch', id: id.slice(0, 100) })
  }

  async #cancel(principal: Principal, id: string): Promise<BatchRow> {
    await this.#find(principal, id)
    const { database, clock } = this.#options
    const cancelled = await cancelBatch(database.sql, id, new Date(clock.nowMs()))
    const batch = await this.#find(principal, id)
    if (!cancelled && batch.status !== 'cancelling' && batch.status !== 'cancelled') {
      throw new GristmillError('conflict', { reason: `The batch is ${batch.status}` })
    }
    this.#options.wake()
    return batch
  }
}

/** Background classes that the key's tenant may use; batch where it can. */
function classOf({ policy, keyName }: Principal): BatchRow['serviceClass'] {
  if (policy.classes.includes('batch')) return 'batch'
  if (policy.classes.includes('flex')) return 'flex'
  throw new GristmillError('forbidden', { actor: `The key ${keyName}`, action: 'use class batch' })
}

async function jsonOf(request: IncomingMessage, limits: Limits): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    request.once('close', () => reject(new GristmillError('invalid_json', { reason: GONE })))
    readBody(request, { ...limits, bodyBytesMax: BODY_BYTES_MAX }, (error, body) => {
      if (error) reject(error)
      else resolve(body.toString('utf8'))
    })
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = text === '' ? 'it is empty' : 'it cannot be parsed'
    throw new GristmillError('invalid_json', { reason }, { cause: error })
  }
}

const GONE = 'it ended early'
