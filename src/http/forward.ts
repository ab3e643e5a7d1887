/**
 * Passes a request on to another gateway and its answer back, as it is: what is live is known where
 * requests are scheduled, and the answer for an `Idempotency-Key` where the first request ran.
 */
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import { LOCAL_HEADER } from './access.ts'
import type { ClientAddress } from './client-address.ts'
import { v1Endpoints } from './permissions.ts'
import { PLAN_PATH } from './plan-routes.ts'
import type { PeerService } from './services.ts'

/** Says that a gateway has passed it on, so that no other one does again. */
const FORWARDED = 'x-gristmill-forwarded'
/** Until somebody else is asked. */
const CONNECT_MS_MAX = 1000
/** Until the answer begins, where it takes no engine. */
const ANSWER_MS_MAX = 30_000
/** A connection of which nothing is heard for so long is probed; a request may wait for minutes. */
const PROBE_AFTER_MS = 10_000
/** Of one connection only. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade']

/**
 * What is answered from the picture that only the gateway has which schedules; plans, so that one
 * that was begun is found again whichever gateway is asked.
 */
const LIVE = ['/v1/queue', '/api/live', '/api/queue', '/api/engines', '/api/demo', PLAN_PATH]

export interface ForwardOptions {
  peers: PeerService
  address: ClientAddress
}

/** Passes a request on where another gateway has to answer it. @returns false where none has */
export function forwarded(
  { peers, address }: ForwardOptions,
  request: IncomingMessage,
  response: ServerResponse,
  failed: () => void,
): boolean {
  const { url = '/', headers } = request
  if (!LIVE.some((path) => isAt(url, path)) || headers[FORWARDED] !== undefined) return false
  const to = peers.elsewhere
  // Elsewhere nobody knows the token of this machine's command line.
  if (to === undefined || headers[LOCAL_HEADER] !== undefined) return false
  const from = address.of(request)
  void passOn(to, request, response, { from, answerMsMax: ANSWER_MS_MAX, lost: failed }).then(
    (isPassed) => isPassed || failed(),
  )
  return true
}

/** The key of a request that another gateway may know already. */
export function repeatedBy({ method, headers }: IncomingMessage, path: string): string | undefined {
  const key = headers['idempotency-key']
  if (typeof key !== 'string' || method !== 'POST' || !v1Endpoints.has(path)) return undefined
  return headers[FORWARDED] === undefined ? key : undefined
}

/**
 * Passes a request on to where its first one ran, or would have.
 * @param key as `repeatedBy` gives it
 * @param lost called where the other gateway is lost before it has answered
 * @returns false where it is to be answered here
 */
export async function passedHome(
  { peers, address }: ForwardOptions,
  request: IncomingMessage,
  response: ServerResponse,
  key: string,
  lost: () => void,
): Promise<boolean> {
  const from = address.of(request)
  for (const to of peers.homesOf(key)) {
    // Its client has gone meanwhile, and will not go again.
    if (response.closed) return false
    if (await passOn(to, request, response, { from, answerMsMax: 0, lost })) return true
  }
  return false
}

const isAt = (url: string, path: string) =>
  url.startsWith(path) && ['', '/', '?'].includes(url.charAt(path.length))

interface Passing {
  /** Where the client is. */
  from: string
  /** Until the answer begins; 0 for no bound. */
  answerMsMax: number
  /** Called where nothing was answered though the other gateway was reached. */
  lost: () => void
}

/**
 * @param to address of the other gateway
 * @returns false where it was not reached, and nothing of the request's body was read
 */
function passOn(
  to: string,
  request: IncomingMessage,
  response: ServerResponse,
  { from, answerMsMax, lost }: Passing,
): Promise<boolean> {
  const { method = 'GET', url = '/' } = request
  const headers = headersFor(request, from)
  const isSecure = to.startsWith('https:')
  const ask = isSecure ? requestHttps : requestHttp
  const target = `${to.replace(/\/+$/, '')}${url}`
  const outgoing = ask(target, { method, headers, agent: false, timeout: CONNECT_MS_MAX })
  response.on('close', () => outgoing.destroy())
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')))
  outgoing.on('response', (answer) => {
    outgoing.setTimeout(0)
    const names = Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.includes(name))
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(names) as NodeJS.Dict<string>)
    response.flushHeaders()
    answer.pipe(response)
    answer.on('error', () => response.destroy())
  })
  return new Promise((resolve) => {
    let isReached = false
    outgoing.on('socket', (socket) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        isReached = true
        socket.setKeepAlive(true, PROBE_AFTER_MS)
        outgoing.setTimeout(answerMsMax)
        request.pipe(outgoing)
        resolve(true)
      })
    })
    outgoing.on('error', () => {
      if (!isReached) resolve(false)
      else if (response.headersSent || response.closed) response.destroy()
      else lost()
    })
  })
}

function headersFor(request: IncomingMessage, from: string): IncomingHttpHeaders {
  const headers = { ...request.headers }
  for (const name of HOP_BY_HOP) delete headers[name]
  const before = headers['x-forwarded-for'] ?? []
  // Whoever is asked must not take the request for one from its own machine.
  headers['x-forwarded-for'] = [...[before].flat(), from].join(', ')
  headers[FORWARDED] = '1'
  return headers
}
