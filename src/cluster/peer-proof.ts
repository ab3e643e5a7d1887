/**
 * How gateways prove to each other that they belong together: both know a secret that all gateways
 * of a database have, and each answers a challenge of the other with it. Pure.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** What both sides have said by the time of a proof. */
export interface Handshake {
  callerId: string
  callerNonce: string
  answererId: string
  answererNonce: string
}

/** @param secret at least 32 bytes that all gateways have, and nobody else */
export function peerKey(secret: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'gristmill gateways', 32))
}

export function proofOf(key: Uint8Array, side: 'caller' | 'answerer', said: Handshake): string {
  const { callerId, callerNonce, answererId, answererNonce } = said
  const words = [side, callerId, callerNonce, answererId, answererNonce]
  return createHmac('sha256', key).update(JSON.stringify(words)).digest('hex')
}

/**
 * The key that somebody has proved to have, of those that we know: while a key is changed, gateways
 * with the old one and with the new one have to get along.
 * @param given proofs with one or several keys, with commas between them
 */
export function provenKey(
  given: unknown,
  keys: readonly Uint8Array[],
  side: 'caller' | 'answerer',
  said: Handshake,
): Uint8Array | undefined {
  if (typeof given !== 'string') return undefined
  const proofs = given.split(',')
  return keys.find((key) => {
    const expected = proofOf(key, side, said)
    return proofs.some((proof) => isProof(proof, expected))
  })
}

function isProof(given: string, expected: string): boolean {
  if (given.length !== expected.length) return false
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}
