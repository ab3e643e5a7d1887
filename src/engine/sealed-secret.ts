/** API keys of engines at rest, sealed with a key of the data home. */
import { GristmillError, type Random, sealBytes, unsealBytes } from '../base/index.ts'

/** @param engineId a secret copied to another engine's row does not open */
export function seal(key: Uint8Array, secret: string, engineId: string, random: Random): Buffer {
  return sealBytes(key, Buffer.from(secret), engineId, random)
}

/** @throws GristmillError `invalid_config` where the key is another one than it was sealed with */
export function unseal(key: Uint8Array, sealed: Uint8Array, engineId: string): string {
  try {
    return unsealBytes(key, sealed, engineId).toString('utf8')
  } catch (error) {
    const reason = `the stored API key of engine ${engineId} cannot be read with the secret of this data home`
    throw new GristmillError('invalid_config', { reason }, { cause: error })
  }
}
