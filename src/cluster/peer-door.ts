/** Where other gateways come in: an upgrade of HTTP, after which both sides have given proof. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Random } from '../base/index.ts'
import { type Handshake, proofOf, provenKey } from './peer-proof.ts'

export const PEER_PATH = '/cluster/stream'
export const PEER_PROTOCOL = 'gristmill-gateway/1'
const REFUSAL = 'HTTP/1.1 409 Conflict\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
const PROOF_MS_MAX = 2000
const PROOF_CHARACTERS_MAX = 200

export interface PeerDoorOptions {
  ownId: string
  /** Of this cluster, the one before it as well while it is changed. */
  keys: readonly Uint8Array[]
  clock: Clock
  random: Random
  /** False while others have nothing to say to this gateway. */
  isOpen: () => boolean
  onPeer: (gatewayId: string, socket: Duplex) => void
}

/** Answers an upgrade. @returns false where it is none of ours */
export function answerPeer(
  options: PeerDoorOptions,
  request: IncomingMessage,
  socket: Duplex,
): boolean {
  if (request.url !== PEER_PATH || request.headers.upgrade !== PEER_PROTOCOL) return false
  socket.on('error', () => socket.destroy())
  const { 'x-gristmill-gateway': callerId, 'x-gristmill-nonce': callerNonce } = request.headers
  if (typeof callerId !== 'string' || typeof callerNonce !== 'string' || !options.isOpen()) {
    // The other side may never close its half.
    socket.end(REFUSAL, () => socket.destroy())
    return true
  }
  const answererNonce = Buffer.from(options.random.bytes(16)).toString('hex')
  const said = { callerId, callerNonce, answererId: options.ownId, answererNonce }
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'connection: upgrade',
    `upgrade: ${PEER_PROTOCOL}`,
    `x-gristmill-gateway: ${options.ownId}`,
    `x-gristmill-nonce: ${answererNonce}`,
    `x-gristmill-proof: ${options.keys.map((key) => proofOf(key, 'answerer', said)).join()}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  awaitProof(options, socket, said)
  return true
}

/** The caller's first line is its proof; until then nothing that it says counts. */
function awaitProof(options: PeerDoorOptions, socket: Duplex, said: Handshake): void {
  const late = options.clock.after(PROOF_MS_MAX, () => socket.destroy())
  let text = ''
  const onData = (chunk: Buffer) => {
    text += chunk.toString()
    const end = text.indexOf('\n')
    if (end === -1 && text.length < PROOF_CHARACTERS_MAX) return
    late.cancel()
    socket.off('data', onData)
    const proof = end === -1 ? undefined : text.slice(0, end)
    if (provenKey(proof, options.keys, 'caller', said) === undefined) {
      socket.destroy()
      return
    }
    socket.pause()
    if (end + 1 < text.length) socket.unshift(Buffer.from(text.slice(end + 1)))
    options.onPeer(said.callerId, socket)
  }
  socket.on('data', onData)
}
