/**
 * The engines of this installation: those that operators have added, kept in the database, and the
 * embedded one, which the program itself starts. Watches their health and tells who listens.
 */
import { type Clock, GristmillError, type Limits, type Logger, type Random } from '../base/index.ts'
import type { Database } from '../store/index.ts'
import { checkModels, type EngineInput, rowOf } from './engine-input.ts'
import { type EngineKey, EngineKeys, keyFingerprint } from './engine-keys.ts'
import {
  deleteEngine,
  type EngineRow,
  insertEngine,
  noteProfile,
  readEngines,
  setDraining,
} from './engine-rows.ts'
import { EngineWatch } from './engine-watch.ts'
import { firstProfile } from './first-profile.ts'
import { unknownProfile } from './kinds/traits.ts'
import { OpenAiEngine } from './openai-engine.ts'
import { type RegisteredModel, registeredModels } from './registered-models.ts'
import { SecretBox } from './sealed-secret.ts'
import type {
  Engine,
  EngineCount,
  EngineLoad,
  EngineProfile,
  EngineState,
  RateNews,
} from './types.ts'

export const EMBEDDED_ENGINE_ID = 'eng_embedded'

export interface EngineRegistryOptions {
  database: Pick<Database, 'sql' | 'transaction'>
  clock: Clock
  random: Random
  logger: Logger
  limits: Limits
  /** 32 bytes; keys of engines are encrypted with it. */
  secretKey: Uint8Array
  /** Those that may have encrypted what is stored. */
  earlierSecretKeys?: readonly Uint8Array[]
  /** Makes another one; absent where it is not ours to make. */
  renewSecretKey?: (() => { secret: Uint8Array; commit(): void }) | undefined
}

/** A key of an engine as people may see it. */
export interface EngineKeyView {
  id: string
  fingerprint: string
  createdAt: Date
  /** Why it is not used at the moment; null where it is. */
  rest: 'refused' | 'limited' | null
}

export interface EngineListener {
  changed(engine: Engine, profile: EngineProfile, state: EngineState, reason: string): void
  removed(engineId: string): void
  /** What an engine tells of its load, about once a second where it tells any. */
  loaded?(engineId: string, load: EngineLoad): void
  /** What a rented service says about its limits, with every answer. */
  rated?(engineId: string, news: RateNews): void
}

interface Place {
  engine: OpenAiEngine
  watch: EngineWatch
  createdAtMs: number
}

export class EngineRegistry {
  readonly #options: EngineRegistryOptions
  readonly #places = new Map<string, Place>()
  readonly #listeners = new Set<EngineListener>()
  readonly #keys: EngineKeys
  #models: Map<string, RegisteredModel> | undefined

  constructor(options: EngineRegistryOptions) {
    this.#options = options
    const box = new SecretBox(options.secretKey, options.earlierSecretKeys)
    this.#keys = new EngineKeys({ ...options, box })
  }

  /** Reads the stored engines and asks each once; resolves when all have answered or failed. */
  async start(): Promise<void> {
    await this.#keys.read()
    const rows = await readEngines(this.#options.database.sql)
    await Promise.all(rows.map((row) => this.#place(row).start()))
  }

  /** Tells every present engine at once, then every change. Returns what ends that. */
  listen(listener: EngineListener): () => void {
    this.#listeners.add(listener)
    for (const { watch } of this.#places.values()) {
      listener.changed(watch.engine, watch.profile, watch.state, watch.reason)
    }
    return () => this.#listeners.delete(listener)
  }

  /**
   * Adds an engine that answers, and keeps it.
   * @returns its id
   * @throws GristmillError `invalid_value`, `conflict` (address or name known),
   *   `engine_unreachable`
   */
  async add(input: EngineInput): Promise<string> {
    const { database } = this.#options
    checkModels(input)
    const row = rowOf(input, this.#options)
    this.#checkNew(row)
    const keys = this.#keysOf(input)
    const engine = this.#engine(row, keys)
    try {
      const profile = await firstProfile(engine, this.#options.clock)
      this.#checkNew(row)
      await database.transaction(async (sql) => {
        await insertEngine(sql, { ...row, profile })
        await this.#keys.insert(sql, row.id, keys)
      })
      this.#place(row, engine).accept(profile)
    } catch (error) {
      this.#keys.forget(row.id)
      await engine.close()
      throw error
    }
    return row.id
  }

  /**
   * Asks an engine what it is, and keeps nothing.
   * @throws GristmillError `invalid_value`, `engine_unreachable`
   */
  async detect(input: EngineInput): Promise<EngineProfile> {
    const engine = this.#engine(rowOf(input, this.#options), this.#keysOf(input))
    try {
      return await firstProfile(engine, this.#options.clock)
    } finally {
      await engine.close()
    }
  }

  /** The keys of an engine, not what they are. @throws GristmillError `not_found`, `conflict` */
  keys(id: string): EngineKeyView[] {
    const { engine } = this.#own(id)
    return this.#keys.of(id).map(({ id: keyId, secret, createdAt }) => ({
      id: keyId,
      fingerprint: keyFingerprint(secret),
      createdAt,
      rest: engine.restOf(keyId),
    }))
  }

  /**
   * Gives an engine a key beside those that it has, or in their place, without cutting what runs.
   * The engine has to answer to it first.
   * @throws GristmillError `not_found`, `conflict`, `engine_unreachable`
   */
  async setKey(id: string, secret: string, how: 'beside' | 'instead'): Promise<void> {
    const { engine } = this.#own(id)
    const [row] = (await readEngines(this.#options.database.sql)).filter((one) => one.id === id)
    if (row === undefined) throw new GristmillError('not_found', { kind: 'engine', id })
    if (how === 'beside' && row.service === null) {
      throw new GristmillError('conflict', { reason: 'An engine of your own takes one key' })
    }
    const keys = this.#keys.make([secret])
    const trial = this.#engine(row, keys)
    try {
      await firstProfile(trial, this.#options.clock)
    } finally {
      await trial.close()
    }
    if (how === 'instead') await this.#keys.replace(id, keys)
    else await this.#keys.insert(this.#options.database.sql, id, keys)
    engine.setKeys(this.#keys.of(id))
  }

  /**
   * Takes a key away; what runs with it goes on.
   * @returns id of its engine
   * @throws GristmillError `not_found`
   */
  async removeKey(keyId: string): Promise<string> {
    const id = await this.#keys.remove(keyId)
    this.#places.get(id)?.engine.setKeys(this.#keys.of(id))
    return id
  }

  /**
   * The engine that this program has started; called again when it moved to another address.
   * Resolves when it has answered or failed once.
   */
  async setEmbedded(url: string, name = 'embedded'): Promise<string> {
    const known = this.#places.get(EMBEDDED_ENGINE_ID)
    if (known?.watch.engine.url === url) await known.watch.start()
    else {
      await this.#drop(EMBEDDED_ENGINE_ID)
      const createdAt = new Date(this.#options.clock.nowMs())
      const bare = { service: null, apiVersion: null, cap: null, models: null, draining: false }
      const own = { ...bare, profile: null, id: EMBEDDED_ENGINE_ID, name, url, createdAt }
      await this.#place(own).start()
    }
    return EMBEDDED_ENGINE_ID
  }

  /** Its process has ended; `setEmbedded` tells when it is back. */
  embeddedDown(reason: string): void {
    this.#places.get(EMBEDDED_ENGINE_ID)?.watch.noteDown(reason)
  }

  isEmbedded(engineId: string): boolean {
    return engineId === EMBEDDED_ENGINE_ID
  }

  /** Forgets an engine; what runs there fails. @throws GristmillError `not_found`, `conflict` */
  async remove(id: string): Promise<void> {
    this.#own(id)
    await deleteEngine(this.#options.database.sql, id)
    this.#keys.forget(id)
    await this.#drop(id)
  }

  /** Lets an engine finish what runs and gives it nothing new; `false` takes that back. */
  async drain(id: string, draining = true): Promise<void> {
    const { watch } = this.#own(id)
    await setDraining(this.#options.database.sql, id, draining)
    watch.setDraining(draining)
  }

  /**
   * Encrypts the keys of all engines with a new master key.
   * @throws GristmillError `conflict` where the master key comes from the environment
   */
  async rotateSecretKey(): Promise<void> {
    const renewed = this.#options.renewSecretKey?.()
    if (renewed !== undefined) return this.#keys.rotate(renewed.secret, renewed.commit)
    const reason =
      'The key for secrets comes from GRISTMILL_SECRET_KEY: start once more with another one there, and this one as GRISTMILL_SECRET_KEY_BEFORE'
    throw new GristmillError('conflict', { reason })
  }

  /** Requests that failed at an engine in the last `spanMs`. */
  errorsSince(id: string, spanMs: number): number {
    return this.#places.get(id)?.watch.errorsSince(spanMs) ?? 0
  }

  /** An engine's own count of a request, or null; for what a crash of the gateway left open. */
  async countOf(
    requestId: string,
    engineId: string | null,
    signal: AbortSignal,
  ): Promise<EngineCount | null> {
    const place = engineId === null ? undefined : this.#places.get(engineId)
    return place ? place.watch.engine.countOf(requestId, signal) : null
  }

  /**
   * Tokens of a chat's prompt as the first engine of the model counts them that is up and can;
   * null where there is none.
   */
  async countTokens(
    model: string,
    chat: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<number | null> {
    for (const { watch } of this.#places.values()) {
      const serves = watch.profile.models.some(({ name }) => name === model)
      if (watch.state !== 'up' || !serves) continue
      const count = await watch.engine.countTokens(chat, signal).catch((error: Error) => {
        const { name, message } = error
        this.#options.logger.debug({ engine: watch.engine.id, name, message }, 'no token count')
        return null
      })
      if (count !== null) return count
    }
    return null
  }

  /** A model that some engine serves or, while it is away, has served. */
  find(name: string): RegisteredModel | undefined {
    return this.#allModels().get(name)
  }

  list(): readonly RegisteredModel[] {
    return [...this.#allModels().values()]
  }

  async close(): Promise<void> {
    for (const { watch } of this.#places.values()) watch.close()
    await Promise.all([...this.#places.values()].map(({ watch }) => watch.engine.close()))
  }

  #allModels(): Map<string, RegisteredModel> {
    this.#models ??= registeredModels(
      [...this.#places.values()].map(({ watch, createdAtMs }) => ({
        profile: watch.profile,
        createdAtMs,
      })),
    )
    return this.#models
  }

  #keysOf({ apiKey }: EngineInput): EngineKey[] {
    return this.#keys.make(apiKey === undefined ? [] : [apiKey])
  }

  #engine(row: EngineRow, keys: readonly EngineKey[]): OpenAiEngine {
    const { clock, limits } = this.#options
    const { id, name, url, service, apiVersion } = row
    return new OpenAiEngine({
      id,
      name,
      url,
      keys,
      service: service === null ? null : { name: service, apiVersion },
      capOverride: row.cap,
      modelsFilter: row.models,
      clock,
      limits,
      onFailure: (failure) => this.#places.get(id)?.watch.noteFailure(failure),
      onRates: (news) => {
        for (const listener of this.#listeners) listener.rated?.(id, news)
      },
    })
  }

  #place(row: EngineRow, given?: OpenAiEngine): EngineWatch {
    const engine = given ?? this.#engine(row, this.#keys.of(row.id))
    const rented = row.service === null ? {} : { kind: 'service' as const, service: row.service }
    const profile = { ...unknownProfile, ...rented, ...row.profile }
    const watch = new EngineWatch(engine, profile, row.draining, {
      ...this.#options,
      changed: (changed) => this.#changed(changed),
      loaded: (id, load) => {
        for (const listener of this.#listeners) listener.loaded?.(id, load)
      },
    })
    this.#places.set(row.id, { engine, watch, createdAtMs: row.createdAt.getTime() })
    this.#changed(watch)
    return watch
  }

  #changed({ engine, profile, state, reason }: EngineWatch): void {
    const { logger, database } = this.#options
    this.#models = undefined
    logger.info({ engineId: engine.id, engine: engine.name, state, reason }, 'engine')
    for (const listener of this.#listeners) listener.changed(engine, profile, state, reason)
    if (state !== 'up' || this.isEmbedded(engine.id)) return
    noteProfile(database.sql, engine.id, profile).catch((error: unknown) =>
      logger.warn({ err: error, engineId: engine.id }, 'what the engine told could not be kept'),
    )
  }

  async #drop(id: string): Promise<void> {
    const place = this.#places.get(id)
    if (!place) return
    place.watch.close()
    this.#places.delete(id)
    this.#models = undefined
    for (const listener of this.#listeners) listener.removed(id)
    await place.watch.engine.close()
  }

  /** @throws GristmillError `not_found`; `conflict` for the embedded engine */
  #own(id: string): Place {
    const place = this.#places.get(id)
    if (!place) throw new GristmillError('not_found', { kind: 'engine', id })
    if (!this.isEmbedded(id)) return place
    const reason = 'The embedded engine belongs to this program and cannot be changed here'
    throw new GristmillError('conflict', { reason })
  }

  #checkNew({ url, name }: Pick<EngineRow, 'url' | 'name'>): void {
    for (const { watch } of this.#places.values()) {
      const { engine } = watch
      const isSameName = engine.name.toLowerCase() === name.toLowerCase()
      if (!isSameName && engine.url !== url) continue
      const what = isSameName ? `named ${name}` : `at ${url}`
      throw new GristmillError('conflict', { reason: `There is an engine ${what} already` })
    }
  }
}
