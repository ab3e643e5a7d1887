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
 * Checks a commit out into a temporary folder, with the packages that are installed here.
 * @throws Error where it needs other packages, or git knows no such commit
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
    if (!isDeepStrictEqual(dependenciesOf(path), dependenciesOf(repository))) {
      throw new Error(`${ref} has other dependencies than this commit, which are not installed`)
    }
    symlinkSync(join(repository, 'node_modules'), join(path, 'node_modules'))
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
