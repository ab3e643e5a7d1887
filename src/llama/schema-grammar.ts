/**
 * Compiles a JSON Schema into a grammar under which only valid documents can be generated. What
 * cannot be enforced is refused rather than ignored.
 */
import { areDisjoint } from './disjoint-schemas.ts'
import { commaList, elementsOf, JSON_RULES, oneOf, oneOfLiterals } from './grammar-rules.ts'
import { membersRule } from './property-choice.ts'
import { isOfType, isSchema, type Schema, unsupported } from './schema-types.ts'
import { bound, integerRule, numberRule, stringRule } from './simple-values.ts'

/** Keywords that say nothing about validity, or only hold definitions. */
export const ANNOTATIONS: ReadonlySet<string> = new Set(
  (
    '$schema $id $comment $defs definitions title description default examples deprecated ' +
    'readOnly writeOnly strict discriminator'
  ).split(' '),
)
const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']
const BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties', 'propertyNames'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format', 'pattern'],
  integer: BOUNDS,
  number: BOUNDS,
  boolean: [],
  null: [],
}
const COMBINING = ['$ref', 'const', 'enum', 'anyOf', 'oneOf', 'allOf', 'type']
const DEPTH_MAX = 64
const RULES_MAX = 4000
/** With twice as many llama.cpp fails, and prints the grammar and thus the client's words. */
const ITEMS_MAX = 1000
/** Fixed values of one grammar together: llama.cpp compares all that may come next in pairs. */
const VALUES_MAX = 2000
/** For every token llama.cpp tries all that may come next. */
const ALTERNATIVES_MAX = 64
/** Sets of characters and repetitions of one grammar; each takes llama.cpp microseconds. */
const ELEMENTS_MAX = 5000
/** Characters of a grammar, or of its fixed values; both hold up everybody's answers. */
const TEXT_MAX = 150_000

/** Collects rules; several schemas may share one grammar. */
export class SchemaGrammar {
  readonly #rules = new Map<string, string>(Object.entries(JSON_RULES))
  /** Names of rules by what they say, so that what is said twice is one. */
  readonly #known = new Map<string, string>()
  #names = 0
  #elements = 0
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
    const known = body !== undefined && name === undefined ? this.#known.get(body) : undefined
    if (known !== undefined) return known
    const rule = name ?? `r${this.#names++}`
    if (this.#names > RULES_MAX) throw unsupported('more rules than the engine takes', '#')
    if (body !== undefined) {
      this.#rules.set(rule, body)
      this.#known.set(body, rule)
      this.#elements += elementsOf(body)
    }
    if (this.#elements > ELEMENTS_MAX)
      throw unsupported('longer lists and strings than the engine can count', '#')
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
    for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
      const parts = schema[keyword]
      if (Array.isArray(parts)) return this.#combined(schema, keyword, parts, path, depth)
    }
    return this.#typed(schema, path, depth)
  }

  #combined(schema: Schema, keyword: string, parts: unknown[], path: string, depth: number) {
    allow(schema, [keyword], path)
    if (parts.length === 0) throw unsupported(`an empty ${keyword}`, path)
    if (parts.length > ALTERNATIVES_MAX)
      throw unsupported(`more than ${ALTERNATIVES_MAX} alternatives`, path)
    if (keyword === 'allOf' && parts.length > 1) throw unsupported('an allOf of several', path)
    if (keyword === 'oneOf' && !areDisjoint(parts, (part) => this.#resolved(part)))
      throw unsupported('a oneOf of which several may hold', path)
    const rules = parts.map((part, i) => this.compile(part, `${path}/${keyword}/${i}`, depth + 1))
    return this.#parts.define(oneOf(rules))
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
        return stringRule(schema, path)
      case 'integer':
        return integerRule(schema, path)
      case 'number':
        return numberRule(schema, path)
      case 'boolean':
      case 'null':
        return type
      default:
        throw unsupported(`type ${JSON.stringify(type)}`, path)
    }
  }

  /** Each optional member may be left out; the order is that of the schema. */
  #object(given: Schema, path: string, depth: number): string {
    const schema = this.#withNames(given, path)
    const properties = schema.properties ?? {}
    if (!isSchema(properties)) throw unsupported('properties that are no object', path)
    const names = Object.keys(properties)
    const { required = [] } = schema
    if (!Array.isArray(required)) throw unsupported('required that is no list', path)
    const missing = required.find((name) => !names.includes(String(name)))
    if (missing !== undefined)
      throw unsupported(`the required but undescribed ${JSON.stringify(missing)}`, path)
    if (names.length === 0) return this.#map(schema, path, depth)
    if (isSchema(schema.additionalProperties))
      throw unsupported('properties together with additionalProperties of a schema', path)
    const members = names.map((name) => ({
      name,
      value: this.compile(properties[name], `${path}/properties/${name}`, depth + 1),
      isRequired: required.includes(name),
    }))
    return `"{" space ${membersRule(members, this.#parts.define)} "}"`
  }

  /** Names that are listed are members like those of `properties`. */
  #withNames(schema: Schema, path: string): Schema {
    const { propertyNames, properties, additionalProperties = true } = schema
    if (propertyNames === undefined) return schema
    if (isSchema(properties) && Object.keys(properties).length > 0)
      throw unsupported('propertyNames together with properties', path)
    const { enum: names } = this.#resolved(propertyNames) ?? {}
    if (!Array.isArray(names) || additionalProperties === false) return schema
    const members = names.map((name) => [String(name), additionalProperties])
    return { ...schema, properties: Object.fromEntries(members), additionalProperties: false }
  }

  #map(schema: Schema, path: string, depth: number): string {
    const { propertyNames = true, additionalProperties = true } = schema
    if (additionalProperties === false) return '"{" space "}"'
    if (propertyNames === true && additionalProperties === true) return 'object'
    const names = { type: 'string', ...this.#resolved(propertyNames) }
    if (names.type !== 'string') throw unsupported('propertyNames that are no strings', path)
    const name = this.compile(names, `${path}/propertyNames`, depth + 1)
    const value = this.compile(additionalProperties, `${path}/additionalProperties`, depth + 1)
    return `"{" space ${commaList(`${name} ":" space ${value}`, 0, undefined)} "}"`
  }

  #array(schema: Schema, path: string, depth: number): string {
    const min = bound(schema.minItems, path, 'minItems', ITEMS_MAX) ?? 0
    const max = bound(schema.maxItems, path, 'maxItems', ITEMS_MAX)
    if (max !== undefined && max < min) throw unsupported('maxItems below minItems', path)
    const { items, prefixItems } = schema
    if (prefixItems !== undefined || Array.isArray(items))
      return this.#tuple(schema, { min, max }, path, depth)
    const item = this.compile(items ?? true, `${path}/items`, depth + 1)
    const list = commaList(this.#parts.define(item), min, max)
    return `"[" space ${list} "]"`
  }

  /** All places that are described, none beyond. */
  #tuple(
    { items, prefixItems }: Schema,
    { min, max = ITEMS_MAX }: { min: number; max: number | undefined },
    path: string,
    depth: number,
  ): string {
    const places = prefixItems ?? items
    if (!Array.isArray(places)) throw unsupported('prefixItems that are no list', path)
    const { length } = places
    if (min > length || max < length)
      throw unsupported('a number of items other than that of prefixItems', path)
    const rules = places.map((place, i) =>
      this.compile(place, `${path}/prefixItems/${i}`, depth + 1),
    )
    return `"[" space ${rules.join(' "," space ')} "]"`
  }

  #literals(schema: Schema, values: unknown[], keyword: string, path: string): string {
    allow(schema, [keyword, 'type'], path)
    const fitting = values.filter((value) => isOfType(value, schema))
    if (fitting.length === 0) throw unsupported(`an empty ${keyword}`, path)
    const texts = fitting.map((value) => JSON.stringify(value))
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
    const target = this.#target(pointer, path)
    const name = this.#parts.define(undefined)
    this.#references.set(pointer, name)
    return this.#parts.define(this.compile(target, pointer, depth + 1), name)
  }

  #target(pointer: string, path: string): unknown {
    if (pointer !== '#' && !pointer.startsWith('#/')) throw unsupported(`$ref ${pointer}`, path)
    let target: unknown = this.#root
    for (const part of pointer.split('/').slice(1)) {
      const key = unescaped(part)
      const isThere = typeof target === 'object' && target !== null && Object.hasOwn(target, key)
      target = isThere ? (target as Schema)[key] : undefined
    }
    if (target === undefined) throw unsupported(`the unresolvable $ref ${pointer}`, path)
    return target
  }

  /** What a schema stands for; undefined where it says nothing by itself. */
  #resolved(schema: unknown): Schema | undefined {
    let resolved = schema
    for (let hops = 0; isSchema(resolved) && typeof resolved.$ref === 'string'; hops++) {
      if (hops > DEPTH_MAX) return undefined
      resolved = this.#target(resolved.$ref, '#')
    }
    return isSchema(resolved) ? resolved : undefined
  }
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
