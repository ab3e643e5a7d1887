/** The chain of statements: each holds the hash of the one before, and its own is signed. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

/** What comes before the first. */
export const FIRST_HASH = '0'.repeat(64)

/** Before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export function hashOf(previousHash: string, text: string): string {
  return createHash('sha256').update(`${previousHash}\n${text}`).digest('hex')
}

/** Signs with Ed25519. */
export class StatementSigner {
  readonly #key: KeyObject
  /** Its 32 bytes in hexadecimal, to check signatures with. */
  readonly publicKey: string

  /** @param seed 32 secret bytes, the same over restarts */
  constructor(seed: Uint8Array) {
    const der = Buffer.concat([PRIVATE_PREFIX, seed])
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.publicKey = spki.subarray(PUBLIC_PREFIX.length).toString('hex')
  }

  /** @returns hexadecimal */
  sign(hash: string): string {
    return sign(null, Buffer.from(hash, 'hex'), this.#key).toString('hex')
  }
}

/** False also for what is no key or no signature. */
export function isSigned(hash: string, signature: string, publicKey: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(publicKey) || !/^[0-9a-f]{128}$/.test(signature)) return false
  const spki = Buffer.concat([PUBLIC_PREFIX, Buffer.from(publicKey, 'hex')])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return verify(null, Buffer.from(hash, 'hex'), key, Buffer.from(signature, 'hex'))
}
