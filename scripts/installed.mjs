/**
 * What `node_modules` lacks compared with the lock file, so that a folder that somebody installed
 * by hand is not installed again. Plain JavaScript for Node.js 20 and newer.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param {string} root folder with `package-lock.json` and perhaps `node_modules`
 * @returns {string[]} names of packages that are missing or have another version
 */
export function differences(root) {
  const wanted = packagesIn(join(root, 'package-lock.json'))
  const hidden = join(root, 'node_modules', '.package-lock.json')
  const found = existsSync(hidden) ? packagesIn(hidden) : {}
  return Object.entries(wanted)
    .filter(([path, entry]) => path !== '' && isForHere(entry) && !isSame(found[path], entry))
    .map(([path, entry]) => `${path.replace(/^.*node_modules\//, '')}@${entry.version ?? 'local'}`)
}

function packagesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/**
 * Whether it must be there: not on another platform, and not as an optional part without a
 * platform of its own, which npm leaves out with whatever needed it.
 */
function isForHere({ os, cpu, libc, optional }) {
  if (optional && !os && !cpu) return false
  if (!allows(os, process.platform) || !allows(cpu, process.arch)) return false
  return !libc || allows(libc, libcFamily())
}

let family
function libcFamily() {
  if (process.platform !== 'linux') return undefined
  process.report.excludeNetwork = true
  family ??= process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return family
}

function allows(list, value) {
  if (!list) return true
  if (list.includes(`!${value}`)) return false
  const named = [list].flat().filter((name) => !name.startsWith('!'))
  return named.length === 0 || named.includes(value)
}

function isSame(found, wanted) {
  if (!found) return false
  return found.version === wanted.version && found.integrity === wanted.integrity
}
