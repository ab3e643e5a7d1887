/** Changes fields of a JSON object and leaves every other byte as it is. */
import { jsonOf } from './json-text.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const CLOSING_BRACE = 0x7d
const OPENS = new Set([0x7b, 0x5b])
const CLOSES = new Set([0x7d, 0x5d])
/** What ends a number or a word: space, comma, bracket. */
const ENDS = new Set([0x20, 0x09, 0x0a, 0x0d, 0x2c, 0x7d, 0x5d])
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d])

/**
 * @param json a valid JSON object
 * @param name of a field whose value is no object and no list
 * @param value what it is to be, as JSON
 * @param level 2: of an object that is a field
 */
export function withField(json: Buffer, name: string, value: string, level = 1): Buffer {
  const parts: Buffer[] = []
  let [from, depth, at] = [0, 0, 0]
  while (at < json.length) {
    const byte = json[at] as number
    if (OPENS.has(byte)) depth++
    else if (CLOSES.has(byte)) depth--
    if (byte !== QUOTE) {
      at++
      continue
    }
    const end = stringEnd(json, at)
    const start = depth === level ? valueAt(json, at, end, name) : -1
    at = end
    if (start === -1) continue
    parts.push(json.subarray(from, start), Buffer.from(value))
    from = json[start] === QUOTE ? stringEnd(json, start) : wordEnd(json, start)
    at = from
  }
  return Buffer.concat([...parts, json.subarray(from)])
}

/**
 * @param json a valid JSON object that has a field
 * @param more fields that it does not have
 */
export function withMore(json: Buffer, more: Record<string, unknown>): Buffer {
  const added = jsonOf(more).slice(1)
  if (added === '}') return json
  return Buffer.concat([
    json.subarray(0, json.lastIndexOf(CLOSING_BRACE)),
    Buffer.from(`,${added}`),
  ])
}

/** Where the value begins whose name is the string between; -1 where it is another's or none. */
function valueAt(json: Buffer, at: number, end: number, name: string): number {
  const colon = spaceEnd(json, end)
  if (json[colon] !== COLON || JSON.parse(json.toString('utf8', at, end)) !== name) return -1
  const start = spaceEnd(json, colon + 1)
  return OPENS.has(json[start] as number) ? -1 : start
}

/** Index after the string that begins here. */
function stringEnd(json: Buffer, from: number): number {
  let at = from + 1
  while (json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at + 1
}

function wordEnd(json: Buffer, from: number): number {
  let at = from
  while (!ENDS.has(json[at] as number)) at++
  return at
}

function spaceEnd(json: Buffer, from: number): number {
  let at = from
  while (SPACES.has(json[at] as number)) at++
  return at
}
