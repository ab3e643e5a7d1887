/** Checking parts of a body that is translated, with errors that name the whole path. */
import type { z } from 'zod'
import { type Fates, GristmillError, invalidValue, tried } from '../base/index.ts'

/** Checks a part of a body. @throws GristmillError `invalid_value` with the whole path */
export function part<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  path: string,
): z.output<Schema> {
  const result = tried(schema, value)
  if (result.success) return result.data
  const { param, reason } = invalidValue(result.error).details
  const at = param === 'body' ? path : `${path}.${param}`
  throw new GristmillError('invalid_value', { param: at, reason })
}

export function unsupported(param: string, reason: string): GristmillError {
  return new GristmillError('unsupported_parameter', { param, reason })
}

/**
 * The fields of a body that mean something here; null means the same as nothing.
 * @param wire its name, for what is said about a field that it does not have
 * @throws GristmillError `unsupported_parameter` for those that the table refuses or lacks
 */
export function meaningful(
  fields: Record<string, unknown>,
  table: Fates,
  wire: string,
): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) continue
    const known = Object.hasOwn(table, name) ? table[name] : undefined
    if (known === undefined) throw unsupported(name, `the ${wire} API has no such field`)
    if (known.fate === 'refused') throw unsupported(name, known.how)
    if (known.fate !== 'ignored') given[name] = value
  }
  return given
}

/** The fields that go to the engine as they are. */
export function passedOn(given: Record<string, unknown>, table: Fates): Record<string, unknown> {
  const own = Object.entries(given).filter(([name]) => table[name]?.fate === 'passed on')
  return Object.fromEntries(own)
}
