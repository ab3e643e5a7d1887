/**
 * Identifiers: a readable prefix, then 48 bits of time and 80 bits of chance in Crockford base 32.
 */
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

export type IdPrefix =
  | 'ten'
  | 'prj'
  | 'key'
  | 'req'
  | 'eng'
  | 'usr'
  | 'evt'
  | 'run'
  | 'batch'
  | 'file'
  | 'plan'

/**
 * A new identifier such as `req_01jd8m3k2v9x4c7b1n5p6q8r0t`; identifiers sort by creation time.
 * @param prefix what it identifies
 */
export function newId(prefix: IdPrefix, clock: Clock, random: Random): string {
  let time = clock.nowMs()
  let head = ''
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32] + head
    time = Math.floor(time / 32)
  }
  let tail = ''
  for (const byte of random.bytes(16)) tail += ALPHABET[byte & 31]
  return `${prefix}_${head}${tail}`
}
