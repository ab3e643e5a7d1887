/** Pieces of GBNF (llama.cpp's grammar language) that JSON is made of. */

/** Rules that compiled schemas refer to. */
export const JSON_RULES: Readonly<Record<string, string>> = {
  space: '" "?',
  boolean: '"true" | "false"',
  null: '"null"',
  natural: '"0" | [1-9] [0-9]{0,14}',
  integer: '"-"? natural',
  number: 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
  char: '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\""',
  member: 'string ":" space value',
  object: '"{" space (member ("," space member)*)? "}"',
  array: '"[" space (value ("," space value)*)? "]"',
  value: 'object | array | string | number | boolean | null',
}

const DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
const TIME =
  '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? ' +
  '("Z" | [-+] [0-9]{2} ":" [0-9]{2})'
const hex = (digits: number) => `[0-9a-f]{${digits}}`

/** Contents of strings by JSON Schema `format`. */
export const FORMAT_RULES: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE} "T" ${TIME}`,
  uuid: `${hex(8)} "-" ${hex(4)} "-" ${hex(4)} "-" ${hex(4)} "-" ${hex(12)}`,
}

/** A GBNF literal of exactly this text. */
export function literal(text: string): string {
  const escaped = text
    .replace(/\\/g, '\\\\')
    .replace(/"/g, '\\"')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\t/g, '\\t')
  return `"${escaped}"`
}

export const oneOf = (alternatives: readonly string[]) => `(${alternatives.join(' | ')})`

/**
 * A choice of fixed texts, as a tree of what they have in common from the left (Morrison 1968,
 * PATRICIA): for every token llama.cpp tries all alternatives that may come next, and a flat list
 * of five hundred made a token of a 135M model cost 170 ms instead of 9.
 * @param texts at least one
 */
export function oneOfLiterals(texts: readonly string[]): string {
  return tree([...new Set(texts)].map((text) => Array.from(text)))
}

function tree(texts: readonly string[][]): string {
  const branches = Map.groupBy(texts, ([first]) => first)
  const parts = [...branches].flatMap(([first, branch]) => {
    if (first === undefined) return []
    const shared = sharedLength(branch)
    const beginning = literal((branch[0] ?? []).slice(0, shared).join(''))
    const rests = branch.map((text) => text.slice(shared))
    return [rests.length === 1 ? beginning : `${beginning} ${tree(rests)}`]
  })
  return branches.has(undefined) ? `${oneOf(parts)}?` : oneOf(parts)
}

/** Characters that all texts begin with. */
function sharedLength([model = [], ...others]: readonly string[][]): number {
  const length = model.findIndex((char, i) => others.some((text) => text[i] !== char))
  return length === -1 ? model.length : length
}

/** Up to so many repetitions are spelled out one by one. */
const SPELLED_MAX = 64

/**
 * `item` from `min` to `max` times; `max` undefined is without bound. llama.cpp makes a rule of
 * every repetition, so many are counted in blocks: two thousand take a tenth of a millisecond then
 * and not five.
 */
export function repeated(item: string, min: number, max: number | undefined): string {
  const rest = max === undefined ? `${item}*` : upTo(item, max - min)
  return [exactly(item, min), rest].filter((part) => part !== '').join(' ')
}

function exactly(item: string, count: number): string {
  if (count === 0) return ''
  if (count <= SPELLED_MAX) return `${item}{${count}}`
  const size = Math.floor(Math.sqrt(count))
  const blocks = Math.floor(count / size)
  return `(${item}{${size}}){${blocks}} ${exactly(item, count % size)}`.trim()
}

function upTo(item: string, count: number): string {
  if (count === 0) return ''
  if (count <= SPELLED_MAX) return `${item}{0,${count}}`
  const size = Math.ceil(Math.sqrt(count))
  const blocks = Math.floor(count / size) - 1
  return `(${item}{${size}}){0,${blocks}} ${item}{0,${count - blocks * size}}`
}

const COSTLY = /"(?:\\.|[^"\\])*"|(?<set>\[(?:\\.|[^\]\\])*\])|\{(?<counts>[\d,]+)\}/g

/** Sets of characters and repetitions that a rule spells out. */
export function elementsOf(rule: string): number {
  let elements = 0
  for (const { groups } of rule.matchAll(COSTLY)) {
    if (groups?.set !== undefined) elements++
    if (groups?.counts !== undefined) elements += Math.max(...groups.counts.split(',').map(Number))
  }
  return elements
}

/** `item` repeated with commas between, `min` to `max` times; `max` undefined is without bound. */
export function commaList(item: string, min: number, max: number | undefined): string {
  if (max === 0) return ''
  const most = max === undefined ? undefined : max - 1
  const list = `${item} ${repeated(`("," space ${item})`, Math.max(0, min - 1), most)}`
  return min === 0 ? `(${list})?` : list
}
