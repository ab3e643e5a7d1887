/** The code of another commit beside this one, for measuring what a change did. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

const repository = fileURLToPath(new URL('..', import.meta.url))

export interface BaseWorktree {
  /** Its folder. */
  path: string
  /** What was checked out, short. */
  commit: string
  remove(): void
}

/**
 * Checks a commit out into a temporary folder, with the packages that are installed here where it
 * needs the same ones, else with its own, which are installed beside it (a minute).
 * @throws Error where git knows no such commit, or its packages cannot be installed
 */
export function checkOutBase(ref: string): BaseWorktree {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--short', `${ref}^{commit}`)
  const path = join(mkdtempSync(join(tmpdir(), 'gristmill-base-')), 'tree')
  const remove = () => {
    if (existsSync(path)) git('worktree', 'remove', '--force', path)
    rmSync(join(path, '..'), { recursive: true, force: true })
  }
  try {
    git('worktree', 'add', '--detach', path, commit)
    if (isDeepStrictEqual(dependenciesOf(path), dependenciesOf(repository))) {
      symlinkSync(join(repository, 'node_modules'), join(path, 'node_modules'))
    } else {
      const setUp = [join(path, 'scripts', 'bootstrap.mjs'), '--version']
      execFileSync(process.execPath, setUp, { cwd: path, stdio: 'ignore' })
    }
    return { path, commit, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** What it needs to run. */
function dependenciesOf(folder: string): unknown {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  return (JSON.parse(text) as { dependencies: unknown }).dependencies
}
