/**
 * Whether no document can be valid under two schemas: of `oneOf` a grammar can only say that some
 * alternative holds, which is the same where they exclude each other. Pure.
 */
import { isSchema, type Schema, typeOf } from './schema-types.ts'

/** Follows references; undefined where a schema says nothing that could be compared. */
export type Resolve = (schema: unknown) => Schema | undefined

/** True where it is certain that none of the schemas shares a document with another. */
export function areDisjoint(schemas: readonly unknown[], resolve: Resolve): boolean {
  const seen = schemas.map(resolve)
  return seen.every((a, i) => seen.slice(i + 1).every((b) => exclude(a, b, resolve)))
}

function exclude(a: Schema | undefined, b: Schema | undefined, resolve: Resolve): boolean {
  if (!a || !b) return false
  const [values, others] = [fixedValues(a), fixedValues(b)]
  if (values && others) return values.every((value) => !others.includes(value))
  const [types, otherTypes] = [typesOf(a), typesOf(b)]
  if (types && otherTypes && types.every((type) => !otherTypes.includes(type))) return true
  if (!isOnlyObject(types) || !isOnlyObject(otherTypes)) return false
  return tags(a, resolve).some(([name, tag]) => {
    const other = tags(b, resolve).find(([otherName]) => otherName === name)
    return other?.[1].every((value) => !tag.includes(value))
  })
}

const isOnlyObject = (types: readonly string[] | undefined) =>
  types?.length === 1 && types[0] === 'object'

/** Values as JSON; undefined where others are allowed. */
function fixedValues(schema: Schema): string[] | undefined {
  if ('const' in schema) return [JSON.stringify(schema.const)]
  return Array.isArray(schema.enum) ? schema.enum.map((one) => JSON.stringify(one)) : undefined
}

/** Integers are numbers. */
function typesOf(schema: Schema): string[] | undefined {
  const { type } = schema
  const values = 'const' in schema ? [schema.const] : schema.enum
  const given = Array.isArray(values) ? values.map(typeOf) : type === undefined ? [] : [type].flat()
  const types = given.map((one) => (one === 'integer' ? 'number' : String(one)))
  return types.length > 0 ? types : undefined
}

/** Members that must be there, with one of few values. */
function tags({ properties, required }: Schema, resolve: Resolve): [string, string[]][] {
  if (!isSchema(properties) || !Array.isArray(required)) return []
  return Object.entries(properties).flatMap(([name, property]): [string, string[]][] => {
    const schema = required.includes(name) ? resolve(property) : undefined
    const values = schema && fixedValues(schema)
    return values ? [[name, values]] : []
  })
}
