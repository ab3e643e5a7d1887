/**
 * The keys that engines take, as they are stored and as the adapters use them. Nothing here hands a
 * key to anybody but an adapter.
 */
import { createHash } from 'node:crypto'
import { type Clock, GristmillError, newId, type Random } from '../base/index.ts'
import type { Database, Queries } from '../store/index.ts'
import type { EngineKeyView } from './engine-registry-types.ts'
import { deleteKeys, insertKeys, type KeyRow, readKeys, resealKey } from './engine-rows.ts'
import type { SecretBox } from './sealed-secret.ts'
import type { ServiceKey } from './services/key-ring.ts'

export interface EngineKey extends ServiceKey {
  createdAt: Date
}

export interface EngineKeysOptions {
  database: Pick<Database, 'sql' | 'transaction'>
  clock: Clock
  random: Random
  box: SecretBox
}

export class EngineKeys {
  readonly #options: EngineKeysOptions
  #keys = new Map<string, EngineKey[]>()

  constructor(options: EngineKeysOptions) {
    this.#options = options
  }

  /**
   * Reads what is stored, and seals anew what an earlier master key has sealed.
   * @throws GristmillError `invalid_config` where no master key that is known opens it
   */
  async read(): Promise<void> {
    const { database, box } = this.#options
    const rows = await readKeys(database.sql)
    const keys = new Map<string, EngineKey[]>()
    for (const row of rows) {
      const { id, engineId, createdAt } = row
      const list = keys.get(engineId) ?? []
      list.push({ id, createdAt, secret: box.open(row, engineId) })
      keys.set(engineId, list)
    }
    // Only all of them: what another gateway has sealed with a newer key cannot be opened here.
    this.#keys = keys
    if (rows.some((row) => !box.isCurrent(row))) await this.#reseal()
  }

  of(engineId: string): readonly EngineKey[] {
    return this.#keys.get(engineId) ?? []
  }

  /** The keys of an engine, not what they are. @param restOf what is left of each one's limit */
  views(engineId: string, restOf: (keyId: string) => EngineKeyView['rest']): EngineKeyView[] {
    return this.of(engineId).map(({ id, secret, createdAt }) => {
      return { id, fingerprint: keyFingerprint(secret), createdAt, rest: restOf(id) }
    })
  }

  /** Keys that are new and not stored yet. */
  make(secrets: readonly string[]): EngineKey[] {
    const { clock, random } = this.#options
    const createdAt = new Date(clock.nowMs())
    return secrets.map((secret) => ({ id: newId('ekey', clock, random), secret, createdAt }))
  }

  /** Those that come with a new engine. */
  given({ apiKey }: { apiKey?: string | undefined }): EngineKey[] {
    return this.make(apiKey === undefined ? [] : [apiKey])
  }

  /** Stores further keys of an engine. */
  async insert(sql: Queries, engineId: string, keys: readonly EngineKey[]): Promise<void> {
    await insertKeys(
      sql,
      keys.map((key) => this.#rowOf(engineId, key)),
    )
    this.#keys.set(engineId, [...this.of(engineId), ...keys])
  }

  /** Stores keys in place of all that an engine has. */
  async replace(engineId: string, keys: readonly EngineKey[]): Promise<void> {
    const old = this.of(engineId).map(({ id }) => id)
    const rows = keys.map((key) => this.#rowOf(engineId, key))
    await this.#options.database.transaction(async (sql) => {
      await deleteKeys(sql, old)
      await insertKeys(sql, rows)
    })
    this.#keys.set(engineId, [...keys])
  }

  /** @returns id of its engine @throws GristmillError `not_found` */
  async remove(keyId: string): Promise<string> {
    const found = [...this.#keys].find(([, keys]) => keys.some(({ id }) => id === keyId))
    if (found === undefined) throw new GristmillError('not_found', { kind: 'key', id: keyId })
    const [engineId, keys] = found
    await deleteKeys(this.#options.database.sql, [keyId])
    const rest = keys.filter(({ id }) => id !== keyId)
    this.#keys.set(engineId, rest)
    return engineId
  }

  /**
   * Seals everything with another master key.
   * @param commit makes it the one that the next start finds
   */
  async rotate(next: Uint8Array, commit: () => void): Promise<void> {
    await this.#reseal(next)
    commit()
    this.#options.box.change(next)
  }

  /** Rotates to a new master key. @throws GristmillError `conflict` where it is not ours to make */
  async renew(made: { secret: Uint8Array; commit: () => void } | undefined): Promise<void> {
    if (made !== undefined) return await this.rotate(made.secret, made.commit)
    const reason =
      'The key for secrets comes from GRISTMILL_SECRET_KEY: start once more with another one there, and this one as GRISTMILL_SECRET_KEY_BEFORE'
    throw new GristmillError('conflict', { reason })
  }

  /** The engine is gone, and its keys with its row. */
  forget(engineId: string): void {
    this.#keys.delete(engineId)
  }

  #rowOf(engineId: string, { id, secret, createdAt }: EngineKey): KeyRow {
    const { box, random } = this.#options
    return { id, engineId, createdAt, ...box.seal(secret, engineId, random) }
  }

  /** @param next undefined: with the present master key */
  async #reseal(next?: Uint8Array): Promise<void> {
    const { database, box, random } = this.#options
    await database.transaction(async (sql) => {
      for (const [engineId, keys] of this.#keys) {
        for (const { id, secret } of keys) {
          const sealed = next
            ? box.sealFor(next, secret, engineId, random)
            : box.seal(secret, engineId, random)
          await resealKey(sql, { id, ...sealed })
        }
      }
    })
  }
}

/** By which a key can be told from others without showing any of it. */
export function keyFingerprint(secret: string): string {
  return createHash('sha256')
    .update('gristmill engine key')
    .update(secret)
    .digest('hex')
    .slice(0, 8)
}
