/**
 * The tables of the documents that come from the source: configuration, limits, errors and what
 * becomes of the parts of a request.
 * `node scripts/write-docs.ts` writes them between their marks; a test fails while they differ.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  anthropicErrorType,
  configurationTable,
  errorTable,
  type Fates,
  limitTable,
} from '../src/base/index.ts'
import { chatFates, presets } from '../src/engine/index.ts'
import {
  messagesBlocks,
  messagesFields,
  responsesFields,
  responsesItems,
  responsesTools,
} from '../src/gateway/index.ts'

const tables: Record<string, { mark: string; table: () => string }[]> = {
  'docs/operate.md': [
    { mark: 'configuration', table: configuration },
    { mark: 'limits', table: limits },
  ],
  'docs/errors.md': [{ mark: 'errors', table: errors }],
  'docs/compatibility.md': [
    { mark: 'clients', table: clients },
    { mark: 'messages fields', table: () => fates('field', messagesFields) },
    { mark: 'messages blocks', table: () => fates('block', messagesBlocks) },
    { mark: 'messages errors', table: messagesErrors },
    { mark: 'responses fields', table: () => fates('field', responsesFields) },
    { mark: 'responses items', table: () => fates('item', responsesItems) },
    { mark: 'responses tools', table: () => fates('tool', responsesTools) },
    { mark: 'anthropic engines', table: () => fates('field', chatFates) },
    { mark: 'services', table: services },
  ],
}

/** Documents as they should be, by path. */
export function written(): Map<string, { now: string; should: string }> {
  return new Map(
    Object.entries(tables).map(([path, parts]) => {
      const now = readFileSync(path, 'utf8')
      const should = parts.reduce((text, { mark, table }) => replace(text, mark, table()), now)
      return [path, { now, should }]
    }),
  )
}

/** @throws Error where the document has no such marks */
function replace(text: string, mark: string, table: string): string {
  const [begin, end] = [`<!-- ${mark}: written by scripts/write-docs.ts -->`, `<!-- end -->`]
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  if (from === -1 || to === -1) throw new Error(`no marks for ${mark}`)
  return `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`
}

function rows(titles: string[], lines: string[][]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const line = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(titles), line(titles.map(() => '---')), ...lines.map(line)].join('\n')
}

const code = (text: string) => (text === '' ? '' : `\`${text}\``)

function configuration(): string {
  const lines = configurationTable().map((one) => [code(one.name), code(one.default), one.meaning])
  return rows(['variable', 'default', 'meaning'], lines)
}

function limits(): string {
  const grouped = new Intl.NumberFormat('en-US')
  const lines = Object.values(limitTable).map((limit) => [
    code(limit.env),
    grouped.format(limit.default),
    grouped.format(limit.least),
    grouped.format(limit.most),
    limit.meaning,
  ])
  return rows(['variable', 'default', 'from', 'to', 'meaning'], lines)
}

function errors(): string {
  const lines = Object.entries(errorTable).map(([name, entry]) => [
    code(name),
    String(entry.status),
    entry.type,
    entry.message,
    entry.fix,
    entry.retryable ? 'yes' : 'no',
  ])
  return rows(['code', 'status', 'type', 'message', 'what to do', 'retry'], lines)
}

function services(): string {
  const lines = Object.entries(presets)
    .filter(([, { wire }]) => wire === 'openai')
    .map(([name, { title, url, urlExample, root, fates: table }]) => {
      const named = (fate: string) =>
        Object.entries(table).flatMap(([field, one]) =>
          one.fate === fate
            ? [fate === 'translated' ? `${code(field)} as ${code(one.how)}` : code(field)]
            : [],
        )
      const address = `${url ?? urlExample}${root}`
      return [
        title,
        code(name),
        code(address),
        named('translated').join(', '),
        named('ignored').join(', '),
      ]
    })
  return rows(['service', '`--service`', 'address', 'renamed', 'left out'], lines)
}

function fates(what: string, table: Fates): string {
  const lines = Object.entries(table).map(([name, { fate, how }]) => [code(name), fate, how])
  return rows([what, '', 'how, or why'], lines)
}

/** What every client could do when `test/compatibility.test.ts` was last recorded. */
function clients(): string {
  const text = readFileSync('test/compatibility.json', 'utf8')
  const found = JSON.parse(text) as Record<string, Record<string, Record<string, string>>>
  const notes: string[] = []
  const note = (words: string) => {
    if (!notes.includes(words)) notes.push(words)
    return `no (${notes.indexOf(words) + 1})`
  }
  const parts = Object.entries(found).map(([engine, byClient]) => {
    const features = Object.keys(Object.values(byClient)[0] ?? {})
    const lines = Object.entries(byClient).map(([client, outcomes]) => [
      client,
      ...Object.values(outcomes).map((outcome) => (outcome === 'yes' ? 'yes' : note(outcome))),
    ])
    return rows([engine, ...features], lines)
  })
  return [...parts, ...notes.map((words, i) => `${i + 1}. ${words}`)].join('\n\n')
}

/** Errors by status and the wire's word for it. */
function messagesErrors(): string {
  const codes = new Map<number, string[]>()
  for (const [name, { status }] of Object.entries(errorTable)) {
    codes.set(status, [...(codes.get(status) ?? []), code(name)])
  }
  const lines = [...codes]
    .sort(([a], [b]) => a - b)
    .map(([status, names]) => [String(status), code(anthropicErrorType(status)), names.join(', ')])
  return rows(['status', 'type', '`error.details.error_code`'], lines)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, { should }] of written()) writeFileSync(path, should)
}
