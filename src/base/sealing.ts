/** Content at rest: AES-256-GCM under a key that is handed in, bound to what it belongs to. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Random } from './random.ts'

const IV_BYTES = 12
const TAG_BYTES = 16

export const SEAL_KEY_BYTES = 32
/** Bytes that sealing adds. */
export const SEAL_OVERHEAD_BYTES = IV_BYTES + TAG_BYTES

/**
 * @param owner what the content belongs to; sealed content that is copied elsewhere does not open
 * @returns nonce, tag and cipher text
 */
export function sealBytes(
  key: Uint8Array,
  content: Uint8Array,
  owner: string,
  random: Random,
): Buffer {
  const iv = random.bytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(owner))
  const text = [cipher.update(content), cipher.final()]
  return Buffer.concat([iv, cipher.getAuthTag(), ...text])
}

/** @throws Error where key or owner are not those it was sealed with, or a bit has changed */
export function unsealBytes(key: Uint8Array, sealed: Uint8Array, owner: string): Buffer {
  const iv = sealed.subarray(0, IV_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, iv)
    .setAAD(Buffer.from(owner))
    .setAuthTag(sealed.subarray(IV_BYTES, SEAL_OVERHEAD_BYTES))
  const content = decipher.update(sealed.subarray(SEAL_OVERHEAD_BYTES))
  return Buffer.concat([content, decipher.final()])
}
