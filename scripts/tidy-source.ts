/** Source files as the tidy rules see them: parsed, with what each imports, calls and contains. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Comment, type Node, parseSync, visitorKeys } from 'oxc-parser'

export interface FunctionSpan {
  name: string
  line: number
  lines: number
}

export interface Source {
  /** Path from the root, with slashes. */
  path: string
  text: string
  lines: string[]
  comments: Comment[]
  /** Paths of files of ours that it imports, exports from, or names by `new URL(…)`. */
  imports: { path: string; line: number }[]
  functions: FunctionSpan[]
  /** Names of globals used in a way that rules look at, such as `Date.now` or `process.env`. */
  uses: { name: string; line: number }[]
  hasDefaultExport: boolean
  isTest: boolean
}

/** Parses every file below the folders. */
export function readSources(patterns: string[]): Source[] {
  return globSync(patterns)
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => parseSource(path, readFileSync(path, 'utf8')))
}

/** @throws Error where the file does not parse */
export function parseSource(path: string, text: string): Source {
  const { program, comments, module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const lineOf = lineFinder(text)
  const imports: Source['imports'] = []
  const note = (request: string, start: number) => {
    if (!request.startsWith('.')) return
    imports.push({ path: join(dirname(path), request).replaceAll('\\', '/'), line: lineOf(start) })
  }
  for (const {
    moduleRequest: { value },
    start,
  } of module.staticImports)
    note(value, start)
  for (const { entries } of module.staticExports) {
    for (const entry of entries) {
      if (entry.moduleRequest) note(entry.moduleRequest.value, entry.start)
    }
  }
  const source: Source = {
    path,
    text,
    lines: text.replace(/\n$/, '').split('\n'),
    comments,
    imports,
    functions: [],
    uses: [],
    hasDefaultExport: module.staticExports.some(({ entries }) =>
      entries.some(({ exportName }) => exportName.kind === 'Default'),
    ),
    isTest: path.endsWith('.test.ts'),
  }
  walk(program, lookInto(source, note, lineOf))
  return source
}

/** Looks at every node once, parents first. */
function walk(node: Node, look: (node: Node) => void): void {
  look(node)
  for (const key of visitorKeys[node.type] ?? []) {
    const child = node[key as keyof Node] as unknown as Node | (Node | null)[] | null
    for (const one of Array.isArray(child) ? child : [child]) if (one) walk(one, look)
  }
}

function lookInto(
  source: Source,
  note: (request: string, start: number) => void,
  lineOf: (offset: number) => number,
): (node: Node) => void {
  const use = (name: string, { start }: Node) => {
    source.uses.push({ name, line: lineOf(start) })
  }
  const measure = (name: string, { start, end }: Node) => {
    const line = lineOf(start)
    source.functions.push({ name, line, lines: lineOf(end - 1) - line + 1 })
  }
  return (node) => {
    if (node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression') {
      measure(node.id?.name ?? 'function', node)
    } else if (node.type === 'ArrowFunctionExpression') measure('arrow function', node)
    else if (node.type === 'ImportExpression') {
      if (node.source.type === 'Literal') note(String(node.source.value), node.start)
    } else if (node.type === 'MemberExpression') {
      if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return
      use(`${node.object.name}.${node.property.name}`, node)
    } else if (node.type === 'CallExpression') {
      if (node.callee.type === 'Identifier') use(`${node.callee.name}()`, node)
    } else if (node.type === 'NewExpression') {
      if (node.callee.type !== 'Identifier') return
      const [first] = node.arguments
      const isUrl = node.callee.name === 'URL' && first?.type === 'Literal'
      if (isUrl) note(String(first.value), node.start)
      if (node.arguments.length === 0) use(`new ${node.callee.name}()`, node)
    } else if (node.type === 'CatchClause' && node.body.body.length === 0) use('catch {}', node)
  }
}

/** Line, counted from 1, of an offset. */
function lineFinder(text: string): (offset: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}
