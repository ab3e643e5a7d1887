/**
 * Passes a request of the admin API on to another gateway and its answer back, as it is: what is
 * live is known where requests are scheduled.
 */
import { type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { request as requestHttps } from 'node:https'
import { LOCAL_HEADER } from './access.ts'
import type { ClientAddress } from './client-address.ts'
import { PLAN_PATH } from './plan-routes.ts'
import type { PeerService } from './services.ts'

/** Says that a gateway has passed it on, so that no other one does again. */
const FORWARDED = 'x-gristmill-forwarded'
/** Until the answer begins. */
const ANSWER_MS_MAX = 30_000
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
  forward(to, request, response, address, failed)
  return true
}

const isAt = (url: string, path: string) =>
  url.startsWith(path) && ['', '/', '?'].includes(url.charAt(path.length))

/**
 * @param to address of the other gateway
 * @param failed called where it was not reached, before anything was answered
 */
function forward(
  to: string,
  request: IncomingMessage,
  response: ServerResponse,
  address: ClientAddress,
  failed: () => void,
): void {
  const headers = { ...request.headers }
  for (const name of HOP_BY_HOP) delete headers[name]
  const before = headers['x-forwarded-for'] ?? []
  // Whoever is asked must not take the request for one from its own machine.
  headers['x-forwarded-for'] = [...[before].flat(), address.of(request)].join(', ')
  headers[FORWARDED] = '1'
  const { method = 'GET', url = '/' } = request
  const ask = to.startsWith('https:') ? requestHttps : requestHttp
  const outgoing = ask(`${to.replace(/\/+$/, '')}${url}`, { method, headers, agent: false })
  outgoing.setTimeout(ANSWER_MS_MAX, () => outgoing.destroy(new Error('no answer')))
  outgoing.on('response', (answer) => {
    outgoing.setTimeout(0)
    const names = Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.includes(name))
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(names) as NodeJS.Dict<string>)
    response.flushHeaders()
    answer.pipe(response)
    answer.on('error', () => response.destroy())
  })
  outgoing.on('error', () => {
    if (response.headersSent) response.destroy()
    else failed()
  })
  response.on('close', () => outgoing.destroy())
  request.pipe(outgoing)
}
