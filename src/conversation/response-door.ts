/** Below `/v1/responses`, as OpenAI's clients know it: what is kept is read, cancelled, deleted. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { notAllowed, sendView } from '../batch/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { Item, ResponseStore } from './response-store.ts'

export interface ResponseDoorOptions {
  responses: ResponseStore
}

const PATH = '/v1/responses/'
const paging = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
})

export class ResponseDoor {
  readonly #options: ResponseDoorOptions

  constructor(options: ResponseDoorOptions) {
    this.#options = options
  }

  /**
   * Answers an authenticated request below `/v1/responses`.
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
    const [id = '', action, ...more] = pathname.slice(PATH.length).split('/')
    let view: object
    if (id === '' || more.length > 0) throw unknownPath(method, pathname)
    if (action === undefined) {
      if (method === 'GET') view = await this.#get(principal, id, searchParams)
      else if (method === 'DELETE') view = await this.#delete(principal, id)
      else throw notAllowed(method, pathname, 'GET, DELETE')
    } else if (action === 'input_items') {
      if (method !== 'GET') throw notAllowed(method, pathname, 'GET')
      const items = await this.#options.responses.input(principal, id)
      view = inputPage(items, Object.fromEntries(searchParams))
    } else if (action === 'cancel') {
      if (method !== 'POST') throw notAllowed(method, pathname, 'POST')
      view = await this.#options.responses.cancel(principal, id)
    } else throw unknownPath(method, pathname)
    sendView(response, view, requestId)
  }

  async #get(principal: Principal, id: string, query: URLSearchParams): Promise<object> {
    if (query.get('stream') === 'true') {
      const reason = 'a response is read whole; ask for it until it has ended'
      throw new GristmillError('unsupported_parameter', { param: 'stream', reason })
    }
    return this.#options.responses.get(principal, id)
  }

  async #delete(principal: Principal, id: string): Promise<object> {
    await this.#options.responses.delete(principal, id)
    return { id, object: 'response', deleted: true }
  }
}

/**
 * A page of items as clients expect it.
 * @param query as it came
 * @throws GristmillError `invalid_value` naming the field
 */
export function inputPage(items: readonly Item[], query: Record<string, string>): object {
  const { after, limit, order } = checked(paging, query)
  const all = withOwnIds(items)
  if (order === 'desc') all.reverse()
  const at = after === undefined ? -1 : all.findIndex(({ id }) => id === after)
  if (after !== undefined && at === -1) {
    throw new GristmillError('invalid_value', { param: 'after', reason: 'there is no such item' })
  }
  const data = all.slice(at + 1, at + 1 + limit)
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + 1 + limit < all.length,
  }
}

/** A client may send an item twice; a page that ends with it must still lead to the next. */
function withOwnIds(items: readonly Item[]): Item[] {
  const seen = new Set<unknown>()
  return items.map((item, i) => {
    const isFirst = !seen.has(item.id)
    seen.add(item.id)
    return isFirst ? item : { ...item, id: `${String(item.id)}_again${i}` }
  })
}

function unknownPath(method: string, path: string): GristmillError {
  return new GristmillError('unknown_path', { method, path })
}
