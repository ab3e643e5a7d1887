/**
 * Which Node.js runs Gristmill, and how to go on under it. Shared by the packaged command and the
 * bootstrap of a checkout; plain JavaScript without dependencies, for Node.js 20 and newer.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'

/** Newer than the newest one known to work is refused rather than hoped for. */
const OLDEST = [24, 10]
const NEWEST_MAJOR = 26

/** @param {string} version such as `24.21.0` */
export function isSuitable(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > NEWEST_MAJOR) return false
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

/**
 * The Node.js to run under: the running one when it is suitable, else the one that npm installed.
 * @param {string} root folder from which packages are found
 * @returns {string | undefined} path of the executable; undefined when there is none
 */
export function findNode(root) {
  if (isSuitable(process.versions.node)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  try {
    const manifest = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`)
    const path = join(dirname(manifest), 'bin', 'node')
    return existsSync(path) ? path : undefined
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

const PLATFORM = `${process.platform} on ${process.arch}`

export const NODE_MISSING = `Gristmill needs Node.js ${OLDEST.join('.')} up to ${NEWEST_MAJOR}.
This is ${process.versions.node}, and npm installed no Node.js 24 for ${PLATFORM}.
Install Node.js 24 from https://nodejs.org/ or with a version manager ("nvm install 24").`

/**
 * Runs a script under another Node.js, passing signals on, and ends as it ends. The script is
 * told our process id, so that it can end when we are killed with -9.
 * @param {string} node path of the executable
 * @param {string[]} args script and its arguments
 */
export function runUnder(node, args) {
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: { ...process.env, GRISTMILL_PARENTS: parents([process.pid]) },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`gristmill: ${node} does not start: ${error.message}\n${NODE_MISSING}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : code)
  })
}

/**
 * The processes whose death ends the program: what started it, and npm, which does not tell its
 * script when it is killed with -9.
 * @param {number[]} own
 */
export function parents(own = []) {
  const known = (process.env.GRISTMILL_PARENTS ?? '').split(',').filter(Boolean).map(Number)
  const npm = process.env.npm_lifecycle_event && known.length === 0 ? npmAbove() : []
  return [...new Set([...known, ...npm, ...own])].join(',')
}

/** npm is our parent, or its parent when the system's shell does not step aside. */
function npmAbove() {
  let pid = process.ppid
  for (let step = 0; step < 3 && pid > 1; step++) {
    const { status, stdout } = spawnSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], {
      encoding: 'utf8',
    })
    const [, above, command = ''] = (status === 0 && /^\s*(\d+) (.*)/.exec(stdout)) || []
    if (/^(\S*node\S* )?\S*\b(npm|pnpm|yarn|npm-cli\.js)\b/.test(command)) return [pid]
    pid = Number(above ?? 0)
  }
  return []
}
