/** `gristmill model`: the model files of this machine. Needs no running server. */
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { createLogger, GristmillError } from '../base/index.ts'
import { type Home, type Model, type ModelStore, openModelStore } from '../host/index.ts'
import { inspectGguf, writeFromParts } from '../llama/index.ts'
import { type CliContext, configWith, confirm, example, show, withJson } from './context.ts'
import { progressLine } from './progress.ts'
import { printTable } from './table.ts'
import { bytes, moment } from './units.ts'

interface ModelFlags {
  json?: true
  home?: string
  yes?: true
}

/** Adds `model …` to the program. */
export function modelCommands(program: Command, context: CliContext): void {
  const group = program.command('model').description('models on this machine')
  const { terminal } = context
  const local = (command: Command) =>
    withJson(command).option('--home <folder>', 'data home that holds the models')

  example(
    local(group.command('add <path|reference|name>')),
    'model add ./my-model.gguf',
    'model add hf:owner/repository/file.gguf',
    'model add all-minilm-l6-v2',
  )
    .description(
      'add a GGUF file: by its path, or fetched, from the hub or by a name of our catalogue',
    )
    .action(async (reference: string, flags: ModelFlags) => {
      const store = openStore(context, flags.home)
      const model = await store.add(reference, progressLine(terminal, `Fetching ${reference}`))
      show(context, flags, model, () => {
        terminal.print(`Added ${model.name} (${bytes(model.bytes)}, sha256 ${model.sha256}).`)
        terminal.note(`Next: gristmill model default ${model.name}`)
      })
    })
  example(local(group.command('list')), 'model list')
    .description('list the models of this machine')
    .action((flags: ModelFlags) => {
      const store = openStore(context, flags.home)
      const models = store.list().map((model) => ({ ...model, default: isDefault(store, model) }))
      show(context, flags, models, () => tell(context, models))
    })
  example(local(group.command('default <name>')), 'model default my-model')
    .description('serve this model from the next start on')
    .action((name: string, flags: ModelFlags) => {
      openStore(context, flags.home).setDefault(name)
      show(context, flags, { name, default: true }, () =>
        terminal.print(`${name} is served from the next start on.`),
      )
    })
  example(local(group.command('remove <name>')), 'model remove my-model')
    .description('forget a model; its file is deleted if it is in the data home')
    .option('--yes', 'do not ask')
    .action(async (name: string, flags: ModelFlags) => {
      const store = openStore(context, flags.home)
      await confirm(context, flags, `Remove model ${name}?`)
      store.remove(name)
      show(context, flags, { name, removed: true }, () => terminal.print(`Removed ${name}.`))
    })
}

const isDefault = (store: ModelStore, { name }: Model) => store.defaultModel()?.name === name

function tell({ terminal }: CliContext, models: (Model & { default: boolean })[]): void {
  printTable(
    terminal,
    models,
    [
      {
        title: 'MODEL',
        value: (model) => (model.default ? `${model.name} (default)` : model.name),
      },
      { title: 'SIZE', value: (model) => bytes(model.bytes), align: 'right' },
      { title: 'ADDED', value: ({ addedAtMs }) => moment(new Date(addedAtMs).toISOString()) },
      { title: 'FROM', value: ({ source }) => source },
    ],
    'No model on this machine yet. The first start fetches one, or: gristmill model add PATH',
  )
}

/** The model store of a home, whether a server holds the home or not. */
export function openStore(context: CliContext, home: string | undefined): ModelStore {
  const config = configWith(context, { GRISTMILL_HOME: home })
  return openModelStore({
    home: visited(config.home),
    clock: context.clock,
    logger: createLogger(config.logLevel, 'gristmill'),
    inspect: inspectGguf,
    convert: writeFromParts,
    hubUrl: config.hubUrl,
    hubToken: config.hubToken,
  })
}

/** Path of the file behind a model's name, or of the path itself. @throws GristmillError */
export function modelPath(context: CliContext, home: string | undefined, model: string): string {
  if (existsSync(model) || isAbsolute(model) || model.endsWith('.gguf')) return resolve(model)
  const found = openStore(context, home)
    .list()
    .find(({ name }) => name === model)
  if (!found) throw new GristmillError('not_found', { kind: 'model', id: model })
  return found.path
}

/** The home without its lock: the model registry is written whole and may have two writers. */
function visited(path: string): Home {
  const folder = (name: string) => join(path, name)
  try {
    for (const name of ['models', 'cache']) mkdirSync(folder(name), { recursive: true })
  } catch (error) {
    const reason = (error as Error).message
    throw new GristmillError('home_unusable', { home: path, reason }, { cause: error })
  }
  const noSecrets = () => {
    throw new Error('a visitor of the home reads no secrets')
  }
  return {
    path,
    folder,
    secret: noSecrets,
    renewSecret: noSecrets,
    pendingSecret: noSecrets,
    freeBytes() {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    },
    release() {},
  }
}
