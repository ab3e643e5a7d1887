/**
 * The console's built files, from memory: a path is only ever a name in a table, so nothing
 * outside the folder can be reached. Read anew when the console was built anew.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, relative, sep } from 'node:path'
import { gzipSync } from 'node:zlib'
import { GristmillError } from '../base/index.ts'
import { sendError } from './responses.ts'
import { securityHeaders } from './security-headers.ts'

interface StaticFile {
  bytes: Buffer
  gzip: Buffer | undefined
  type: string
  etag: string
  /** Its name changes with its content. */
  immutable: boolean
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
}
const COMPRESSIBLE = /^text\/|json|svg/
const FILES_MAX = 2000
const FILE_BYTES_MAX = 20 * 1024 * 1024

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** @param folder the built console; may be missing or appear later */
export function staticFiles(folder: string): Handler {
  let files = new Map<string, StaticFile>()
  let readAtMs = -1
  const current = () => {
    const builtAtMs = modifiedMs(join(folder, 'index.html'))
    if (builtAtMs !== readAtMs) {
      files = builtAtMs === undefined ? new Map() : readAll(folder)
      readAtMs = builtAtMs ?? -1
    }
    return files
  }
  return (request, response) => {
    const { method = '', url = '/' } = request
    const path = url.split('?')[0] ?? '/'
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    const known = current()
    const own = known.get(decoded(path))
    if (own === undefined && isForApi(request, path)) {
      return sendError(response, new GristmillError('unknown_path', { method, path }), 'none')
    }
    if (method !== 'GET' && method !== 'HEAD') {
      const details = { method, path, allowed: 'GET, HEAD' }
      const error = new GristmillError('method_not_allowed', details)
      return sendError(response, error, 'none', { allow: 'GET, HEAD' })
    }
    const file = own ?? (isPage(path) ? known.get('/index.html') : undefined)
    if (file) return send(request, response, file)
    if (method === 'HEAD' && path === '/') return sendNothing(response)
    if (isPage(path)) return sendExplanation(response)
    sendError(response, new GristmillError('unknown_path', { method, path }), 'none')
  }
}

/**
 * Clients whose base URL lacks the `/v1`, or has a slash too many, must not get a page: they ask
 * for an endpoint by its name, or take nothing but JSON.
 */
function isForApi({ headers: { accept = '*/*' } }: IncomingMessage, path: string): boolean {
  return API_PATH.test(path) || !/text\/html|\*\/\*/.test(accept)
}
const API_PATH =
  /^\/*(v1\/*)?(chat\/completions|completions|embeddings|responses|messages(\/count_tokens)?)\/?$|^\/+v1(\/|$)/

/** Pages of the console are paths without an extension; it finds out itself what they show. */
const isPage = (path: string) => !/\.\w+$/.test(path) && !path.startsWith('/assets/')

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    if (error instanceof URIError) return path
    throw error
  }
}

function modifiedMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}

function readAll(folder: string): Map<string, StaticFile> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const regular = entries.filter((entry) => entry.isFile()).slice(0, FILES_MAX)
  const files = regular.flatMap((entry): [string, StaticFile][] => {
    const path = join(entry.parentPath, entry.name)
    if (statSync(path).size > FILE_BYTES_MAX) return []
    const name = `/${relative(folder, path).split(sep).join('/')}`
    return [[name, readOne(path, name)]]
  })
  return new Map(files)
}

function readOne(path: string, name: string): StaticFile {
  const bytes = readFileSync(path)
  const type = TYPES[extname(name)] ?? 'application/octet-stream'
  const gzip = COMPRESSIBLE.test(type) && bytes.length > 1000 ? gzipSync(bytes) : undefined
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return { bytes, gzip, type, etag, immutable: name.startsWith('/assets/') }
}

function send(request: IncomingMessage, response: ServerResponse, file: StaticFile): void {
  const { type, etag, immutable, gzip, bytes } = file
  const caching = immutable ? 'public, max-age=31536000, immutable' : 'no-cache'
  const headers = { etag, 'cache-control': caching, vary: 'accept-encoding' }
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers)
    response.end()
    return
  }
  const accepts = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = accepts && gzip ? gzip : bytes
  response.writeHead(200, {
    ...headers,
    'content-type': type,
    'content-length': body.length,
    ...(body === gzip && { 'content-encoding': 'gzip' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Agent programs probe the address so, and mean the API: it is there without a console too. */
function sendNothing(response: ServerResponse): void {
  response.writeHead(200)
  response.end()
}

const EXPLANATION = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Gristmill</title>
<h1>Gristmill is running</h1>
<p>The console has not been built. <code>npm start</code> in the checkout builds it first.</p>
<p>The API is at <code>/v1</code>, the admin API is described at
<a href="/api/openapi.json">/api/openapi.json</a>.</p>
</html>
`

function sendExplanation(response: ServerResponse): void {
  response.writeHead(503, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(EXPLANATION),
    'cache-control': 'no-store',
  })
  response.end(EXPLANATION)
}
