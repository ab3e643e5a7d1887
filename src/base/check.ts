/** Checking what comes from outside against a zod schema, with errors that name the field. */
import type { z } from 'zod'
import { GristmillError } from './errors.ts'

/**
 * Parses `value` or says which field is wrong.
 * @throws GristmillError `invalid_value` with the first wrong field as `param`
 */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalidValue(result.error)
}

/** A zod error as `invalid_value`, naming the first wrong field. */
export function invalidValue(error: z.core.$ZodError): GristmillError {
  const [issue] = error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const path = [...(issue?.path ?? []), ...unknown.slice(0, 1)].join('.')
  const param = path === '' ? 'body' : path
  const reason = unknown.length > 0 ? 'there is no such field' : (issue?.message ?? 'not valid')
  return new GristmillError('invalid_value', { param, reason: reason.replace(/\.$/, '') })
}
