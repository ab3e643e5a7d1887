/**
 * The engines of this installation: those that operators have added, kept in the database, and the
 * embedded one, which the program itself starts. Watches their health and tells who listens.
 */
import { GristmillError } from '../base/index.ts'
import { checkModels, checkNew, type EngineInput, rowOf } from './engine-input.ts'
import { type EngineKey, EngineKeys } from './engine-keys.ts'
import type {
  EngineEntry,
  EngineKeyView,
  EngineListener,
  EngineRegistryOptions,
} from './engine-registry-types.ts'
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
import { resolveHost } from './replica-set.ts'
import { ReplicatedEngines } from './replicated-engines.ts'
import { SecretBox } from './sealed-secret.ts'
import { askTokens } from './token-question.ts'
import type { Engine, EngineCount, EngineProfile } from './types.ts'

/** The engines that this program itself starts: one that writes, and one that embeds. */
export const EMBEDDED_ENGINE_ID = 'eng_embedded'
export const EMBEDDING_ENGINE_ID = 'eng_embedding'

interface Place {
  engine: OpenAiEngine
  watch: EngineWatch
  createdAtMs: number
  /** The row that it stands for, alone or as a replica. */
  entryId: string
}

export class EngineRegistry {
  readonly #options: EngineRegistryOptions
  readonly #places = new Map<string, Place>()
  readonly #replicated: ReplicatedEngines
  readonly #listeners = new Set<EngineListener>()
  readonly #keys: EngineKeys
  /** Entries that are being added here. */
  readonly #adding = new Set<string>()
  #models: Map<string, RegisteredModel> | undefined

  constructor(options: EngineRegistryOptions) {
    this.#options = options
    const box = new SecretBox(options.secretKey, options.earlierSecretKeys)
    this.#keys = new EngineKeys({ ...options, box })
    this.#replicated = new ReplicatedEngines(
      { resolve: resolveHost, ...options },
      {
        place: (row, entryId, serverName) => this.#place(row, entryId, undefined, serverName),
        at: (id) => this.#places.get(id),
        drop: (id) => void this.#drop(id),
      },
    )
  }

  /**
   * Reads the stored engines and asks those that are new once; resolves when all have answered or
   * failed. Called again, it follows what other gateways on the database have changed.
   */
  async start(): Promise<void> {
    await this.#keys.read()
    const rows = await readEngines(this.#options.database.sql)
    const ids = new Set([...this.#places.values()].map(({ entryId }) => entryId))
    const gone = [...ids].filter((id) => !this.isEmbedded(id) && !rows.some((r) => r.id === id))
    await Promise.all(gone.map((id) => this.#forget(id)))
    for (const { id, draining } of rows.filter((row) => ids.has(row.id))) {
      this.#giveKeys(id)
      const known = this.#replicated.row(id)?.draining ?? this.#places.get(id)?.watch.isDraining
      if (known !== draining) this.#setDraining(id, draining)
    }
    const isNew = ({ id }: EngineRow) => !this.#adding.has(id) && this.#idsOf(id).length === 0
    await Promise.all(rows.filter(isNew).map((row) => this.#begin(row)))
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
   * @returns its id, or that of the first replica
   * @throws GristmillError `invalid_value`, `conflict` (address or name known),
   *   `engine_unreachable`
   */
  async add(input: EngineInput): Promise<string> {
    checkModels(input)
    const row = rowOf(input, this.#options)
    this.#adding.add(row.id)
    try {
      return await this.#add(row, this.#keys.given(input))
    } finally {
      this.#adding.delete(row.id)
    }
  }

  async #add(row: EngineRow, keys: EngineKey[]): Promise<string> {
    const { database } = this.#options
    this.#checkNew(row)
    const engine = this.#engine(row, keys)
    try {
      const profile = await firstProfile(engine, this.#options.clock)
      this.#checkNew(row)
      await database.transaction(async (sql) => {
        await insertEngine(sql, { ...row, profile })
        await this.#keys.insert(sql, row.id, keys)
      })
      if (!row.replicas) this.#place(row, row.id, engine).accept(profile)
    } catch (error) {
      this.#keys.forget(row.id)
      await engine.close()
      throw error
    }
    if (!row.replicas) return row.id
    await engine.close()
    await this.#replicated.open(row)
    return this.#idsOf(row.id)[0] ?? row.id
  }

  /** What an engine says of itself. @throws GristmillError `invalid_value`, `engine_unreachable` */
  async detect(input: EngineInput): Promise<EngineProfile> {
    const engine = this.#engine(rowOf(input, this.#options), this.#keys.given(input))
    try {
      return await firstProfile(engine, this.#options.clock)
    } finally {
      await engine.close()
    }
  }

  /** The keys of an engine, not what they are. @throws GristmillError `not_found`, `conflict` */
  keys(id: string): EngineKeyView[] {
    const { engine, entryId } = this.#own(id)
    return this.#keys.views(entryId, (keyId) => engine.restOf(keyId))
  }

  /**
   * Gives an engine a key beside those that it has, or in their place, without cutting what runs.
   * The engine has to answer to it first.
   * @throws GristmillError `not_found`, `conflict`, `engine_unreachable`
   */
  async setKey(id: string, secret: string, how: 'beside' | 'instead'): Promise<void> {
    const { entryId } = this.#own(id)
    const rows = await readEngines(this.#options.database.sql)
    const row = rows.find((one) => one.id === entryId)
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
    if (how === 'instead') await this.#keys.replace(entryId, keys)
    else await this.#keys.insert(this.#options.database.sql, entryId, keys)
    this.#giveKeys(entryId)
  }

  /**
   * Takes a key away; what runs with it goes on.
   * @returns id of its engine
   * @throws GristmillError `not_found`
   */
  async removeKey(keyId: string): Promise<string> {
    const id = await this.#keys.remove(keyId)
    this.#giveKeys(id)
    return id
  }

  /**
   * An engine that this program has started; called again when it moved to another address.
   * Resolves when it has answered or failed once.
   */
  async setEmbedded(url: string, id = EMBEDDED_ENGINE_ID): Promise<string> {
    const name = id === EMBEDDED_ENGINE_ID ? 'embedded' : 'embedding'
    const known = this.#places.get(id)?.watch
    if (known?.engine.url === url) await known.start()
    else {
      await this.#drop(id)
      const createdAt = new Date(this.#options.clock.nowMs())
      const bare = { service: null, apiVersion: null, cap: null, models: null, draining: false }
      const own = { ...bare, profile: null, id, name, url, createdAt, replicas: false }
      await this.#place(own, id).start()
    }
    return id
  }

  isEmbedded(engineId: string): boolean {
    return engineId === EMBEDDED_ENGINE_ID || engineId === EMBEDDING_ENGINE_ID
  }

  /**
   * Forgets an engine, or all replicas of a name; what runs there fails.
   * @throws GristmillError `not_found`; `conflict` for the embedded engine and for one replica
   */
  async remove(id: string): Promise<void> {
    const isWhole = this.#replicated.row(id) !== undefined
    const entry = isWhole ? null : this.entryOf(this.#own(id).engine.id)
    if (entry !== null) {
      const reason = `It is a replica of ${entry.name}, which can be removed as a whole`
      throw new GristmillError('conflict', { reason })
    }
    await deleteEngine(this.#options.database.sql, id)
    await this.#forget(id)
  }

  /**
   * Lets an engine, or all replicas of a name, finish what runs and gives it nothing new; `false`
   * takes that back. Of one replica it holds until it leaves or the program ends.
   * @returns the id of an engine that it is about
   * @throws GristmillError `not_found`; `conflict` for the embedded engine
   */
  async drain(id: string, draining = true): Promise<string> {
    const isWhole = this.#replicated.row(id) !== undefined
    const ids = isWhole ? this.#idsOf(id) : [this.#own(id).engine.id]
    if (isWhole || this.entryOf(id) === null)
      await setDraining(this.#options.database.sql, id, draining)
    this.#setDraining(id, draining)
    return ids[0] ?? id
  }

  /** What an engine is a replica of; null where it stands for itself. */
  entryOf(id: string): EngineEntry | null {
    const row = this.#replicated.row(this.#places.get(id)?.entryId ?? '')
    return row === undefined ? null : { id: row.id, name: row.name }
  }

  /** Encrypts all keys anew. @throws GristmillError `conflict` where the master key is given */
  async rotateSecretKey(): Promise<void> {
    await this.#keys.renew(this.#options.renewSecretKey?.())
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

  /** Tokens of a chat's prompt as the first engine counts them that is up and can; else null. */
  async countTokens(
    model: string,
    chat: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<number | null> {
    const ask = (engine: Engine) => engine.countTokens(chat, signal)
    return askTokens([...this.#places.values()], model, this.#options.logger, ask)
  }

  /** A model that some engine serves or, while it is away, has served. */
  find(name: string): RegisteredModel | undefined {
    return this.#allModels().get(name)
  }

  list(): readonly RegisteredModel[] {
    return [...this.#allModels().values()]
  }

  async close(): Promise<void> {
    this.#replicated.close()
    for (const { watch } of this.#places.values()) watch.close()
    await Promise.all([...this.#places.values()].map(({ watch }) => watch.engine.close()))
  }

  async #begin(row: EngineRow): Promise<void> {
    await (row.replicas ? this.#replicated.open(row) : this.#place(row, row.id).start())
  }

  async #forget(entryId: string): Promise<void> {
    this.#keys.forget(entryId)
    this.#replicated.forget(entryId)
    await Promise.all(this.#idsOf(entryId).map((one) => this.#drop(one)))
    for (const listener of this.#listeners) listener.forgotten?.(entryId)
  }

  #setDraining(id: string, draining: boolean): void {
    this.#replicated.setDraining(id, draining)
    const ids = this.#replicated.row(id) === undefined ? [id] : this.#idsOf(id)
    for (const one of ids) this.#places.get(one)?.watch.setDraining(draining)
  }

  #allModels(): Map<string, RegisteredModel> {
    this.#models ??= registeredModels([...this.#places.values()])
    return this.#models
  }

  #giveKeys(entryId: string): void {
    for (const id of this.#idsOf(entryId)) {
      this.#places.get(id)?.engine.setKeys(this.#keys.of(entryId))
    }
  }

  /** The engines of an entry: itself, or its replicas. */
  #idsOf(entryId: string): string[] {
    return [...this.#places].flatMap(([id, place]) => (place.entryId === entryId ? [id] : []))
  }

  #engine(row: EngineRow, keys: readonly EngineKey[], serverName?: string): OpenAiEngine {
    const { clock, random, limits } = this.#options
    const { id, name, url, service, apiVersion } = row
    return new OpenAiEngine({
      id,
      name,
      url,
      serverName,
      keys,
      service: service === null ? null : { name: service, apiVersion },
      capOverride: row.cap,
      modelsFilter: row.models,
      clock,
      random,
      limits,
      onFailure: (failure) => this.#places.get(id)?.watch.noteFailure(failure),
      onRates: (news) => {
        for (const listener of this.#listeners) listener.rated?.(id, news)
      },
    })
  }

  #place(row: EngineRow, entryId: string, given?: OpenAiEngine, serverName?: string): EngineWatch {
    const engine = given ?? this.#engine(row, this.#keys.of(entryId), serverName)
    const rented = row.service === null ? {} : { kind: 'service' as const, service: row.service }
    const profile = { ...unknownProfile, ...rented, ...row.profile }
    const watch = new EngineWatch(engine, profile, row.draining, {
      ...this.#options,
      changed: (changed) => this.#changed(changed),
      loaded: (id, load) => {
        for (const listener of this.#listeners) listener.loaded?.(id, load)
      },
    })
    this.#places.set(row.id, { engine, watch, createdAtMs: row.createdAt.getTime(), entryId })
    this.#changed(watch)
    return watch
  }

  #changed({ engine, profile, state, reason }: EngineWatch): void {
    const { logger, database } = this.#options
    this.#models = undefined
    logger.info({ engineId: engine.id, engine: engine.name, state, reason }, 'engine')
    for (const listener of this.#listeners) listener.changed(engine, profile, state, reason)
    if (state !== 'up' || this.isEmbedded(engine.id)) return
    const { entryId = engine.id } = this.#places.get(engine.id) ?? {}
    noteProfile(database.sql, entryId, profile).catch((error: unknown) =>
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
    const place = this.#places.get(id) ?? this.#places.get(this.#idsOf(id)[0] ?? '')
    if (!place) throw new GristmillError('not_found', { kind: 'engine', id })
    if (!this.isEmbedded(id)) return place
    const reason = 'The embedded engine belongs to this program and cannot be changed here'
    throw new GristmillError('conflict', { reason })
  }

  #checkNew(row: Pick<EngineRow, 'url' | 'name'>): void {
    const engines = [...this.#places.values()].map(({ engine }) => engine)
    checkNew(row, [...this.#replicated.rows(), ...engines])
  }
}
