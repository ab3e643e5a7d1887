/**
 * Keys of engines at rest: each sealed with the master key of the installation, bound to its
 * engine. The master key may be changed; what an earlier one has sealed stays readable while that
 * is known.
 */
import { createHash } from 'node:crypto'
import { GristmillError, type Random, sealBytes, unsealBytes } from '../base/index.ts'

export interface Sealed {
  sealed: Uint8Array
  /** Fingerprint of the master key; null for what was sealed before fingerprints. */
  sealedBy: string | null
}

export class SecretBox {
  #current: Uint8Array
  readonly #earlier: Uint8Array[]

  /** @param earlier master keys that may have sealed what is still stored */
  constructor(current: Uint8Array, earlier: readonly Uint8Array[] = []) {
    this.#current = current
    this.#earlier = [...earlier]
  }

  /** @param engineId a secret copied to another engine's row does not open */
  seal(secret: string, engineId: string, random: Random): Sealed {
    return sealWith(this.#current, secret, engineId, random)
  }

  /** The same under another master key, before that is the one. */
  sealFor(next: Uint8Array, secret: string, engineId: string, random: Random): Sealed {
    return sealWith(next, secret, engineId, random)
  }

  /** @throws GristmillError `invalid_config` where no known master key opens it */
  open({ sealed, sealedBy }: Sealed, engineId: string): string {
    let cause: unknown
    for (const key of [this.#current, ...this.#earlier]) {
      if (sealedBy !== null && sealedBy !== fingerprintOf(key)) continue
      try {
        return unsealBytes(key, sealed, engineId).toString('utf8')
      } catch (error) {
        cause = error
      }
    }
    const reason = `the stored API key of engine ${engineId} cannot be read with the key for secrets of this installation`
    throw new GristmillError('invalid_config', { reason }, { cause })
  }

  /** True where nothing but the present master key is needed to open it. */
  isCurrent({ sealedBy }: Pick<Sealed, 'sealedBy'>): boolean {
    return sealedBy === fingerprintOf(this.#current)
  }

  /** Seals with another master key from now on. */
  change(next: Uint8Array): void {
    this.#earlier.push(this.#current)
    this.#current = next
  }
}

function sealWith(key: Uint8Array, secret: string, engineId: string, random: Random): Sealed {
  const sealed = sealBytes(key, Buffer.from(secret), engineId, random)
  return { sealed, sealedBy: fingerprintOf(key) }
}

function fingerprintOf(key: Uint8Array): string {
  return createHash('sha256').update('gristmill engine keys').update(key).digest('hex').slice(0, 16)
}
