/** What the page of keys begins with. */
import type { KeyView } from '../api/contract.ts'
import { atLeast } from '../api/whole.ts'
import { plural } from '../units.ts'

const DAY_MS = 86_400_000
const SOON_MS = 14 * DAY_MS

export function keysSentence(
  keys: readonly KeyView[] | undefined,
  name: string | undefined,
  mayWrite: boolean,
): string {
  if (keys === undefined) return 'Looking up the keys.'
  const who = name === undefined ? '' : ` of ${name}`
  const working = keys.filter(({ state }) => state === 'active' || state === 'rotating')
  if (working.length === 0) {
    return mayWrite ? `No key${who} works. Create one and calls can begin.` : `No key${who} works.`
  }
  const unused = working.filter(({ lastUsedAt }) => lastUsedAt === null).length
  const ending = working.filter(
    ({ expiresAt }) => expiresAt !== null && Date.parse(expiresAt) - Date.now() < SOON_MS,
  ).length
  const rotating = working.filter(({ state }) => state === 'rotating').length
  const notes = [
    unused === 0 ? '' : `${unused} never used`,
    rotating === 0 ? '' : `${rotating} with an old secret that still works`,
    ending === 0 ? '' : `${ending} ${ending === 1 ? 'expires' : 'expire'} within 14 days`,
  ].filter(Boolean)
  const rest = notes.length === 0 ? '' : `: ${notes.join(', ')}`
  const works = working.length === 1 ? 'works' : 'work'
  return `${atLeast(keys)}${plural(working.length, 'key')}${who} ${works}${rest}.`
}
