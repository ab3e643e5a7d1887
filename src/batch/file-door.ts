/**
 * `/v1/files` as OpenAI's clients know it: upload, list, read, content, delete. How files are kept
 * is the store's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { checked, GristmillError, type Limits } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { answerIds, notAllowed, sendView } from './door.ts'
import { readFileForm } from './file-form.ts'
import type { FileStore } from './file-store.ts'
import type { FileRow } from './file-types.ts'

export interface FileDoorOptions {
  files: FileStore
  limits: Pick<Limits, 'fileBytesMax' | 'uploadsMax' | 'slowClientMsMax'>
}

const PATH = '/v1/files'
const PAGE_MAX = 10_000
const RETRY_AFTER_MS = 5000
/** A form is larger than its file by its fields and boundaries. */
const FORM_SPARE_BYTES = 64 * 1024

const paging = z.object({
  after: z
    .string()
    .regex(/^file_\w{26}$/, { error: 'it must be the identifier of a file' })
    .optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_MAX),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z
    .string()
    .regex(/^[\w-]{0,100}$/, { error: 'it must be a purpose' })
    .optional(),
})

export class FileDoor {
  readonly #options: FileDoorOptions
  /** Tenants of the uploads that arrive. */
  readonly #uploads: string[] = []

  constructor(options: FileDoorOptions) {
    this.#options = options
  }

  /**
   * Answers an authenticated request for `/v1/files` or below it.
   * @throws GristmillError for whatever is refused
   */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    requestId: string,
  ): Promise<void> {
    const { files } = this.#options
    const { method = '', url = '' } = request
    const { pathname, searchParams } = new URL(url, 'http://gateway')
    const [id, action, ...more] = pathname.slice(PATH.length + 1).split('/')
    const send = (view: object) => sendView(response, view, requestId)
    if (more.length > 0 || (action !== undefined && action !== 'content')) {
      throw new GristmillError('unknown_path', { method, path: pathname })
    }
    if (!id) {
      if (method === 'POST') return send(fileObject(await this.#upload(request, principal)))
      if (method === 'GET') return send(await this.#list(principal, searchParams))
      throw notAllowed(method, pathname, 'GET, POST')
    }
    if (action === 'content') {
      if (method !== 'GET') throw notAllowed(method, pathname, 'GET')
      return this.#content(response, principal, id, requestId)
    }
    if (method === 'GET') return send(fileObject(await files.get(principal, id)))
    if (method !== 'DELETE') throw notAllowed(method, pathname, 'GET, DELETE')
    await files.delete(principal, id)
    send({ id, object: 'file', deleted: true })
  }

  async #upload(request: IncomingMessage, principal: Principal): Promise<FileRow> {
    const { files, limits } = this.#options
    const { fileBytesMax: maxBytes, uploadsMax, slowClientMsMax } = limits
    if (Number(request.headers['content-length'] ?? 0) > maxBytes + FORM_SPARE_BYTES) {
      throw new GristmillError('file_too_large', { maxBytes })
    }
    const { tenantId, projectId, keyId } = principal
    const own = this.#uploads.filter((one) => one === tenantId).length
    if (this.#uploads.length >= uploadsMax || own >= Math.ceil(uploadsMax / 2)) {
      const options = { retryAfterMs: RETRY_AFTER_MS }
      throw new GristmillError('too_many_uploads', { uploadsMax }, options)
    }
    const form = readFileForm(request)
    this.#uploads.push(tenantId)
    request.setTimeout(slowClientMsMax, () => request.destroy())
    try {
      const creator = { tenantId, projectId, keyId }
      return await files.create(creator, form.content(), () => form.about())
    } finally {
      this.#uploads.splice(this.#uploads.indexOf(tenantId), 1)
      // What is still coming of a refused form is dropped, but not waited for for ever.
      if (request.complete) request.setTimeout(0)
      form.close()
    }
  }

  async #list(principal: Principal, query: URLSearchParams): Promise<object> {
    const page = checked(paging, Object.fromEntries(query))
    const { rows, hasMore } = await this.#options.files.list(principal, page)
    return {
      object: 'list',
      data: rows.map(fileObject),
      first_id: rows[0]?.id ?? null,
      last_id: rows.at(-1)?.id ?? null,
      has_more: hasMore,
    }
  }

  async #content(
    response: ServerResponse,
    principal: Principal,
    id: string,
    requestId: string,
  ): Promise<void> {
    const { files, limits } = this.#options
    const file = await files.get(principal, id)
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': file.bytes,
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...answerIds(requestId),
    })
    response.setTimeout(limits.slowClientMsMax, () => response.destroy())
    const content = Readable.from(files.read(principal, id), { objectMode: false })
    try {
      await pipeline(content, response)
    } catch (error) {
      // The client went away; nothing is left to tell it.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
    } finally {
      response.setTimeout(0)
    }
  }
}

/** The object that OpenAI's clients call a FileObject. */
export function fileObject(file: FileRow): object {
  const seconds = (at: Date) => Math.floor(at.getTime() / 1000)
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: seconds(file.createdAt),
    expires_at: seconds(file.expiresAt),
    filename: file.filename,
    purpose: file.purpose,
    status: 'processed',
  }
}
