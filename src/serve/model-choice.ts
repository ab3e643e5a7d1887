/** Which models the engines of this program serve: those asked for, the default, or the toy. */
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Config, GristmillError, type Logger } from '../base/index.ts'
import {
  type Home,
  type Model,
  type ModelStore,
  type ModelStoreOptions,
  openModelStore,
} from '../host/index.ts'
import { inspectGguf, writeFromParts, writeToyModel } from '../llama/index.ts'

export interface ChosenModel {
  name: string
  path: string
  toy: boolean
  /** Sentences for whoever started the program: why it is the toy, or not what was chosen. */
  notes: string[]
}

/** Asks for the generated model by name; what tests and machines without network use. */
export const TOY_MODEL = 'toy'
const TOY_CONTEXT_TOKENS = 4096
const MEGABYTE = 1_000_000

/**
 * Looks at models that are asked for before anything is made, so that a mistake is told at once.
 * @throws GristmillError as `chooseModel` and `chooseEmbeddingModel` do, but for what is fetched
 */
export async function checkModels(config: Config, clock: Clock, logger: Logger): Promise<void> {
  const { model, engine, embeddingModel, offline, home } = config
  // Nothing is fetched into it.
  const unopened = { folder: (name: string) => join(home, name), freeBytes: () => 0 }
  const store = storeOf(config, unopened, clock, logger)
  if (engine !== 'none' && model !== undefined && model !== TOY_MODEL) {
    await store.look(model, offline)
  }
  if (embeddingModel === undefined) return
  const path = await store.look(embeddingModel, offline)
  if (path !== undefined) await refuseWriting(embeddingModel, path)
}

/**
 * The model to serve, fetched where needed.
 * @param onProgress a line for the person who waits
 * @throws GristmillError `model_file_invalid`, `model_unavailable` where a named model cannot be
 * had
 */
export async function chooseModel(
  config: Config,
  home: Home,
  clock: Clock,
  logger: Logger,
  onProgress: (message: string) => void,
): Promise<ChosenModel> {
  if (config.model === TOY_MODEL) return toy(home, [])
  const store = storeOf(config, home, clock, logger)
  const how = { offline: config.offline, onProgress: inWords('the model', onProgress) }
  if (config.model !== undefined) {
    const { name, path } = await store.ensure(config.model, how)
    return { name, path, toy: false, notes: [] }
  }
  const found = await store.ensureDefault(how)
  if (found.kind === 'model') {
    const { model, insteadOf } = found
    return { name: model.name, path: model.path, toy: false, notes: notesOf(model, insteadOf) }
  }
  return toy(home, [
    'No model could be fetched, so a generated toy model answers; its text means nothing.',
    ...found.failures.map(({ source, reason }) => `${source}: ${reason}`),
    'Add a real one with "gristmill model add PATH" and start again.',
  ])
}

function notesOf({ name }: Model, insteadOf: Model | undefined): string[] {
  if (insteadOf === undefined) return []
  const { name: chosen, path } = insteadOf
  return [
    `${chosen} is the default, but its file ${path} is gone or was changed, so ${name} answers.`,
    `Put it back, or "gristmill model add ${path}" takes it as it is now; then start again.`,
  ]
}

/**
 * The model of the engine that only embeds, fetched where needed.
 * @param name in this machine's list or the catalogue, or a path
 * @throws GristmillError `model_file_invalid`, `model_unavailable`; `invalid_config` if it writes
 */
export async function chooseEmbeddingModel(
  name: string,
  config: Config,
  home: Home,
  clock: Clock,
  logger: Logger,
  onProgress: (message: string) => void,
): Promise<ChosenModel> {
  const how = { offline: config.offline, onProgress: inWords('the embedding model', onProgress) }
  const model = await storeOf(config, home, clock, logger).ensure(name, how)
  await refuseWriting(model.name, model.path)
  return { name: model.name, path: model.path, toy: false, notes: [] }
}

async function refuseWriting(name: string, path: string): Promise<void> {
  const { embedsOnly } = await inspectGguf(path)
  if (embedsOnly) return
  const reason = `GRISTMILL_EMBEDDING_MODEL: ${name} writes texts; GRISTMILL_MODEL is for it`
  throw new GristmillError('invalid_config', { reason })
}

function storeOf(
  config: Config,
  home: ModelStoreOptions['home'],
  clock: Clock,
  logger: Logger,
): ModelStore {
  const { hubUrl, hubToken } = config
  const files = { inspect: inspectGguf, convert: writeFromParts }
  return openModelStore({ home, clock, logger, hubUrl, hubToken, ...files })
}

function inWords(what: string, onProgress: (message: string) => void): OnProgress {
  return ({ source, receivedBytes, totalBytes }) => {
    const of = totalBytes === undefined ? '' : ` of ${Math.round(totalBytes / MEGABYTE)}`
    onProgress(`Fetching ${what} from ${source}: ${Math.round(receivedBytes / MEGABYTE)}${of} MB`)
  }
}

type OnProgress = NonNullable<Parameters<ReturnType<typeof openModelStore>['add']>[1]>

async function toy(home: Home, notes: string[]): Promise<ChosenModel> {
  const path = join(home.folder('cache'), 'toy.gguf')
  if (!existsSync(path)) {
    // A kill in the middle must not leave half a model under the final name.
    await writeToyModel(`${path}.part`, {
      kind: 'markov',
      seed: 1,
      contextTokens: TOY_CONTEXT_TOKENS,
    })
    await rename(`${path}.part`, path)
  }
  return { name: TOY_MODEL, path, toy: true, notes }
}
