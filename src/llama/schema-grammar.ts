/**
 * Compiles a JSON Schema into a grammar under which only valid documents can be generated. What
 * cannot be enforced is refused rather than ignored.
 */
import { GristmillError } from '../base/index.ts'
import { commaList, FORMAT_RULES, JSON_RULES, oneOf, oneOfLiterals } from './grammar-rules.ts'
import { membersRule } from './property-choice.ts'

type Schema = Record<string, unknown>

/** Keywords that say nothing about validity, or only hold definitions. */
export const ANNOTATIONS: ReadonlySet<string> = new Set(
  '$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly strict'.split(
    ' ',
  ),
)
const BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: [],
  boolean: [],
  null: [],
}
const COMBINING = ['$ref', 'const', 'enum', 'anyOf', 'type']
const DEPTH_MAX = 64
const RULES_MAX = 4000
const LENGTH_MAX = 2000
/** With twice as many llama.cpp fails, and prints the grammar and thus the client's words. */
const ITEMS_MAX = 1000
/** Integer ranges up to this size are spelled out. */
const ENUMERATED_MAX = 1000
/** Fixed values of one grammar together: llama.cpp compares all that may come next in pairs. */
const VALUES_MAX = 2000
/** Characters of a grammar, or of its fixed values; both hold up everybody's answers. */
const TEXT_MAX = 150_000

/** Collects rules; several schemas may share one grammar. */
export class SchemaGrammar {
  readonly #rules = new Map<string, string>(Object.entries(JSON_RULES))
  #names = 0
  #values = 0
  #valueCharacters = 0

  /**
   * Adds a schema.
   * @param where prefix of paths in errors
   * @returns the name of the rule that matches its documents
   * @throws GristmillError `unsupported_schema` naming the feature and its path
   */
  add(schema: unknown, where = '#'): string {
    const compiler = new SchemaCompiler(schema, {
      define: this.#define.bind(this),
      spend: this.#spend.bind(this),
    })
    return compiler.compile(schema, where, 0)
  }

  /**
   * The whole grammar as text.
   * @throws GristmillError `unsupported_schema` where it is too long
   */
  text(root: string): string {
    const rules = [...this.#rules].map(([name, body]) => `${name} ::= ${body}`)
    const text = [`root ::= ${root}`, ...rules, ''].join('\n')
    if (text.length > TEXT_MAX) throw unsupported('more text than the engine takes', '#')
    return text
  }

  #spend(values: readonly string[], path: string): void {
    this.#values += values.length
    for (const { length } of values) this.#valueCharacters += length
    if (this.#valueCharacters > TEXT_MAX) throw unsupported('more text than the engine takes', path)
    if (this.#values > VALUES_MAX) throw unsupported(`more than ${VALUES_MAX} fixed values`, path)
  }

  #define(body: string | undefined, name?: string): string {
    const rule = name ?? `r${this.#names++}`
    if (this.#names > RULES_MAX) throw unsupported('more rules than the engine takes', '#')
    if (body !== undefined) this.#rules.set(rule, body)
    return rule
  }
}

/** What the compilers of one grammar share. */
interface GrammarParts {
  /** Reserves a name when `body` is undefined; sets the rule of `name` when both are given. */
  define(body: string | undefined, name?: string): string
  /** Counts fixed values and their characters. @throws GristmillError where they are too many */
  spend(values: readonly string[], path: string): void
}

class SchemaCompiler {
  readonly #root: unknown
  readonly #parts: GrammarParts
  readonly #references = new Map<string, string>()

  constructor(root: unknown, parts: GrammarParts) {
    this.#root = root
    this.#parts = parts
  }

  compile(schema: unknown, path: string, depth: number): string {
    if (depth > DEPTH_MAX) throw unsupported('deeper nesting than the engine takes', path)
    if (schema === true) return 'value'
    if (!isSchema(schema)) throw unsupported('something that is no schema', path)
    if (typeof schema.$ref === 'string') return this.#reference(schema, path, depth)
    if ('const' in schema) return this.#literals(schema, [schema.const], 'const', path)
    if (Array.isArray(schema.enum)) return this.#literals(schema, schema.enum, 'enum', path)
    if (Array.isArray(schema.anyOf)) {
      allow(schema, ['anyOf'], path)
      if (schema.anyOf.length === 0) throw unsupported('an empty anyOf', path)
      const parts = schema.anyOf.map((part, i) =>
        this.compile(part, `${path}/anyOf/${i}`, depth + 1),
      )
      return this.#parts.define(oneOf(parts))
    }
    return this.#typed(schema, path, depth)
  }

  #typed(schema: Schema, path: string, depth: number): string {
    const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? inferredType(schema)]
    if (types.length === 0) throw unsupported('an empty type', path)
    const known = types.flatMap((type) => BY_TYPE[String(type)] ?? [])
    allow(schema, ['type', ...known], path)
    return this.#parts.define(oneOf(types.map((type) => this.#ofType(type, schema, path, depth))))
  }

  #ofType(type: unknown, schema: Schema, path: string, depth: number): string {
    switch (type) {
      case undefined:
        return 'value'
      case 'object':
        return this.#object(schema, path, depth)
      case 'array':
        return this.#array(schema, path, depth)
      case 'string':
        return string(schema, path)
      case 'integer':
        return this.#integer(schema, path)
      case 'number':
      case 'boolean':
      case 'null':
        return type
      default:
        throw unsupported(`type ${JSON.stringify(type)}`, path)
    }
  }

  /** Each optional member may be left out; the order is that of the schema. */
  #object(schema: Schema, path: string, depth: number): string {
    const properties = schema.properties ?? {}
    if (!isSchema(properties)) throw unsupported('properties that are no object', path)
    const names = Object.keys(properties)
    const required = Array.isArray(schema.required) ? schema.required : []
    const missing = required.find((name) => !names.includes(String(name)))
    if (missing !== undefined)
      throw unsupported(`the required but undescribed ${JSON.stringify(missing)}`, path)
    if (names.length === 0) return this.#map(schema.additionalProperties, path, depth)
    if (isSchema(schema.additionalProperties))
      throw unsupported('properties together with additionalProperties of a schema', path)
    const members = names.map((name) => ({
      name,
      value: this.compile(properties[name], `${path}/properties/${name}`, depth + 1),
      isRequired: required.includes(name),
    }))
    return `"{" space ${membersRule(members, this.#parts.define)} "}"`
  }

  #map(additional: unknown, path: string, depth: number): string {
    if (additional === false) return '"{" space "}"'
    if (!isSchema(additional)) return 'object'
    const value = this.compile(additional, `${path}/additionalProperties`, depth + 1)
    return `"{" space ${commaList(`string ":" space ${value}`, 0, undefined)} "}"`
  }

  #array(schema: Schema, path: string, depth: number): string {
    const min = bound(schema.minItems, path, 'minItems', ITEMS_MAX) ?? 0
    const max = bound(schema.maxItems, path, 'maxItems', ITEMS_MAX)
    if (max !== undefined && max < min) throw unsupported('maxItems below minItems', path)
    const item = this.compile(schema.items ?? true, `${path}/items`, depth + 1)
    return `"[" space ${commaList(this.#parts.define(item), min, max)} "]"`
  }

  #integer(schema: Schema, path: string): string {
    const { min, max } = integerRange(schema, path)
    if (min === undefined && max === undefined) return 'integer'
    if (max === undefined && min === 0) return 'natural'
    if (max === undefined && min === 1) return '[1-9] [0-9]{0,14}'
    const from = Math.ceil(min ?? Number.NaN)
    const count = Math.floor(max ?? Number.NaN) - from + 1
    if (!(count >= 1 && count <= ENUMERATED_MAX)) throw unsupported('this range of integers', path)
    const texts = Array.from({ length: count }, (_, i) => String(from + i))
    this.#parts.spend(texts, path)
    return oneOfLiterals(texts)
  }

  #literals(schema: Schema, values: unknown[], keyword: string, path: string): string {
    allow(schema, [keyword, 'type'], path)
    if (values.length === 0) throw unsupported('an empty enum', path)
    const texts = values.map((value) => JSON.stringify(value))
    this.#parts.spend(texts, path)
    return this.#parts.define(oneOfLiterals(texts))
  }

  /**
   * Resolves a local pointer; the name is reserved first, so that schemas may refer to themselves.
   */
  #reference(schema: Schema, path: string, depth: number): string {
    allow(schema, ['$ref'], path)
    const pointer = String(schema.$ref)
    const known = this.#references.get(pointer)
    if (known) return known
    if (pointer !== '#' && !pointer.startsWith('#/')) throw unsupported(`$ref ${pointer}`, path)
    let target: unknown = this.#root
    for (const part of pointer.split('/').slice(1)) {
      const key = unescaped(part)
      target = isSchema(target) && Object.hasOwn(target, key) ? target[key] : undefined
    }
    if (target === undefined) throw unsupported(`the unresolvable $ref ${pointer}`, path)
    const name = this.#parts.define(undefined)
    this.#references.set(pointer, name)
    return this.#parts.define(this.compile(target, pointer, depth + 1), name)
  }
}

function string(schema: Schema, path: string): string {
  const { format } = schema
  const min = bound(schema.minLength, path, 'minLength')
  const max = bound(schema.maxLength, path, 'maxLength')
  // llama.cpp would count from one to the other until memory ends.
  if (max !== undefined && max < (min ?? 0)) throw unsupported('maxLength below minLength', path)
  if (format === undefined) {
    if (min === undefined && max === undefined) return 'string'
    return `"\\"" char{${min ?? 0},${max ?? ''}} "\\""`
  }
  const rule = FORMAT_RULES[String(format)]
  if (rule === undefined) throw unsupported(`format ${JSON.stringify(format)}`, path)
  if (min !== undefined || max !== undefined) throw unsupported('format with a length', path)
  return `"\\"" ${rule} "\\""`
}

/** A part of a pointer in a URL; what cannot be decoded is no name of anything. */
function unescaped(part: string): string {
  try {
    return decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~')
  } catch (error) {
    if (error instanceof URIError) return part
    throw error
  }
}

/**
 * The least and the largest integer allowed; undefined without bound. Schema libraries write that
 * a number must be one that JavaScript knows as bounds, which is more than our digits can exceed.
 */
function integerRange(schema: Schema, path: string) {
  const limit = (keyword: string) => {
    const value = schema[keyword]
    if (value === undefined) return undefined
    if (typeof value !== 'number') throw unsupported(`${keyword} that is no number`, path)
    return value
  }
  const above = limit('exclusiveMinimum')
  const below = limit('exclusiveMaximum')
  const { MIN_SAFE_INTEGER: least, MAX_SAFE_INTEGER: most } = Number
  const min = Math.max(
    limit('minimum') ?? least,
    above === undefined ? least : Math.floor(above) + 1,
  )
  const max = Math.min(limit('maximum') ?? most, below === undefined ? most : Math.ceil(below) - 1)
  return { min: min === least ? undefined : min, max: max === most ? undefined : max }
}

function bound(
  value: unknown,
  path: string,
  keyword: string,
  most = LENGTH_MAX,
): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most)
    return value
  throw unsupported(`${keyword} outside 0 to ${most}`, path)
}

function inferredType(schema: Schema): string | undefined {
  for (const type of ['object', 'array'])
    if (BY_TYPE[type]?.some((keyword) => keyword in schema)) return type
  return undefined
}

/** @throws GristmillError when the schema uses a keyword that is not listed */
function allow(schema: Schema, keywords: readonly string[], path: string): void {
  for (const keyword of Object.keys(schema)) {
    if (ANNOTATIONS.has(keyword) || keywords.includes(keyword)) continue
    const together = COMBINING.includes(keyword) ? `${keyword} beside ${keywords[0]}` : keyword
    throw unsupported(together, path)
  }
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const unsupported = (feature: string, path: string) =>
  new GristmillError('unsupported_schema', { param: 'response_format', feature, path })
