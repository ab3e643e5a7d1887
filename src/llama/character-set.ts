/** Sets of characters of a regular expression, and how they stand in a JSON string: pure. */
import { oneOf } from './grammar-rules.ts'

/** Code points, both ends included. */
export type Range = readonly [number, number]

const LAST = 0x10ffff
/** What a JSON string can only hold escaped, and the surrogates, which are no characters. */
const NEVER_PLAIN: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x7f, 0x7f],
  [0xd800, 0xdfff],
]
const ESCAPES: readonly (readonly [number, string])[] = [
  [0x22, '"'],
  [0x5c, '\\\\'],
  [0x08, 'b'],
  [0x0c, 'f'],
  [0x0a, 'n'],
  [0x0d, 'r'],
  [0x09, 't'],
]

export const DIGITS: readonly Range[] = [[0x30, 0x39]]
export const WORD: readonly Range[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]
export const SPACE: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
/** What `.` does not stand for. */
export const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]

/** All characters that are in none of the ranges. */
export function complement(ranges: readonly Range[]): Range[] {
  const result: Range[] = []
  let next = 0
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) result.push([next, from - 1])
    next = Math.max(next, to + 1)
  }
  if (next <= LAST) result.push([next, LAST])
  return result
}

/** The set as a rule for one character of a JSON string; undefined where no such may stand. */
export function inJsonString(ranges: readonly Range[]): string | undefined {
  const plain = complement([...complement(ranges), ...NEVER_PLAIN])
  const escapes = ESCAPES.filter(([code]) => ranges.some(([a, b]) => a <= code && code <= b))
  const parts: string[] = []
  if (plain.length > 0) parts.push(`[${plain.map(written).join('')}]`)
  if (escapes.length > 0) parts.push(`"\\\\" [${escapes.map(([, letter]) => letter).join('')}]`)
  if (parts.length === 0) return undefined
  return oneOf(parts)
}

const written = ([from, to]: Range) => (from === to ? code(from) : `${code(from)}-${code(to)}`)

const code = (point: number) => `\\U${point.toString(16).padStart(8, '0')}`
