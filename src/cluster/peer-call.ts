/** How a gateway calls the one that schedules. */
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Random } from '../base/index.ts'
import { PEER_PATH, PEER_PROTOCOL } from './peer-door.ts'
import { proofOf, provenKey } from './peer-proof.ts'

const CALL_MS_MAX = 1000

export interface PeerCall {
  ownId: string
  /** Who must answer. */
  gatewayId: string
  url: string
  /** As those of whoever answers. */
  keys: readonly Uint8Array[]
  random: Random
  signal: AbortSignal
}

/**
 * Calls another gateway.
 * @returns the connection, once the other side has proved itself and we have
 * @throws Error where nobody answers, or somebody else
 */
export function callPeer(call: PeerCall): Promise<Duplex> {
  const { ownId, gatewayId, url, keys, random, signal } = call
  const callerNonce = Buffer.from(random.bytes(16)).toString('hex')
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  const outgoing = request(`${url.replace(/\/+$/, '')}${PEER_PATH}`, {
    signal,
    timeout: CALL_MS_MAX,
    agent: false,
    headers: {
      connection: 'upgrade',
      upgrade: PEER_PROTOCOL,
      'x-gristmill-gateway': ownId,
      'x-gristmill-nonce': callerNonce,
    },
  })
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject)
    outgoing.on('timeout', () => outgoing.destroy(new Error('the gateway does not answer')))
    outgoing.on('response', (response) => {
      response.resume()
      reject(new Error(`the gateway answered ${response.statusCode}`))
    })
    outgoing.on('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      const answererNonce = String(response.headers['x-gristmill-nonce'])
      const said = { callerId: ownId, callerNonce, answererId: gatewayId, answererNonce }
      const key = provenKey(response.headers['x-gristmill-proof'], keys, 'answerer', said)
      if (key === undefined) {
        socket.destroy()
        reject(new Error('the gateway could not prove that it belongs to this cluster'))
        return
      }
      socket.on('error', () => socket.destroy())
      if ('setTimeout' in socket) (socket.setTimeout as (ms: number) => void)(0)
      socket.write(`${proofOf(key, 'caller', said)}\n`)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    outgoing.end()
  })
}
