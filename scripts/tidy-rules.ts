/** The rules that hold over the whole source; what each wants is said in its message. */
import type { Source } from './tidy-source.ts'

export interface Violation {
  rule: string
  path: string
  line: number
  message: string
}

/** A room imports only rooms before it, and only by their front door. */
export const rooms = [
  'base',
  'host',
  'guard',
  'store',
  'tenancy',
  'meter',
  'engine',
  'pool',
  'route',
  'gateway',
  'cluster',
  'batch',
  'conversation',
  'demo',
  'http',
  'llama',
  'serve',
  'main.ts',
  'cli',
]
/** The engine program is another program: it shares `base` with the server and nothing else. */
const LLAMA_IMPORTS = ['base']
const LLAMA_IMPORTED_BY = ['serve', 'main.ts', 'cli']

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70
const LINE_COLUMNS_MAX = 100
const LITERAL_COLUMNS_MIN = 45

const CLOCK_AND_CHANCE = new Set([
  'Date.now',
  'Date()',
  'new Date()',
  'performance.now',
  'setTimeout()',
  'setInterval()',
  'AbortSignal.timeout',
  'Math.random',
  'crypto.randomUUID',
  'randomUUID()',
  'randomBytes()',
  'randomInt()',
])

/** Spelt so that the rule does not find itself. */
const BANNED = new RegExp(
  `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`,
)

/** Every place where the sources break a rule. */
export function violationsIn(sources: readonly Source[]): Violation[] {
  return sources.flatMap((source) => [
    ...sizes(source),
    ...words(source),
    ...(source.path.startsWith('src/') ? [...roomOrder(source), ...resources(source)] : []),
  ])
}

/** The room a file of `src/` belongs to; `main.ts` is one of its own. */
export function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function roomOrder(source: Source): Violation[] {
  const from = roomOf(source.path)
  if (source.isTest) return []
  if (!rooms.includes(from)) {
    return [violation('rooms', source, 1, `${from} is not in the list of rooms`)]
  }
  return source.imports.flatMap(({ path, line }) => {
    const to = roomOf(path)
    if (!path.startsWith('src/')) return []
    if (to === from) return []
    const isFront = path === `src/${to}/index.ts` || path === `src/${to}`
    if (!isFront) return [violation('front doors', source, line, `${path} is not a front door`)]
    if (mayImport(from, to)) return []
    return [violation('rooms', source, line, `${from} may not look at ${to}`)]
  })
}

function mayImport(from: string, to: string): boolean {
  if (from === 'llama') return LLAMA_IMPORTS.includes(to)
  if (to === 'llama') return LLAMA_IMPORTED_BY.includes(from)
  return rooms.indexOf(to) < rooms.indexOf(from)
}

/** Clock, chance and environment are handed in, so that tests and the simulator can hold them. */
function resources(source: Source): Violation[] {
  const found: Violation[] = []
  if (source.hasDefaultExport) {
    found.push(violation('default exports', source, 1, 'exports are named'))
  }
  for (const { name, line } of source.uses) {
    if (name === 'process.env' && source.path !== 'src/base/config.ts' && !source.isTest) {
      found.push(violation('environment', source, line, 'only src/base/config.ts reads it'))
    }
    if (CLOCK_AND_CHANCE.has(name) && roomOf(source.path) !== 'base' && !source.isTest) {
      found.push(violation('clock and chance', source, line, `${name}: take a Clock or a Random`))
    }
    if (name === 'catch {}') found.push(violation('swallowed errors', source, line, name))
  }
  return found
}

function sizes(source: Source): Violation[] {
  const { lines, functions, isTest } = source
  const found: Violation[] = []
  if (lines.length > FILE_LINES_MAX) {
    found.push(violation('file length', source, 1, `${lines.length} lines of ${FILE_LINES_MAX}`))
  }
  lines.forEach((text, index) => {
    if (text.length <= LINE_COLUMNS_MAX || isOneLiteral(text)) return
    found.push(violation('line length', source, index + 1, `${text.length} columns`))
  })
  // The function around the tests of a file is a chapter of it, not a function to be read at once.
  for (const { name, line, lines: length } of isTest ? [] : functions) {
    if (length <= FUNCTION_LINES_MAX) continue
    found.push(violation('function length', source, line, `${name} has ${length} lines`))
  }
  return found
}

/** A string, template or regular expression could only be broken by taking it apart. */
function isOneLiteral(text: string): boolean {
  const literals = text.match(/'[^']*'|"[^"]*"|`[^`]*(?:`|$)|\/(?![/*]).*\/[a-z]*/g) ?? []
  return literals.some(({ length }) => length > LITERAL_COLUMNS_MIN)
}

function words(source: Source): Violation[] {
  const found: Violation[] = []
  source.lines.forEach((text, index) => {
    const [word] = BANNED.exec(text) ?? []
    if (word) found.push(violation('words', source, index + 1, `${word}: do it or leave it`))
  })
  if (!source.text.startsWith('/*') && !source.text.startsWith('//') && !source.isTest) {
    const message = 'begins with a sentence on what lives here and what must not'
    if (!source.text.startsWith('#!')) found.push(violation('first sentence', source, 1, message))
  }
  for (const { name, line } of source.isTest ? source.uses : []) {
    if (!/^(it|test|describe)\.(skip|only|todo)$/.test(name)) continue
    found.push(violation('skipped tests', source, line, `${name} hides a test`))
  }
  return found
}

/** Files of `src/` that nothing leads to, from what is started, tested or measured. */
export function unreachable(sources: readonly Source[], entries: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const outside = sources.filter(({ path, isTest }) => isTest || !path.startsWith('src/'))
  const waiting = [...entries, ...outside.map(({ path }) => path)]
  const seen = new Set(waiting)
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { path: next } of byPath.get(path)?.imports ?? []) {
      if (seen.has(next)) continue
      seen.add(next)
      waiting.push(next)
    }
  }
  return sources
    .map(({ path }) => path)
    .filter((path) => path.startsWith('src/') && !seen.has(path))
}

function violation(rule: string, { path }: Source, line: number, message: string): Violation {
  return { rule, path, line, message }
}
