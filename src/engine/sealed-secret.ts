/** Secrets at rest: AES-256-GCM under a key of the data home, bound to what they belong to. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { GristmillError, type Random } from '../base/index.ts'

const IV_BYTES = 12
const TAG_BYTES = 16
export const SECRET_KEY_BYTES = 32

/**
 * @param owner identifier of the row; a secret copied to another row does not open
 * @returns nonce, tag and cipher text
 */
export function seal(key: Uint8Array, secret: string, owner: string, random: Random): Buffer {
  const iv = random.bytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(owner))
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), text])
}

/** @throws GristmillError `invalid_config` where the key is another one than it was sealed with */
export function unseal(key: Uint8Array, sealed: Uint8Array, owner: string): string {
  const iv = sealed.subarray(0, IV_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, iv)
    .setAAD(Buffer.from(owner))
    .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  try {
    const text = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES))
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  } catch (error) {
    const reason = `the stored API key of engine ${owner} cannot be read with the secret of this data home`
    throw new GristmillError('invalid_config', { reason }, { cause: error })
  }
}
