/**
 * Which gateway keeps what is known to one alone. Every gateway finds the same order for a key by
 * itself; where one comes or goes only the keys move whose first choice that is. Pure.
 *
 * Source: highest random weight, Thaler & Ravishankar, "Using name-based mappings to increase hit
 * rates", IEEE/ACM Transactions on Networking 6(1), 1998.
 */
import { createHash } from 'node:crypto'

interface Home {
  id: string
  url: string
}

/**
 * @param key what it is known by
 * @param homes those that there are
 * @returns addresses of those that come before us, the first choice first; all of them where we
 *   are none
 */
export function homesBefore(ownId: string, homes: readonly Home[], key: string): string[] {
  const weighed = homes.map(({ id, url }) => ({ id, url, weight: weightOf(id, key) }))
  weighed.sort((a, b) => Buffer.compare(b.weight, a.weight))
  const own = weighed.findIndex(({ id }) => id === ownId)
  return weighed.slice(0, own === -1 ? weighed.length : own).map(({ url }) => url)
}

const weightOf = (id: string, key: string) =>
  createHash('sha256')
    .update(JSON.stringify([id, key]))
    .digest()
