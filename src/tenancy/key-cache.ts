/**
 * What gateways remember of keys, by hash of the secret: a bounded cache of valid ones and a
 * smaller, short-lived one of unknown ones. Knows no database; who fills it also empties it.
 */
import type { KeyEntry } from './key-lookup.ts'

export interface CachedKey extends KeyEntry {
  /** Monotonic milliseconds when it was read from the database. */
  readAtMs: number
  /** Set by every hit and cleared as eviction passes by (the CLOCK approximation of LRU). */
  used: boolean
  /** Round of `last_used_at` writing in which it was last noted. */
  notedRound: number
}

export interface KeyCacheBounds {
  entriesMax: number
  unknownMax: number
}

export class KeyCache {
  readonly #bounds: KeyCacheBounds
  readonly #known = new Map<string, CachedKey>()
  /** Key id → hashes of its secrets, so that a thousand revocations are no thousand scans. */
  readonly #hashesOf = new Map<string, Set<string>>()
  /** Hash → monotonic milliseconds when it was found to be unknown. */
  readonly #unknown = new Map<string, number>()

  constructor(bounds: KeyCacheBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#known.size + this.#unknown.size
  }

  get(sha256: string): CachedKey | undefined {
    return this.#known.get(sha256)
  }

  /** When the hash was found to be unknown, undefined where it was not. */
  unknownSinceMs(sha256: string): number | undefined {
    return this.#unknown.get(sha256)
  }

  put(sha256: string, entry: KeyEntry, readAtMs: number): CachedKey {
    const cached = { ...entry, readAtMs, used: true, notedRound: -1 }
    this.forget(sha256)
    while (this.#known.size >= this.#bounds.entriesMax) this.#evictOne()
    this.#known.set(sha256, cached)
    const { keyId } = entry.principal
    const hashes = this.#hashesOf.get(keyId) ?? new Set()
    this.#hashesOf.set(keyId, hashes.add(sha256))
    return cached
  }

  putUnknown(sha256: string, foundAtMs: number): void {
    this.#unknown.delete(sha256)
    if (this.#unknown.size >= this.#bounds.unknownMax) {
      const [oldest] = this.#unknown.keys()
      if (oldest !== undefined) this.#unknown.delete(oldest)
    }
    this.#unknown.set(sha256, foundAtMs)
  }

  forget(sha256: string): void {
    const keyId = this.#known.get(sha256)?.principal.keyId
    if (keyId === undefined) return
    this.#known.delete(sha256)
    const hashes = this.#hashesOf.get(keyId)
    hashes?.delete(sha256)
    if (hashes?.size === 0) this.#hashesOf.delete(keyId)
  }

  /** Drops a key's entries, and every unknown one: it may be a new secret of that key. */
  dropKey(keyId: string): void {
    this.#unknown.clear()
    for (const sha256 of this.#hashesOf.get(keyId) ?? []) this.forget(sha256)
  }

  /** Drops the entries that `concerned` names, and every unknown one: it may be a new key. */
  drop(concerned: (entry: CachedKey) => boolean): void {
    this.#unknown.clear()
    for (const [sha256, entry] of this.#known) if (concerned(entry)) this.forget(sha256)
  }

  clear(): void {
    this.#unknown.clear()
    this.#known.clear()
    this.#hashesOf.clear()
  }

  #evictOne(): void {
    for (const [sha256, entry] of this.#known) {
      if (!entry.used) {
        this.forget(sha256)
        return
      }
      entry.used = false
      this.#known.delete(sha256)
      this.#known.set(sha256, entry)
    }
  }
}
