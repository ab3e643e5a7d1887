/**
 * The keys that tenants' content is sealed with: one each, made with a tenant's first content and
 * destroyed with its last, and never stored but sealed with the key of the installation.
 */
import { createHash } from 'node:crypto'
import {
  type Clock,
  GristmillError,
  type Random,
  SEAL_KEY_BYTES,
  sealBytes,
  unsealBytes,
} from '../base/index.ts'
import type { Queries, Transaction } from '../store/index.ts'

export interface SealedKey {
  sealedKey: Uint8Array
  /** Fingerprint of the key it is sealed with. */
  sealedBy: string
}

export interface ContentKeysOptions {
  clock: Clock
  random: Random
  /** 32 bytes; all gateways on one database need the same. */
  masterKey: Uint8Array
}

export class ContentKeys {
  readonly #options: ContentKeysOptions
  readonly #fingerprint: string

  constructor(options: ContentKeysOptions) {
    this.#options = options
    this.#fingerprint = createHash('sha256')
      .update('gristmill content key')
      .update(options.masterKey)
      .digest('hex')
      .slice(0, 16)
  }

  /** Makes the tenant's key unless there is one, and holds its row until the transaction ends. */
  async ensure(sql: Transaction, tenantId: string): Promise<SealedKey> {
    const { clock, random, masterKey } = this.#options
    const row = {
      tenant_id: tenantId,
      sealed_key: sealBytes(masterKey, random.bytes(SEAL_KEY_BYTES), tenantId, random),
      sealed_by: this.#fingerprint,
      created_at: new Date(clock.nowMs()),
    }
    const [key] = await sql<SealedKey[]>`
      insert into content_keys ${sql(row)}
      on conflict (tenant_id) do update set bytes = content_keys.bytes
      returning sealed_key as "sealedKey", sealed_by as "sealedBy"`
    if (key === undefined) throw new Error(`no content key was made for ${tenantId}`)
    // Refused now rather than after the content has come.
    this.#open(key, tenantId)
    return key
  }

  /**
   * Counts content towards the tenant's quota, and holds its row until the transaction ends.
   * @returns false where the quota does not allow it
   */
  async count(sql: Transaction, tenantId: string, bytes: number, quotaBytes: number) {
    const counted = await sql`
      update content_keys set bytes = bytes + ${bytes}
      where tenant_id = ${tenantId} and bytes + ${bytes} <= ${quotaBytes}`
    return counted.count > 0
  }

  /** Destroys the keys of a tenant that has no content left. */
  async release(sql: Transaction, tenantId: string, bytes: number): Promise<void> {
    await sql`update content_keys set bytes = bytes - ${bytes} where tenant_id = ${tenantId}`
    await sql`
      delete from content_keys k where tenant_id = ${tenantId}
        and not exists (select 1 from files f where f.tenant_id = k.tenant_id)
        and not exists (select 1 from responses r where r.tenant_id = k.tenant_id)`
  }

  async find(sql: Queries, tenantId: string): Promise<SealedKey | undefined> {
    const [key] = await sql<SealedKey[]>`
      select sealed_key as "sealedKey", sealed_by as "sealedBy"
      from content_keys where tenant_id = ${tenantId}`
    return key
  }

  /** @param place what the content is, such as file and position */
  seal(key: SealedKey, tenantId: string, content: Uint8Array, place: string): Buffer {
    return sealBytes(this.#open(key, tenantId), content, place, this.#options.random)
  }

  /** @throws Error where the content is not the one that was sealed at this place */
  unseal(key: SealedKey, tenantId: string, sealed: Uint8Array, place: string): Buffer {
    return unsealBytes(this.#open(key, tenantId), sealed, place)
  }

  /** @throws GristmillError `content_key_wrong` */
  #open({ sealedKey, sealedBy }: SealedKey, tenantId: string): Buffer {
    const ours = this.#fingerprint
    if (sealedBy !== ours) throw new GristmillError('content_key_wrong', { sealedBy, ours })
    return unsealBytes(this.#options.masterKey, sealedKey, tenantId)
  }
}
