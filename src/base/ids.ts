/**
 * Identifiers: a readable prefix, then 48 bits of time and 80 bits of chance in Crockford base 32.
 */
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** Two characters for each ten bits. */
const PAIRS = Array.from(
  { length: 1024 },
  (_, i) => (ALPHABET[i >> 5] as string) + (ALPHABET[i & 31] as string),
)
/** Milliseconds of the last identifier, and how they are written. */
let lastMs = -1
let lastHead = ''

export type IdPrefix =
  | 'alr'
  | 'ten'
  | 'prj'
  | 'key'
  | 'req'
  | 'eng'
  | 'ekey'
  | 'usr'
  | 'evt'
  | 'run'
  | 'batch'
  | 'file'
  | 'plan'
  | 'sva'
  | 'grp'
  | 'bud'
  | 'crd'

/**
 * A new identifier such as `req_01jd8m3k2v9x4c7b1n5p6q8r0t`; identifiers sort by creation time.
 * @param prefix what it identifies
 */
export function newId(prefix: IdPrefix, clock: Clock, random: Random): string {
  const bytes = random.bytes(16)
  let tail = ''
  for (let i = 0; i < 16; i += 2) {
    tail += PAIRS[(((bytes[i] as number) & 31) << 5) | ((bytes[i + 1] as number) & 31)]
  }
  return `${prefix}_${headOf(clock.nowMs())}${tail}`
}

/** The least text that an identifier made at `atMs`, or in 1970 at the earliest, can be. */
export function idsFrom(prefix: IdPrefix, atMs: number): string {
  return `${prefix}_${headOf(atMs)}`
}

/** When an identifier was made, milliseconds; null where it does not begin with a time. */
export function idTimeMs(id: string): number | null {
  const head = id.slice(id.indexOf('_') + 1, id.indexOf('_') + 11)
  const digits = Array.from(head, (letter) => ALPHABET.indexOf(letter))
  if (digits.length < 10 || digits.includes(-1)) return null
  return digits.reduce((time, digit) => time * 32 + digit, 0)
}

function headOf(nowMs: number): string {
  if (nowMs === lastMs) return lastHead
  let time = Math.max(0, nowMs)
  let head = ''
  for (let i = 0; i < 10; i += 2) {
    head = PAIRS[time % 1024] + head
    time = Math.floor(time / 1024)
  }
  lastMs = nowMs
  lastHead = head
  return head
}
