/**
 * The command line's way to a running server: finds its address, proves itself, and turns its
 * errors into one line.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Clock, type Config, GristmillError } from '../base/index.ts'
import type { ApiError, Page } from '../http/index.ts'

type Query = Record<string, string | number | undefined>

/** An error that the server answered with; its message says already what to do. */
export class ServerError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ServerError'
    this.status = status
    this.code = code
  }
}

/** Where `gristmill start` writes what the command line needs to find it. */
export const SERVER_FILE = 'server.json'
const TOKEN_FILE = 'cli-token'
const ROWS_PER_PAGE = 200
const ATTEMPTS_MAX = 4
const AGAIN_MS = 250

/** What a running server leaves in its home. */
export interface ServerFile {
  url: string
  pid: number
  databaseUrl: string
}

export class AdminClient {
  readonly url: string
  readonly #headers: Record<string, string>

  /** @throws GristmillError `no_server` where no address is given and none was left in the home */
  constructor(config: Pick<Config, 'home' | 'clientUrl' | 'clientApiKey'>) {
    const local = readServerFile(config.home)
    const url = config.clientUrl ?? local?.url
    if (url === undefined) throw new GristmillError('no_server', { where: `for ${config.home}` })
    this.url = url.replace(/\/+$/, '')
    this.#headers = credentials(config, this.url === local?.url)
  }

  get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#json<Answer>('GET', path + queryText(query))
  }

  post<Answer>(path: string, body: unknown = {}): Promise<Answer> {
    return this.#json<Answer>('POST', path, body)
  }

  /**
   * A change that is made once however often it is sent: again where no answer came.
   * @param key sent as `Idempotency-Key`, each time the same
   */
  async postOnce<Answer>(path: string, body: unknown, key: string, clock: Clock): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const headers = { 'idempotency-key': key }
        return (await (await this.open('POST', path, { body, headers })).json()) as Answer
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || isRefusal(error)) throw error
        await clock.sleep(AGAIN_MS * attempt)
      }
    }
  }

  put<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#json<Answer>('PUT', path, body)
  }

  patch<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#json<Answer>('PATCH', path, body)
  }

  delete<Answer>(path: string): Promise<Answer> {
    return this.#json<Answer>('DELETE', path)
  }

  /** Every row of a paged list. */
  async *rows<Row>(path: string, query: Query = {}): AsyncGenerator<Row> {
    let cursor: string | null = null
    do {
      const page: Page<Row> = await this.get(path, {
        limit: ROWS_PER_PAGE,
        ...query,
        ...(cursor !== null && { cursor }),
      })
      yield* page.rows
      cursor = page.next
    } while (cursor !== null)
  }

  /** Every row of a paged list at once; for lists that people make by hand. */
  async all<Row>(path: string, query: Query = {}): Promise<Row[]> {
    const rows: Row[] = []
    for await (const row of this.rows<Row>(path, query)) rows.push(row)
    return rows
  }

  /** An answer that is read as it comes: a stream, or text that is not JSON. */
  async open(
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const hasBody = options.body !== undefined
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...this.#headers,
        ...(hasBody && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(hasBody && { body: JSON.stringify(options.body) }),
      ...(options.signal && { signal: options.signal }),
    }).catch((error: unknown) => {
      if (options.signal?.aborted) throw error
      throw new GristmillError('no_server', { where: `at ${this.url}` }, { cause: error })
    })
    if (!response.ok) throw await errorOf(response)
    return response
  }

  /**
   * Sends a large body as it is read.
   * @param headers with its type and its length
   */
  async upload<Answer>(
    path: string,
    body: AsyncIterable<Uint8Array>,
    headers: Record<string, string>,
  ): Promise<Answer> {
    // The built-in fetch reads faster than it sends, and would hold all of it in memory.
    const { request } = await import('undici')
    const { statusCode: status, body: answer } = await request(this.url + path, {
      method: 'POST',
      headers: { ...this.#headers, ...headers },
      body: Readable.from(body, { objectMode: false }),
    }).catch((error: unknown) => {
      throw new GristmillError('no_server', { where: `at ${this.url}` }, { cause: error })
    })
    const response = new Response(await answer.text(), { status })
    if (!response.ok) throw await errorOf(response, this.url + path)
    return (await response.json()) as Answer
  }

  async #json<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.open(method, path, { body })
    if (response.status === 204) return null as Answer
    return (await response.json()) as Answer
  }
}

/** Refusals stay; a server that does not answer, or cannot yet, may have done what was asked. */
export const isRefusal = (error: unknown) => error instanceof ServerError && error.status < 500

/** What a running server wrote into its data home, undefined where there is none. */
export function readServerFile(home: string): ServerFile | undefined {
  const text = readIfThere(join(home, SERVER_FILE))
  return text === undefined ? undefined : (JSON.parse(text) as ServerFile)
}

/** The local token is only ever sent to the server that wrote it. */
function credentials(
  { home, clientApiKey }: { home: string; clientApiKey?: string | undefined },
  isOwn: boolean,
): Record<string, string> {
  if (clientApiKey !== undefined) return { authorization: `Bearer ${clientApiKey}` }
  const token = isOwn ? readIfThere(join(home, TOKEN_FILE)) : undefined
  return token === undefined ? {} : { 'x-gristmill-local': token.trim() }
}

async function errorOf(response: Response, url = response.url): Promise<ServerError> {
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as ApiError
    return new ServerError(response.status, error.code, error.message)
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause
    const message = `${url} answered with status ${response.status} and not as Gristmill does. Check the address.`
    return new ServerError(response.status, 'unknown_answer', message)
  }
}

function queryText(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES') return undefined
    throw error
  }
}
