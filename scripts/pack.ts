/**
 * What `npm pack` packs besides the console: the program as JavaScript in `dist`, because Node.js
 * strips no types under `node_modules`, and in it `node-llama-cpp`, because npm heeds no
 * `overrides` in an installed package and its engines for graphics cards take 700 MB.
 * docs/decisions tells the reasons. Nothing here runs on the machine that installs the package.
 *
 *   npm run prepack     makes dist
 *   npm run postpack    removes it again, so that a checkout always runs its sources
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Manifest {
  dependencies?: Record<string, string>
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
/** Packages that lie inside ours instead of being its dependencies, with all they need. */
const INSIDE = ['node-llama-cpp']
/** The engine's sources: 35 MB for building it oneself, which starts from a checkout. */
const LEFT_OUT = new Set(['gitRelease.bundle'])

rmSync(dist, { recursive: true, force: true })
if (process.argv[2] !== 'clean') {
  compile()
  copyUncompiled()
  for (const folder of closure()) copyPackage(folder)
}

function compile(): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const done = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (done.status !== 0) throw new Error('the sources do not compile; the errors are above')
}

/** What the program reads or runs as it is. */
function copyUncompiled(): void {
  const sources = join(root, 'src')
  for (const file of globSync(['**/*.mjs', '**/*.sql'], { cwd: sources })) {
    mkdirSync(dirname(join(dist, file)), { recursive: true })
    cpSync(join(sources, file), join(dist, file))
  }
}

/**
 * Folders of the packages to lie inside, from their manifests; but for what we depend on anyway.
 */
function closure(): string[] {
  const ours = new Set(Object.keys(manifestOf(root).dependencies ?? {}))
  const found = new Set<string>()
  const add = (name: string, from: string) => {
    const folder = installed(name, from)
    const isOurs = ours.has(name) && relative(root, folder) === join('node_modules', name)
    if (isOurs || found.has(folder)) return
    found.add(folder)
    for (const next of Object.keys(manifestOf(folder).dependencies ?? {})) add(next, folder)
  }
  for (const name of INSIDE) add(name, root)
  return [...found]
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Where Node.js would find a package from a folder. */
function installed(name: string, from: string): string {
  const place = join(from, 'node_modules', name)
  if (existsSync(join(place, 'package.json'))) return place
  if (from === root) throw new Error(`${name} is not installed`)
  return installed(name, dirname(from))
}

/** Into the same place below `dist`, so that packages find each other as they do here. */
function copyPackage(folder: string): void {
  cpSync(folder, join(dist, relative(root, folder)), {
    recursive: true,
    filter: (path) => path === folder || isNeeded(basename(path)),
  })
}

/** Types and maps are for those who program against it; licences stay. */
function isNeeded(name: string): boolean {
  return name !== 'node_modules' && !LEFT_OUT.has(name) && !/\.(d\.[cm]?ts|map)$/.test(name)
}
