/** The system user that PostgreSQL runs as when we are root, which it refuses to run as. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { GristmillError } from '../base/index.ts'

export interface SystemUser {
  name: string
  uid: number
  gid: number
}

const CANDIDATES = ['postgres', 'gristmill']

/**
 * The user to run PostgreSQL as: undefined (ourselves) unless we are root. As root an existing
 * user is taken, else `gristmill` is created.
 * @throws GristmillError `runtime_missing` when none can be created
 */
export function serverUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const found = CANDIDATES.map(findUser).find((user) => user !== undefined)
  return found ?? createUser('gristmill')
}

/**
 * The first folder on the way to `path` that the user may not pass through.
 * @returns its path, or undefined when the whole way is open
 */
export function unsearchableFolder(path: string, user: SystemUser): string | undefined {
  const way = []
  for (let at = resolve(path); at !== dirname(at); at = dirname(at)) way.unshift(at)
  return way.find((folder) => {
    const { mode, uid, gid } = statSync(folder)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    return (mode & bit) === 0
  })
}

function findUser(name: string): SystemUser | undefined {
  const id = (flag: string) =>
    Number(
      execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )
  try {
    return { name, uid: id('-u'), gid: id('-g') }
  } catch (error) {
    // `id` answers with status 1 when there is no such user.
    if ((error as { status?: number }).status === 1) return undefined
    throw error
  }
}

function createUser(name: string): SystemUser {
  try {
    execFileSync('useradd', ['--system', '--no-create-home', '--user-group', name], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  } catch (error) {
    const instead = `start Gristmill as another user, or create the user "${name}"`
    const how = `PostgreSQL does not run as root: ${instead}.`
    const what = 'A system user for the database'
    throw new GristmillError('runtime_missing', { what, how }, { cause: error })
  }
  const user = findUser(name)
  if (!user) throw new Error(`useradd did not create ${name}`)
  return user
}
