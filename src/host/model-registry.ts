/** The list of models in the data home, `models.json`: each change is written whole. */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { type Clock, GristmillError } from '../base/index.ts'

export interface Model {
  /** What people call it; also its default name in the API. */
  name: string
  /** Absolute path of the GGUF file. */
  path: string
  bytes: number
  sha256: string
  /** True where it turns texts into vectors and writes none; such a one is never the default. */
  embedsOnly?: boolean
  /** Where it came from: a path or a hub reference. */
  source: string
  addedAtMs: number
}

interface Content {
  default: string | null
  models: Model[]
}

export class ModelRegistry {
  readonly #folder: string
  readonly #file: string
  readonly #clock: Clock

  /** @param folder the models' folder of the data home */
  constructor(folder: string, clock: Clock) {
    this.#folder = folder
    this.#file = join(folder, 'models.json')
    this.#clock = clock
  }

  list(): Model[] {
    return this.#read().models
  }

  /** What was chosen as default, whether its file is still there or not. */
  chosen(): Model | undefined {
    const content = this.#read()
    return content.models.find((one) => one.name === content.default)
  }

  /** The chosen default, unless its file is gone or has another size than it had. */
  default(): Model | undefined {
    const model = this.chosen()
    const bytes = model && statSync(model.path, { throwIfNoEntry: false })?.size
    return bytes === model?.bytes ? model : undefined
  }

  /** Adds a model or replaces the one of its name; the first that writes becomes the default. */
  add(model: Omit<Model, 'bytes' | 'addedAtMs'>): Model {
    const { default: chosen, models } = this.#read()
    const bytes = statSync(model.path).size
    const added: Model = { ...model, bytes, addedAtMs: this.#clock.nowMs() }
    const others = models.filter((one) => one.name !== added.name)
    const first = added.embedsOnly ? null : added.name
    this.#write({ default: chosen ?? first, models: [...others, added] })
    return added
  }

  /** Forgets a model and deletes its file if it is in our folder. Throws `not_found`. */
  remove(name: string): void {
    const content = this.#read()
    const model = named(content, name)
    const models = content.models.filter((one) => one !== model)
    this.#write({ default: content.default === name ? null : content.default, models })
    if (this.#isOurs(model)) rmSync(model.path, { force: true })
  }

  /** Throws `not_found`, `conflict` for a model that only embeds. */
  setDefault(name: string): void {
    const content = this.#read()
    if (named(content, name).embedsOnly) {
      const reason = `${name} only embeds texts; start with --embedding-model ${name} to serve it`
      throw new GristmillError('conflict', { reason })
    }
    this.#write({ ...content, default: name })
  }

  #isOurs({ path }: Model): boolean {
    return path.startsWith(`${this.#folder}/`)
  }

  #read(): Content {
    if (!existsSync(this.#file)) return { default: null, models: [] }
    const { models, ...rest } = JSON.parse(readFileSync(this.#file, 'utf8')) as Content
    return {
      ...rest,
      models: models.map((model) => ({ ...model, path: resolve(this.#folder, model.path) })),
    }
  }

  /** Paths within our folder are written relative to it, so that a home can be moved. */
  #write({ default: chosen, models }: Content): void {
    const written = models.map((model) => ({
      ...model,
      path: this.#isOurs(model) ? relative(this.#folder, model.path) : model.path,
    }))
    const text = JSON.stringify({ default: chosen, models: written }, null, 2)
    writeFileSync(`${this.#file}.new`, `${text}\n`)
    renameSync(`${this.#file}.new`, this.#file)
  }
}

function named({ models }: Content, name: string): Model {
  const model = models.find((one) => one.name === name)
  if (!model) throw new GristmillError('not_found', { kind: 'model', id: name })
  return model
}
