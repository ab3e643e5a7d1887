/**
 * From a clean clone to the running program: installs dependencies from the lock file when they
 * are missing or differ, builds the console when its sources changed, and goes on under Node.js
 * 24. Plain JavaScript without dependencies, for Node.js 20 and newer.
 *
 *   node scripts/bootstrap.mjs COMMAND …        the command line program
 *   node scripts/bootstrap.mjs --run FILE …     another TypeScript file
 *   node scripts/bootstrap.mjs --test …         the tests
 *   node scripts/bootstrap.mjs --pack           what `npm pack` packs
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findNode, NODE_MISSING, parents, runUnder } from '../bin/runtime.mjs'
import { differences } from './installed.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const offline = ['1', 'true'].includes(process.env.GRISTMILL_OFFLINE ?? '')
const args = process.argv.slice(2)

/** Something the reader can put right; shown without a stack trace. */
class SetUpError extends Error {}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetUpError)) throw error
  console.error(`gristmill: ${error.message}`)
  process.exit(1)
}

async function main() {
  await installDependencies()
  const node = findNode(root)
  if (node === undefined) throw new SetUpError(NODE_MISSING)
  if (['start', 'demo', '--test', '--pack'].includes(args[0])) await buildConsole(node)
  // A file that somebody names may ask whether it is the main one; the program does not.
  if (args[0] === '--run') return runUnder(node, [join(root, args[1]), ...args.slice(2)])
  if (node !== process.execPath) return runUnder(node, [fileURLToPath(import.meta.url), ...args])
  process.env.GRISTMILL_PARENTS = parents()
  // Compiled code of the last start: it saves a third to a half of the start.
  nodeModule.enableCompileCache(join(root, 'node_modules', '.cache', 'gristmill'))
  const [file, rest] = entry()
  process.argv = [process.execPath, file, ...rest]
  await import(pathToFileURL(file).href)
}

/** What to run, and its arguments. @returns {[string, string[]]} */
function entry() {
  if (args[0] === '--test') return [join(root, 'scripts', 'test.ts'), args.slice(1)]
  if (args[0] === '--pack') return [join(root, 'scripts', 'pack.ts'), args.slice(1)]
  return [join(root, 'src', 'cli', 'program.ts'), args]
}

/**
 * No package of ours needs its install script: native parts come as prebuilt packages, and what
 * PostgreSQL's package does in one, the program does by itself. So all of them stay off.
 *
 * `npm install --no-save` and not `npm ci`: both hold to the versions and integrity hashes of the
 * lock file, but `ci` refuses a lock file without the optional packages of other platforms, and a
 * registry mirror does not always carry those. That the lock file was met is checked afterwards.
 */
async function installDependencies() {
  const stampFile = join(root, 'node_modules', '.gristmill-stamp')
  const stamp = hashOf([join(root, 'package.json'), join(root, 'package-lock.json')])
  if (readIfThere(stampFile) === stamp) return
  const missing = differences(root)
  if (missing.length > 0) {
    if (offline) {
      throw new SetUpError(
        `GRISTMILL_OFFLINE is set and these packages are not installed: ${some(missing)}.
Start once with network and without GRISTMILL_OFFLINE.`,
      )
    }
    const npm = process.env.npm_execpath
    const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []]
    // Whatever npm was told elsewhere: a checkout needs what builds it.
    const all = ['--include=dev', '--include=optional']
    const flags = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', ...all]
    await runStep('Installing dependencies', command, [...first, ...flags])
    const still = differences(root)
    if (still.length > 0) {
      throw new SetUpError(`npm did not install what the lock file names: ${some(still)}.`)
    }
  }
  writeFileSync(stampFile, stamp)
}

function some(names) {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}

async function buildConsole(node) {
  const folder = join(root, 'console')
  if (!existsSync(join(folder, 'vite.config.ts'))) return
  const stampFile = join(folder, 'dist', '.stamp')
  const stamp = hashOf([join(root, 'package-lock.json'), ...sourcesIn(folder)])
  if (readIfThere(stampFile) === stamp) return
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  await runStep('Building the console', node, [vite, 'build', folder])
  writeFileSync(stampFile, stamp)
}

function sourcesIn(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== 'dist' && name !== 'node_modules' && !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? sourcesIn(path) : [path]
    })
}

/** Depends on names and contents of the files and on the platform. */
function hashOf(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  for (const file of files) hash.update(`${relative(root, file)}\n`).update(readFileSync(file))
  return hash.digest('hex')
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** Runs a command, showing on stderr that it goes on; what it printed is shown when it fails. */
async function runStep(title, command, commandArgs) {
  const startMs = performance.now()
  const seconds = () => Math.round((performance.now() - startMs) / 1000)
  const tty = process.stderr.isTTY
  process.stderr.write(`${title} …${tty ? '' : '\n'}`)
  const show = () =>
    process.stderr.write(tty ? `\r${title} … ${seconds()} s` : `${title} … ${seconds()} s\n`)
  const progress = setInterval(show, tty ? 1000 : 15_000)
  const output = []
  const child = spawn(command, commandArgs, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.on('data', (chunk) => output.push(chunk))
  child.stderr.on('data', (chunk) => output.push(chunk))
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output.push(`${error.message}\n`)
      resolve(1)
    })
    child.on('close', resolve)
  })
  clearInterval(progress)
  process.stderr.write(
    `${tty ? '\r' : ''}${title}: ${code === 0 ? 'done' : 'failed'} after ${seconds()} s\n`,
  )
  if (code === 0) return
  process.stderr.write(Buffer.concat(output.map((chunk) => Buffer.from(chunk))))
  throw new SetUpError(`${title} failed; its output is above.`)
}
