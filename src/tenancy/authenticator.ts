/**
 * From the secret of a request to its principal, without a database read per request.
 *
 * What must stay true: a revoked or changed key stops working within a second. While the change
 * listener is up a notification drops what changed; while it is down an entry counts for one
 * second from when it was read; and after it was down nothing from before counts. While the
 * database itself is away, which nothing can be revoked in, an entry counts for a set time.
 */
import type { Clock, Logger, Timer } from '../base/index.ts'
import { type Database, isUnreachable } from '../store/index.ts'
import { type CachedKey, KeyCache, type KeyCacheBounds } from './key-cache.ts'
import { type KeyEntry, KeyLookup } from './key-lookup.ts'
import { hashSecret } from './secret.ts'
import type { TokenBearers } from './tokens.ts'
import type { Principal } from './types.ts'

export type RevokedCallback = (keyId: string) => void

export interface AuthenticatorOptions {
  database: Database
  clock: Clock
  logger: Logger
  bounds?: KeyCacheBounds
  /** Who calls with tokens of an identity provider; null: nobody. */
  tokens: TokenBearers | null
  /** How long entries count while the database is away, milliseconds. */
  awayMsMax: number
}

const BOUNDS: KeyCacheBounds = { entriesMax: 50_000, unknownMax: 10_000 }
const COUNTS_WITHOUT_LISTENER_MS = 1000
const UNKNOWN_COUNTS_MS = 5000
/** A database that takes longer for a key that was known is as good as away. */
const AWAY_AFTER_MS = 1000
const NOTE_USE_EVERY_MS = 60_000
/** Clocks of gateways that revoke may differ from ours by this much. */
const CLOCK_SLACK_MS = 60_000

export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #cache: KeyCache
  readonly #lookup: KeyLookup
  readonly #revokedCallbacks = new Set<RevokedCallback>()
  /** Rises with every change heard of; a read that began before it must not be cached. */
  #changes = 0
  #listening = false
  #downSinceMs: number | undefined
  /** Monotonic milliseconds since when the database is known to be away. */
  #awaySinceMs: number | undefined
  #used = new Map<string, number>()
  #noteRound = 0
  #timer: Timer | undefined
  /** Tokens that are being checked, so that many calls at once check one once. */
  readonly #checking = new Map<string, Promise<KeyEntry>>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#cache = new KeyCache(options.bounds ?? BOUNDS)
    this.#lookup = new KeyLookup(options.database)
    this.#timer = options.clock.every(NOTE_USE_EVERY_MS, () => void this.noteUse())
  }

  /**
   * Who a secret stands for; null where it is unknown, revoked or expired. A cached answer comes
   * synchronously.
   * @throws GristmillError `not_ready`, or what is wrong with a token; the database's own errors
   *   when it must be asked and is away
   */
  authenticate(secret: string): Principal | null | Promise<Principal | null> {
    const sha256 = hashSecret(secret)
    const cached = this.#cache.get(sha256)
    if (cached !== undefined && this.#counts(cached.readAtMs)) {
      const answer = this.#answer(sha256, cached)
      // A token is looked at again, and says itself what is wrong with it.
      if (answer !== null || !cached.isToken) return answer
    }
    if (cached === undefined || this.#listening) return this.#miss(sha256, secret)
    return this.#readAgain(sha256, secret, cached)
  }

  /** Calls back with every key revoked from now on, so that what runs with it can be ended. */
  onRevoked(callback: RevokedCallback): () => void {
    this.#revokedCallbacks.add(callback)
    return () => this.#revokedCallbacks.delete(callback)
  }

  /**
   * A notification of the channel `tenancy`: `kind:id`, and `:revoked` after a revoked key.
   * `tokens:` says that what tokens stand for may be another now.
   */
  changed(payload: string): void {
    this.#changes++
    const [kind, id = '', what] = payload.split(':')
    if (kind === 'key') this.#cache.dropKey(id)
    else if (kind === 'tokens') this.#cache.drop(({ isToken }) => isToken)
    else if (kind === 'project') this.#cache.drop(({ principal }) => principal.projectId === id)
    else this.#cache.drop(({ principal }) => principal.tenantId === id)
    if (kind === 'key' && what === 'revoked') this.#tellRevoked(id)
  }

  listenerChanged(state: 'up' | 'down'): void {
    const { clock, logger } = this.#options
    this.#changes++
    this.#listening = state === 'up'
    if (state === 'down') {
      this.#downSinceMs ??= clock.nowMs()
      return
    }
    this.#cache.clear()
    this.#awaySinceMs = undefined
    const sinceMs = this.#downSinceMs
    this.#downSinceMs = undefined
    if (sinceMs === undefined) return
    this.#tellRevokedSince(sinceMs).catch((error: unknown) => {
      logger.warn({ error }, 'keys revoked while the database was away could not be read')
    })
  }

  /** Writes when keys were last used; grouped, because it is only to the minute anyway. */
  async noteUse(): Promise<void> {
    const used = this.#used
    if (used.size === 0) return
    this.#used = new Map()
    this.#noteRound++
    const rows = [...used].map(([id, atMs]) => ({ id, at: new Date(atMs) }))
    const { sql } = this.#options.database
    try {
      await sql`
        update keys set last_used_at = greatest(last_used_at, used.at)
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
          as used (id text, at timestamptz)
        where keys.id = used.id`
    } catch (error) {
      for (const [id, atMs] of used) if (!this.#used.has(id)) this.#used.set(id, atMs)
      this.#options.logger.warn({ error }, 'the last use of keys could not be written')
    }
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#revokedCallbacks.clear()
    await this.noteUse()
  }

  #counts(readAtMs: number): boolean {
    if (this.#listening) return true
    const { clock, awayMsMax } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - readAtMs < COUNTS_WITHOUT_LISTENER_MS) return true
    return this.#awaySinceMs !== undefined && nowMs - this.#awaySinceMs < awayMsMax
  }

  #unknownCounts(foundAtMs: number): boolean {
    const ageMs = this.#options.clock.monotonicMs() - foundAtMs
    return ageMs < (this.#listening ? UNKNOWN_COUNTS_MS : COUNTS_WITHOUT_LISTENER_MS)
  }

  #answer(sha256: string, cached: CachedKey): Principal | null {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs >= cached.validUntilMs) {
      this.#cache.forget(sha256)
      return null
    }
    cached.used = true
    if (cached.notedRound !== this.#noteRound) {
      cached.notedRound = this.#noteRound
      this.#used.set(cached.principal.keyId, nowMs)
    }
    return cached.principal
  }

  #miss(sha256: string, secret: string): null | Promise<Principal | null> {
    const unknownSinceMs = this.#cache.unknownSinceMs(sha256)
    if (unknownSinceMs !== undefined && this.#unknownCounts(unknownSinceMs)) return null
    return this.#read(sha256, secret)
  }

  #find(sha256: string, secret: string): Promise<KeyEntry | null> {
    const { tokens } = this.#options
    if (!tokens?.takes(secret)) return this.#lookup.find(sha256)
    const known = this.#checking.get(sha256)
    if (known) return known
    const checking = tokens.find(secret).finally(() => this.#checking.delete(sha256))
    this.#checking.set(sha256, checking)
    return checking
  }

  async #read(sha256: string, secret: string): Promise<Principal | null> {
    const { clock } = this.#options
    const changes = this.#changes
    const readAtMs = clock.monotonicMs()
    const entry = await this.#find(sha256, secret)
    this.#awaySinceMs = undefined
    const isCurrent = changes === this.#changes
    if (entry === null || clock.nowMs() >= entry.validUntilMs) {
      if (isCurrent) this.#cache.putUnknown(sha256, readAtMs)
      return null
    }
    const cached = this.#cache.put(sha256, entry, readAtMs)
    const principal = this.#answer(sha256, cached)
    if (!isCurrent) this.#cache.forget(sha256)
    return principal
  }

  /** What the database says now; while it is away, what it said before. */
  async #readAgain(sha256: string, secret: string, cached: CachedKey): Promise<Principal | null> {
    const { clock } = this.#options
    const reading = this.#read(sha256, secret)
    const enough = new AbortController()
    const late = clock.sleep(AWAY_AFTER_MS, enough.signal).then(() => 'late' as const)
    try {
      const found = await Promise.race([reading, late])
      if (found !== 'late') return found
      reading.catch(() => undefined)
    } catch (error) {
      if (!isUnreachable(error)) throw error
    } finally {
      late.catch(() => undefined)
      enough.abort()
    }
    if (!this.#listening) this.#awaySinceMs ??= clock.monotonicMs()
    return this.#counts(cached.readAtMs) ? this.#answer(sha256, cached) : await reading
  }

  #tellRevoked(keyId: string): void {
    for (const callback of this.#revokedCallbacks) callback(keyId)
  }

  async #tellRevokedSince(sinceMs: number): Promise<void> {
    const { sql } = this.#options.database
    const rows = await sql<{ id: string }[]>`
      select id from keys where revoked_at > ${new Date(sinceMs - CLOCK_SLACK_MS)}`
    for (const { id } of rows) this.#tellRevoked(id)
  }
}
