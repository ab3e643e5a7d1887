/**
 * The engine's HTTP server: routing, bodies, errors. What the routes do lives in their own files.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import {
  type Clock,
  errorHeaders,
  GristmillError,
  type Logger,
  newId,
  openAiErrorBody,
  type Random,
  toGristmillError,
} from '../base/index.ts'

/** One request while it is answered. */
export interface Exchange {
  /** From `x-request-id`, else a new one; echoed. */
  requestId: string
  /** The parsed JSON body; undefined for GET. */
  body: unknown
  /** Values of the `:name` parts of the path. */
  params: Record<string, string>
  /** Aborted when the client has gone. */
  signal: AbortSignal
  response: ServerResponse
  sendJson(body: object, status?: number): void
  /** Sends the head of an event stream at the first call, then writes. */
  writeEvents(text: string): void
}

export interface Route {
  method: 'GET' | 'POST'
  /** Segments; one that begins with a colon matches anything. */
  path: string
  handle(exchange: Exchange): Promise<void> | void
}

export interface HttpServerOptions {
  routes: readonly Route[]
  bodyBytesMax: number
  headerBytesMax: number
  clock: Clock
  random: Random
  logger: Logger
}

/** Bodies up to this size are read in a millisecond or two. */
const LARGE_BODY_BYTES = 256 * 1024

const REQUEST_ID = /^[\w.:-]{1,128}$/

export function createHttpServer(options: HttpServerOptions): Server {
  const server = createServer({ maxHeaderSize: options.headerBytesMax }, (request, response) => {
    void answer(request, response, options)
  })
  // The gateway keeps connections; the default of five seconds would race its next request.
  server.keepAliveTimeout = 65_000
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
): Promise<void> {
  const given = request.headers['x-request-id']
  const requestId =
    typeof given === 'string' && REQUEST_ID.test(given)
      ? given
      : newId('req', options.clock, options.random)
  const client = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) client.abort()
  })
  // A client that is gone shows in the signal; writing to it must not end the process.
  response.on('error', () => client.abort())
  try {
    const { route, params } = findRoute(request, options.routes)
    const body = route.method === 'POST' ? await readJson(request, options.bodyBytesMax) : undefined
    const exchange = newExchange(requestId, body, params, client.signal, response)
    await route.handle(exchange)
  } catch (thrown) {
    // Nobody is there to be told, as while a body came that broke off.
    if (request.socket.destroyed) return
    const error = toGristmillError(thrown)
    // One that may be sent again soon, as while the model loads, is no failure.
    const isFailure = error.status >= 500 && error.status !== 503
    if (isFailure) options.logger.error({ requestId, err: thrown }, error.message)
    refuse(response, error, requestId)
  }
}

function newExchange(
  requestId: string,
  body: unknown,
  params: Record<string, string>,
  signal: AbortSignal,
  response: ServerResponse,
): Exchange {
  return {
    requestId,
    body,
    params,
    signal,
    response,
    sendJson(value, status = 200) {
      const text = JSON.stringify(value)
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'x-request-id': requestId,
      })
      response.end(text)
    },
    writeEvents(text) {
      if (!response.headersSent)
        response.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-cache',
          'x-accel-buffering': 'no',
          'x-request-id': requestId,
        })
      response.write(text)
    },
  }
}

/** An error body, or an error event when the stream has begun. */
function refuse(response: ServerResponse, error: GristmillError, requestId: string): void {
  const text = JSON.stringify(openAiErrorBody(error, requestId))
  if (response.headersSent) {
    response.end(`data: ${text}\n\n`)
    return
  }
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-request-id': requestId,
    ...errorHeaders(error),
    // What is left of an oversized body is not read.
    ...(error.code === 'body_too_large' && { connection: 'close' }),
  })
  response.end(text)
}

function findRoute(request: IncomingMessage, routes: readonly Route[]) {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  const allowed: string[] = []
  for (const route of routes) {
    const params = match(route.path, path)
    if (!params) continue
    if (route.method === method) return { route, params }
    allowed.push(route.method)
  }
  if (allowed.length > 0)
    throw new GristmillError('method_not_allowed', { method, path, allowed: allowed.join(', ') })
  throw new GristmillError('unknown_path', { method, path })
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const expected = pattern.split('/')
  const found = path.split('/')
  if (expected.length !== found.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, part] of expected.entries()) {
    const segment = found[i] ?? ''
    if (part.startsWith(':')) params[part.slice(1)] = segment
    else if (part !== segment) return undefined
  }
  return params
}

async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new GristmillError('body_too_large', { maxBytes })
    chunks.push(chunk)
  }
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as unknown
    // A turn for running streams before a large body is looked at any further.
    if (bytes > LARGE_BODY_BYTES) await setImmediate()
    return body
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it cannot be parsed' : String(error)
    throw new GristmillError('invalid_json', { reason }, { cause: error })
  }
}
