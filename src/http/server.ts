/**
 * The HTTP server: decides by path who answers — the gateway for `/v1/`, the admin API, the
 * console's files — and holds the bounds of connections. Knows nothing of what is answered.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { type Clock, GristmillError, newId, openAiErrorBody } from '../base/index.ts'
import { identity } from './access.ts'
import { createApp } from './app.ts'
import { ArrivalBound } from './arrival.ts'
import { type ClientAddress, clientAddress } from './client-address.ts'
import { directory, endAccess } from './directory.ts'
import { forwarded } from './forward.ts'
import { LiveFeed } from './live-feed.ts'
import { type Login, openLogin } from './login.ts'
import { oidcLogin } from './oidc-login.ts'
import { type People, people } from './people.ts'
import { sendError } from './responses.ts'
import { scimGroups } from './scim-groups.ts'
import { SCIM_ROOT } from './scim-shapes.ts'
import { scimUsers } from './scim-users.ts'
import type { HttpOptions } from './services.ts'
import { sessions } from './sessions.ts'
import { boundReading } from './slow-client.ts'
import { staticFiles } from './static-files.ts'
import { streamRoutes } from './stream-routes.ts'
import { keepUntilTaken } from './taken-answers.ts'
import { AttemptThrottle } from './throttle.ts'
import { isUpload, v1Handler } from './v1.ts'

export interface HttpServer {
  /** Address people use, known after `listen`. */
  readonly url: string
  /** @throws GristmillError `port_in_use` */
  listen(): Promise<void>
  /** True until somebody has used the one-time link to become the first owner. */
  isFirstRun(): Promise<boolean>
  /** A new one-time link that makes an owner; the one before stops working. After `listen`. */
  ownerLink(): Promise<string>
  /** Takes nothing new; what still runs after `graceMs` is cut. */
  close(graceMs?: number): Promise<void>
}

const SYSTEM = { name: 'system', from: 'local' }
const HEADERS_MS_MAX = 15_000
const REQUEST_MS_MAX = 120_000
/** Longer than common load balancers keep idle connections, so that they close first. */
const KEEP_ALIVE_MS = 75_000
const IDLE_EVERY_MS = 20
/** How Node calls a request that did not arrive in time. */
const LATE = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
const API_PATHS = new Set(['/health', '/livez', '/readyz', '/metrics'])

/** @param options the services behind it */
export async function createHttpServer(options: HttpOptions): Promise<HttpServer> {
  const address = clientAddress(options.trustedProxies)
  const { tenancy, localToken, clock } = options
  const login = openLogin(options)
  const everybody = peopleOf(options, login)
  const signedIn = sessions(options, login, everybody)
  const who = identity({ tenancy, sessions: signedIn, address, localToken })
  let ownUrl = ''
  const url = () => options.publicUrl ?? ownUrl
  const linkTo = (token: string) => `${url()}/first-run?token=${token}`
  const app = createApp(options, {
    ...directoryParts(options, url),
    url,
    address,
    login,
    people: everybody,
    sessions: signedIn,
    throttle: new AttemptThrottle(clock),
    identity: who,
    linkTo,
  })
  const feed = new LiveFeed(options)
  const streams = streamRoutes(options, who, feed)
  const files = staticFiles(options.consoleFolder)
  const api = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const v1 = v1Handler(options, address)
  const elsewhere = elsewhereOf(options, address)
  const arrivals = new ArrivalBound(clock, REQUEST_MS_MAX, ({ socket }) =>
    refuseBroken(LATE, socket),
  )
  const server = createServer(
    {
      maxHeaderSize: options.limits.headerBytesMax,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: Math.max(REQUEST_MS_MAX, options.limits.uploadMsMax),
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5000,
    },
    (request, response) => {
      const { url: target = '/' } = request
      if (!isUpload(target)) arrivals.begin(request)
      boundReading(response, options.limits.slowClientMsMax)
      if (elsewhere?.(request, response) === true) return
      if (target.startsWith('/v1/')) return v1(request, response)
      const path = pathOf(target)
      if (!isApi(path)) return files(request, response)
      const stream = streams(path)
      if (stream) return stream(request, response)
      void api(request, response)
    },
  )
  serveOthers(server, options)
  keepUntilTaken(server)
  return {
    get url() {
      return url()
    },
    isFirstRun: () => everybody.isFirstRun(),
    ownerLink: async () => linkTo(await everybody.ownerLink(SYSTEM)),
    async listen() {
      await listen(server, options)
      ownUrl = urlOf(server, options.host)
    },
    close: (graceMs = options.limits.shutdownMsMax) => {
      feed.close()
      return close(server, clock, graceMs)
    },
  }
}

function directoryParts(options: HttpOptions, url: () => string) {
  const { database, clock, random, tenancy, issuer, sessionSecret } = options
  const known = { database, clock, random, tenancy, providerName: issuer?.options.name ?? '' }
  return {
    oidc: issuer ? oidcLogin({ issuer, clock, random, sessionSecret, url }) : null,
    directory: directory(known),
    scimUsers: scimUsers(known),
    scimGroups: scimGroups(known),
  }
}

function peopleOf({ database, clock, random, tenancy }: HttpOptions, login: Login): People {
  return people({
    database,
    clock,
    random,
    audit: tenancy.audit,
    hashPassword: (password) => login.hashPassword(password),
    endAccess: (sql, id) => endAccess(sql, tenancy, id),
  })
}

const isApi = (path: string) =>
  path.startsWith('/api/') || path.startsWith(`${SCIM_ROOT}/`) || API_PATHS.has(path)

/** Passes on what another gateway has to answer; undefined where there is none. */
function elsewhereOf({ peers, clock, random }: HttpOptions, address: ClientAddress) {
  if (peers === undefined) return undefined
  return (request: IncomingMessage, response: ServerResponse) =>
    forwarded({ peers, address }, request, response, () => {
      const requestId = newId('req', clock, random)
      sendError(response, new GristmillError('no_scheduler'), requestId)
    })
}

/** Whatever comes and is no plain request. */
function serveOthers(server: Server, { peers }: HttpOptions): void {
  // What a client expects and Node does not know changes nothing of what it asks for.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('clientError', refuseBroken)
  if (peers === undefined) return
  server.on('upgrade', (request, socket) => {
    if (!peers.upgrade(request, socket)) socket.destroy()
  })
}

function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE'
      reject(isTaken ? new GristmillError('port_in_use', { host, port }, { cause: error }) : error)
    }
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  const isAny = host === '0.0.0.0' || host === '::'
  const name = isAny ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}

async function close(server: Server, clock: Clock, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // The client of an answer that was under way keeps its connection when that has ended.
  const idle = clock.every(IDLE_EVERY_MS, () => server.closeIdleConnections())
  const cut = clock.after(graceMs, () => server.closeAllConnections())
  await closed
  idle.cancel()
  cut.cancel()
}

/** Requests that never became one: too large a head, too slow, or no HTTP at all. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const refusal = brokenError(error.code)
  const text = JSON.stringify(openAiErrorBody(refusal))
  const head = [
    `HTTP/1.1 ${refusal.status} ${refusal.code}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function brokenError(code: string | undefined): GristmillError {
  if (code === 'HPE_HEADER_OVERFLOW') return new GristmillError('headers_too_large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new GristmillError('request_timeout')
  const details = { param: 'request', reason: 'it is not valid HTTP' }
  return new GristmillError('invalid_value', details)
}
