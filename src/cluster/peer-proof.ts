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

export function isProof(given: unknown, expected: string): boolean {
  if (typeof given !== 'string' || given.length !== expected.length) return false
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}
