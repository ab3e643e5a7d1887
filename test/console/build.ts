/** Builds the console when its sources are newer than what was built. */
import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
export const consoleFolder = join(root, 'console')
export const distFolder = join(consoleFolder, 'dist')

let building: Promise<void> | undefined

export function buildConsole(): Promise<void> {
  building ??= build()
  return building
}

async function build(): Promise<void> {
  const builtAtMs = await modifiedMs(join(distFolder, 'index.html'))
  if (builtAtMs > (await newestMs(consoleFolder))) return
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  await promisify(execFile)(process.execPath, [vite, 'build', consoleFolder], { cwd: root })
}

async function newestMs(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  const sources = names.filter((name) => !/^(dist|fixture|node_modules)/.test(name))
  const times = await Promise.all(sources.map((name) => modifiedMs(join(folder, name))))
  return Math.max(...times)
}

async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
